"""The calls that dnatctl makes to the cloud, under the vendor's own names."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """One API of the vendor: the unit of rate limits, metrics and RAM permissions.

    The credential operations are not counted against any limit; they appear in errors only.
    """

    CREATE = "CreateForwardEntry"
    DELETE = "DeleteForwardEntry"
    MODIFY = "ModifyForwardEntry"
    READ_TABLE = "DescribeForwardTableEntries"
    READ_GATEWAYS = "DescribeNatGateways"
    READ_EIPS = "DescribeEipAddresses"
    READ_ENIS = "DescribeNetworkInterfaces"

    @property
    def writes(self) -> bool:
        """Whether the call changes something, so that a lost answer leaves its outcome unknown."""
        return self in _WRITES

    @property
    def action(self) -> str:
        """The RAM action that allows it (https://help.aliyun.com/zh/ram/user-guide/action)."""
        return f"{'ecs' if self is Operation.READ_ENIS else 'vpc'}:{self}"


_WRITES = frozenset({Operation.CREATE, Operation.DELETE, Operation.MODIFY})

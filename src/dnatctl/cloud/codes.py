"""The table from the vendor's error codes to `ErrorKind`.

The code decides, never the HTTP status: throttling comes as 400, a bad access key as 404, a busy
table as 400 or 409. The codes keep the vendor's misspellings. Sources: the error tables of each
operation's page under https://help.aliyun.com/zh/nat-gateway/developer-reference/ (forward
entries, gateways), .../eip/ and .../ecs/; https://help.aliyun.com/knowledge_detail/36569.html
(tokens); codes that the pages lack but real accounts answer, from the retry lists of
https://github.com/aliyun/terraform-provider-alicloud and its issue 5600.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from dnatctl.cloud.errors import ErrorKind
from dnatctl.cloud.operation import Operation

_ANY: Final = frozenset(Operation)
_READS: Final = frozenset(op for op in Operation if not op.writes)
_WRITES: Final = _ANY - _READS
_CREATE: Final = frozenset({Operation.CREATE})
_DELETE: Final = frozenset({Operation.DELETE})
_MODIFY: Final = frozenset({Operation.MODIFY})
_ENIS: Final = frozenset({Operation.READ_ENIS})


class Rule(NamedTuple):
    """Codes that mean `kind` when one of `operations` answers them; `*` stands for any text."""

    operations: frozenset[Operation]
    kind: ErrorKind
    codes: tuple[str, ...]


_SERVER_FAILED: Final = ("InternalError*", "ServiceUnavailable*", "UnknownError")

RULES: Final = (
    # Said of every call, before the operation itself is looked at.
    Rule(_ANY, ErrorKind.THROTTLED, ("*Throttling*",)),
    Rule(_ANY, ErrorKind.RETRY, ("LastTokenProcessing", "*.LastTokenProcessing", "SystemBusy")),
    Rule(_ANY, ErrorKind.MISMATCH, ("IdempotentParameterMismatch",)),
    Rule(_ANY, ErrorKind.DRY_RUN, ("DryRunOperation",)),
    # A server that failed may have done the write before it failed.
    Rule(_WRITES, ErrorKind.UNKNOWN, _SERVER_FAILED),
    Rule(_READS, ErrorKind.RETRY, _SERVER_FAILED),
    Rule(
        _ANY,
        ErrorKind.AUTH,
        (
            "InvalidAccessKeyId*",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "InvalidTimeStamp*",
            "SignatureNonceUsed",
            "InvalidSecurityToken*",
        ),
    ),
    Rule(
        _ANY,
        ErrorKind.DENIED,
        (
            "Forbidden",
            "Forbbiden",
            "Forbidden.RAM",
            "Forbidden.SubUser",
            "Forbidden.NotSupportRAM",
            "InvalidUserType.NotSupported",
            "Abs.InvalidAccount.NotFound",
        ),
    ),
    # The state of the table. One code is both "busy" and "not exist" for a delete.
    Rule(_DELETE, ErrorKind.GONE_OR_BUSY, ("IncorretForwardEntryStatus",)),
    Rule(_READS, ErrorKind.RETRY, ("IncorretForwardEntryStatus",)),
    Rule(
        _WRITES,
        ErrorKind.BUSY,
        (
            "IncorretForwardEntryStatus",
            "IncorrectStatus*",
            "OperationConflict",
            "TaskConflict",
            "OperationUnsupported.EipInBinding",
        ),
    ),
    Rule(
        _WRITES | {Operation.READ_TABLE},  # of one row; documented for writes alone
        ErrorKind.GONE,
        ("InvalidForwardEntryId.NotFound", "ResourceNotFound.ForwardEntry"),
    ),
    Rule(_CREATE | _MODIFY, ErrorKind.CONFLICT, ("OperationUnsupported.ForwardEntry",)),
    Rule(_MODIFY, ErrorKind.CONFLICT, ("Forbidden.Already.Bounded",)),
    Rule(_CREATE | _MODIFY, ErrorKind.QUOTA, ("QuotaExceeded*",)),
    # Another EIP or gateway would do. That a table is not found, as with another account's key,
    # says nothing of its rows: whether its gateway is gone is asked of the gateways.
    Rule(
        _ANY,
        ErrorKind.GATEWAY,
        (
            "InvalidForwardTableId.NotFound",
            "Invalid.natgwNotExist",
            "InvalidExternalIp.NotFound",
            "InvalidIp.NotInNatgw",
            "Forbidden.ExternalIp.UsedInSnatTable",
        ),
    ),
    # Nothing would do but another request.
    Rule(
        _CREATE | _MODIFY,
        ErrorKind.REJECTED,
        (
            "Forbindden",
            "Forbidden.DestnationIpOutOfVpcCIDR",
            "Forbidden.InternalIpOutOfVpcCIDR",
        ),
    ),
    Rule(frozenset({Operation.READ_GATEWAYS}), ErrorKind.GONE, ("InvalidNatGatewayId.NotFound",)),
    Rule(
        _ENIS,
        ErrorKind.GONE,
        (
            "InvalidEcsId.NotFound",
            "InvalidEniId.NotFound",
            "InvalidVSwitchId.NotFound",
            "InvalidSecurityGroupId.NotFound",
        ),
    ),
    Rule(
        _ANY,
        ErrorKind.REJECTED,
        (
            "*.Malformed",
            "*.MalFormed",
            "*.ValueNotSupported",
            "MissingParameter*",
            "UnsupportedParameter*",
            "InvalidParameter*",
            "InvalidOperation.*",
            "DESCRIBE_FORWARD_PARAM_INVALID",
            "InvalidRegionId.NotFound",
            "Forbidden.RegionNotFound",
            "Forbidden.RegionId",
            "InvalidLockReason.NotFound",
            "InvalidResourceGroupId",
            "OperationUnsupported.ResourceGroupId",
            "Abs.*",
        ),
    ),
)
"""First match wins."""


@lru_cache(maxsize=1024)
def classify(operation: Operation, code: str) -> ErrorKind | None:
    """What `code` means when `operation` answers it; None for a code in no table."""
    return next(_matches(operation, code), None)


def _matches(operation: Operation, code: str) -> Iterator[ErrorKind]:
    for rule in RULES:
        if operation in rule.operations and any(fnmatchcase(code, c) for c in rule.codes):
            yield rule.kind


_CREDENTIALS: Final = (
    ("InvalidTimeStamp*", "set the clock of this machine"),
    ("SignatureDoesNotMatch", "accessSecret is not that of accessKey: put the pair in again"),
    ("InvalidAccessKeyId*", "the AccessKey is gone, or never was: make a new pair, or use a role"),
    ("InvalidSecurityToken*", "the lent credentials are over: start again, to have new ones"),
    ("*", "see how it signs in, and whether that is still good (docs/install.md, 3)"),
)


def new_credentials(code: str) -> str:
    """What to do where credentials are refused (`ErrorKind.AUTH`) with that code."""
    return next(mend for pattern, mend in _CREDENTIALS if fnmatchcase(code, pattern))

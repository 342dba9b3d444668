"""The APIs there are, and what each needs to be asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dnatctl_sim.cloud import enis, reads
from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.forward import Create, Delete, Modify, Write
from dnatctl_sim.cloud.params import Params

Body = dict[str, object]
Read = Callable[[Context, Params], Body]
Product = Literal["vpc", "ecs"]
VERSIONS: dict[Product, str] = {"vpc": "2016-04-28", "ecs": "2014-05-26"}


@dataclass(frozen=True, slots=True)
class Operation:
    """An API: either `read` answers it, or `understand` makes it a write."""

    product: Product
    read: Read | None = None
    understand: Callable[[Context, Params], Write] | None = None


_OPERATIONS = {
    "CreateForwardEntry": Operation("vpc", understand=Create.read),
    "ModifyForwardEntry": Operation("vpc", understand=Modify.read),
    "DeleteForwardEntry": Operation("vpc", understand=Delete.read),
    "DescribeForwardTableEntries": Operation("vpc", reads.describe_forward_table_entries),
    "DescribeNatGateways": Operation("vpc", reads.describe_nat_gateways),
    "DescribeEipAddresses": Operation("vpc", reads.describe_eip_addresses),
    "DescribeNetworkInterfaces": Operation("ecs", enis.describe_network_interfaces),
}


def find(api: str, version: str) -> Operation:
    """The API of that name and version; raises ApiError InvalidAction.NotFound."""
    operation = _OPERATIONS.get(api)
    if operation is None or version != VERSIONS[operation.product]:
        raise refusal("InvalidAction.NotFound")
    return operation

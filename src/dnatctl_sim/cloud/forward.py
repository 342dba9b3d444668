"""The writes to a forward table: CreateForwardEntry, ModifyForwardEntry, DeleteForwardEntry.

The rules for rows are those of
https://www.alibabacloud.com/help/en/vpc/developer-reference/api-vpc-2016-04-28-createforwardentry
and its sibling pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from dnatctl_sim.cloud.context import Context
from dnatctl_sim.cloud.enis import public_ip_of
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import draw
from dnatctl_sim.cloud.mapping import Mapping
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.table import ForwardTable, Row
from dnatctl_sim.cloud.world import NatGateway

_NAME = re.compile(r"(?!https?://)[A-Za-z\u4e00-\u9fff].{1,127}")
PRIVILEGED = 1024
"""On an EIP that serves SNAT, ports above this one need PortBreak."""


class Write(Protocol):
    """A write that was understood; whether it is allowed is known only when its turn comes."""

    @property
    def gateway(self) -> NatGateway:
        """The gateway written to."""
        ...

    def check(self, ctx: Context) -> None:
        """Raise ApiError if the write is not allowed now."""

    def apply(self, ctx: Context) -> dict[str, object]:
        """Do it, after `check`, and return the fields of the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Create:
    """CreateForwardEntry: the ID comes back at once, the row is `Pending` for a while."""

    gateway: NatGateway
    mapping: Mapping
    name: str
    port_break: bool

    @classmethod
    def read(cls, ctx: Context, params: Params) -> Create:
        """Understand the call; raises ApiError."""
        table_id = params.required("ForwardTableId")
        mapping = Mapping(
            external_ip=params.required("ExternalIp"),
            external_port=params.required("ExternalPort"),
            internal_ip=params.required("InternalIp"),
            internal_port=params.required("InternalPort"),
            protocol=params.required("IpProtocol"),
        )
        gateway = ctx.world.gateway_of_table(table_id, ctx.region)
        return cls(gateway, mapping, _name(params), params.flag("PortBreak"))

    def check(self, ctx: Context) -> None:
        """See `Write.check`."""
        check_gateway(self.gateway)
        if len(self.gateway.table) >= ctx.knobs.quota_of(self.gateway.table.table_id):
            raise refusal("QuotaExceeded")
        check_mapping(ctx, self.gateway, self.mapping, port_break=self.port_break)

    def apply(self, ctx: Context) -> dict[str, object]:
        """See `Write.apply`."""
        table = self.gateway.table
        row = Row(
            entry_id=table.new_id(),
            mapping=self.mapping,
            name=self.name,
            status="Pending",
            settles_at=ctx.now + draw(self._settle(ctx), table.rng),
            visible_at=ctx.now + draw(ctx.knobs.read_lag, table.rng),
            port_break=self.port_break,
        )
        if ctx.knobs.backend_lag:
            table.remember(ctx.now, ctx.knobs.backend_lag)
        table.put(row)
        return {"ForwardEntryId": row.entry_id}

    def _settle(self, ctx: Context) -> float | tuple[float, float]:
        return ctx.knobs.settle_for(self.gateway.gateway_id).create


@dataclass(frozen=True, slots=True)
class Modify:
    """ModifyForwardEntry: ID and what is not given stay, the row is `Pending` for a while."""

    gateway: NatGateway
    row: Row
    mapping: Mapping
    name: str
    port_break: bool

    @classmethod
    def read(cls, ctx: Context, params: Params) -> Modify:
        """Understand the call; raises ApiError."""
        gateway, row = _find(ctx, params)
        old = row.mapping
        mapping = Mapping(
            external_ip=params.text("ExternalIp", old.external_ip),
            external_port=params.text("ExternalPort", old.external_port),
            internal_ip=params.text("InternalIp", old.internal_ip),
            internal_port=params.text("InternalPort", old.internal_port),
            protocol=params.text("IpProtocol", old.protocol),
        )
        port_break = params.flag("PortBreak") or row.port_break
        return cls(gateway, row, mapping, _name(params) or row.name, port_break)

    def check(self, ctx: Context) -> None:
        """See `Write.check`."""
        check_gateway(self.gateway)
        _check_settled(ctx, self.gateway.table, self.row)
        check_mapping(
            ctx, self.gateway, self.mapping, port_break=self.port_break, besides=self.row.entry_id
        )

    def apply(self, ctx: Context) -> dict[str, object]:
        """See `Write.apply`."""
        table = self.gateway.table
        table.remap(self.row, self.mapping)
        self.row.name, self.row.port_break = self.name, self.port_break
        span = ctx.knobs.settle_for(self.gateway.gateway_id).modify
        table.mark(self.row, "Pending", ctx.now + draw(span, table.rng))
        return {}


@dataclass(frozen=True, slots=True)
class Delete:
    """DeleteForwardEntry: the row is `Deleting` for a while, then absent."""

    gateway: NatGateway
    row: Row

    @classmethod
    def read(cls, ctx: Context, params: Params) -> Delete:
        """Understand the call; raises ApiError."""
        return cls(*_find(ctx, params))

    def check(self, ctx: Context) -> None:
        """See `Write.check`."""
        check_gateway(self.gateway)
        _check_settled(ctx, self.gateway.table, self.row)

    def apply(self, ctx: Context) -> dict[str, object]:
        """See `Write.apply`."""
        table = self.gateway.table
        span = ctx.knobs.settle_for(self.gateway.gateway_id).delete
        table.mark(self.row, "Deleting", ctx.now + draw(span, table.rng))
        return {}


def check_gateway(gateway: NatGateway) -> None:
    """Raise ApiError unless the gateway may be written to."""
    if gateway.status != "Available":
        raise refusal("IncorrectStatus.NATGW", f"The NAT gateway is {gateway.status}.")
    if gateway.business_status != "Normal":
        raise refusal("IncorrectStatus.NATGW", f"The NAT gateway is {gateway.business_status}.")


def check_mapping(
    ctx: Context, gateway: NatGateway, mapping: Mapping, *, port_break: bool, besides: str = ""
) -> None:
    """Raise ApiError unless the gateway may hold this mapping in a row other than `besides`."""
    if gateway.network_type == "internet":
        _check_eip(ctx, gateway, mapping, port_break=port_break)
    else:
        _check_nat_ip(gateway, mapping)
    if not gateway.vpc.holds(mapping.internal_ip):
        raise refusal(ctx.knobs.out_of_cidr_code)
    if public_ip_of(ctx.world, gateway.vpc.vpc_id, mapping.internal_ip):
        raise refusal("Forbindden")
    _check_unique(ctx, gateway, mapping, besides)


def _check_eip(ctx: Context, gateway: NatGateway, mapping: Mapping, *, port_break: bool) -> None:
    eip = ctx.world.eips.get(mapping.external_ip)
    if eip is None or eip.region != ctx.region:
        raise refusal("InvalidExternalIp.NotFound")
    if eip.instance_id != gateway.gateway_id or eip.status == "Unassociating":
        raise refusal("InvalidIp.NotInNatgw")
    if eip.status == "Associating":
        raise refusal("OperationUnsupported.EipInBinding")
    if not eip.serves_snat:
        return
    if gateway.nat_type != "Enhanced" or mapping.is_ip_mapping:
        raise refusal("Forbidden.ExternalIp.UsedInSnatTable")
    if mapping.external_ports.last > PRIVILEGED and not port_break:
        raise refusal(
            ctx.knobs.port_break_code, "Ports above 1024 of an EIP used by SNAT need PortBreak."
        )


def _check_nat_ip(gateway: NatGateway, mapping: Mapping) -> None:
    if mapping.external_ip not in gateway.nat_ips:
        raise refusal("InvalidIp.NotInNatgw")
    if "/" in mapping.external_port + mapping.internal_port:
        raise refusal("InvalidExternalPort.Malformed", "A VPC NAT gateway takes no port range.")


def _check_unique(ctx: Context, gateway: NatGateway, mapping: Mapping, besides: str) -> None:
    external, internal = mapping.external_ports, mapping.internal_ports
    if gateway.table.external.holder(
        mapping.external_ip, mapping.protocol, external, besides=besides
    ):
        raise refusal(
            ctx.knobs.duplicate_external_code, "The ExternalIp, port and protocol are in use."
        )
    tables = [gateway.table]
    if ctx.knobs.internal_scope == "vpc":
        tables = ctx.world.tables_of(gateway.vpc.vpc_id)
    for table in tables:
        if table.internal.holder(mapping.internal_ip, mapping.protocol, internal, besides=besides):
            raise refusal(ctx.knobs.duplicate_internal_code)


def _check_settled(ctx: Context, table: ForwardTable, row: Row) -> None:
    # While the write waited for its turn the row may have gone or changed.
    if table.rows.get(row.entry_id) is not row:
        raise _gone(ctx)
    if row.status != "Available":
        raise refusal("IncorretForwardEntryStatus", "The Forward entry is in not stable status.")


def _find(ctx: Context, params: Params) -> tuple[NatGateway, Row]:
    table_id, entry_id = params.required("ForwardTableId"), params.required("ForwardEntryId")
    gateway = ctx.world.gateway_of_table(table_id, ctx.region)
    row = gateway.table.rows.get(entry_id)
    if row is None:
        raise _gone(ctx)
    return gateway, row


def _gone(ctx: Context) -> Exception:
    code = ctx.knobs.gone_code
    if code == "IncorretForwardEntryStatus":
        return refusal(code, "The Specified forwardEntry is not exist.")
    return refusal(code)


def _name(params: Params) -> str:
    name = params.text("ForwardEntryName")
    if name and not _NAME.fullmatch(name):
        raise refusal("InvalidParameter.Name.Malformed")
    return name

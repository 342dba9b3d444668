"""From the vendor's answers to the program's own values, and back. Pure.

The SDK passes values on as they came: numbers as strings or the reverse, containers absent when
empty or when it failed to parse them. So everything is read with suspicion here, and what cannot
be understood is read as what does least harm: a busy row, a row that covers more, an unusable EIP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from dnatctl.cloud.text import shown
from dnatctl.compact import shared
from dnatctl.model import (
    ALL_PORTS,
    Eni,
    EntryStatus,
    ForwardEntry,
    Gateway,
    GatewayEip,
    NewEntry,
    PortRange,
    Protocol,
)

_STATUSES: Final = {status.value.lower(): status for status in EntryStatus}
_STATUS_LIMIT: Final = 32
"""Characters of a status that was never documented: as many as any word of the cloud has."""

_FIELDS: Final = {
    "ForwardEntryId": "forward_entry_id",
    "ExternalIp": "external_ip",
    "InternalIp": "internal_ip",
    "IpProtocol": "ip_protocol",
}
_PORTS: Final = {"ExternalPort": "external_port", "InternalPort": "internal_port"}

_IPS: Final = {"ExternalIp": "external_ip", "InternalIp": "internal_ip"}

_ANY: Final = "any"

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
"""As the cloud writes addresses."""

_PROTOCOLS: Final = {protocol.value: protocol for protocol in Protocol}


def named(rows: Iterable[Any], field: str) -> dict[str, Any]:
    """Rows by what tells them apart; one that lacks it is passed over, nothing can be done with it.

    Of several the last counts. Raises TypeError where it is a list or an object.
    """
    values = {getattr(row, field): row for row in rows}
    return {str(value): row for value, row in values.items() if not _is_blank(value)}


def rows(container: Any, name: str) -> list[Any]:
    """The list `name` of a container that may be absent; [] for an absent or empty one."""
    return getattr(container, name, None) or []


def new_entry_fields(table_id: str, new: NewEntry) -> dict[str, Any]:
    """The request parameters that say what a row should be."""
    return {
        "forward_table_id": table_id,
        "external_ip": new.external_ip,
        "external_port": str(new.external_ports),
        "internal_ip": new.internal_ip,
        "internal_port": str(new.internal_ports),
        "ip_protocol": new.protocol.upper(),
        "forward_entry_name": new.name,
        "port_break": True if new.port_break else None,
    }


def lacking(row: Any) -> list[str]:
    """What a row of a forward table lacks that each has, in the vendor's words; a name may lack.

    An IP mapping says `Any` for its ports; its protocol says so already.
    """
    mapping = _protocol(row) == _ANY
    needed = _FIELDS if mapping else _FIELDS | _PORTS
    return [name for name, field in needed.items() if _is_blank(getattr(row, field))]


def _protocol(row: Any) -> str:
    return str(row.ip_protocol).strip().lower()


def _is_blank(value: Any) -> bool:
    return value is None or not str(value).strip()


def _senseless(row: Any) -> str:
    """What a row says that there is not, in the vendor's words: see `ForwardEntry.senseless`."""
    odd = [name for name, field in _IPS.items() if not _IPV4.fullmatch(_ip(getattr(row, field)))]
    protocol = _protocol(row)
    if protocol != _ANY:  # an IP mapping has all ports, whatever it says
        odd += [name for name, field in _PORTS.items() if not _parsed(str(getattr(row, field)))]
        odd += [] if protocol in _PROTOCOLS else ["IpProtocol"]
    fields = _FIELDS | _PORTS
    return ", ".join(f"{name} {shown(getattr(row, fields[name]), longest=64)!r}" for name in odd)


def entry(row: Any) -> ForwardEntry:
    """A row of a forward table that lacks nothing."""
    status = _STATUSES.get(str(row.status).lower())
    return ForwardEntry(
        entry_id=str(row.forward_entry_id or ""),
        external_ip=_ip(row.external_ip),
        external_ports=_ports(row.external_port),
        internal_ip=_ip(row.internal_ip),
        internal_ports=_ports(row.internal_port),
        # `Any` is None, and so is a protocol not known here: both can stand in anyone's way.
        protocol=_PROTOCOLS.get(_protocol(row)),
        name=str(row.forward_entry_name or ""),
        status=status or EntryStatus.PENDING,
        odd_status="" if status else _unheard_of(row.status),
        senseless=_senseless(row),
    )


def _unheard_of(status: Any) -> str:
    """A status that is none of those documented, for people."""
    return shared(shown(status, longest=_STATUS_LIMIT) if status else "of no status")


def _ip(value: Any) -> str:
    """An address; one that is written as a network of one is the same."""
    return shared(str(value or "").strip().removesuffix("/32"))


def _ports(value: Any) -> PortRange:
    return _parsed(str(value)) or ALL_PORTS


@lru_cache(maxsize=4096)
def _parsed(text: str) -> PortRange | None:
    """One object for all rows that say so, which is also read once; None if it is no range."""
    try:
        return PortRange.parse(text)
    except ValueError:
        return None


def gateway(row: Any, vpc_id: str, eips: Iterable[GatewayEip]) -> Gateway:
    """A NAT gateway, judged for use in `vpc_id`."""
    # A list of one, as far as anybody knows; of more it has to be the same one each time.
    listed = rows(row.forward_table_ids, "forward_table_id")
    tables = sorted(str(table) for table in listed if not _is_blank(table))
    return Gateway(
        gateway_id=str(row.nat_gateway_id),
        table_id=tables[0] if tables else "",
        zone_id=str(getattr(row.nat_gateway_private_info, "iz_no", None) or ""),
        vpc_id=str(row.vpc_id or ""),
        eips=tuple(eips),
        problem=shown(_gateway_problem(row, vpc_id, has_table=bool(tables))),
        locked=_locked(row.business_status),
    )


def absent_gateway(gateway_id: str) -> Gateway:
    """What to say of a gateway that the region does not have."""
    problem = "there is no such NAT gateway in the region"
    return Gateway(gateway_id, "", "", "", (), problem, absent=True)


def _gateway_problem(row: Any, vpc_id: str, *, has_table: bool) -> str:
    if row.vpc_id != vpc_id:
        return f"is in VPC {row.vpc_id}, not in {vpc_id}"
    if row.network_type == "intranet":
        return "is a VPC NAT gateway; only an Internet NAT gateway has public addresses"
    if _locked(row.business_status):
        return f"is locked ({row.business_status})"
    if _is_odd(row.business_status):
        return f"is {row.business_status}, not Normal"
    if row.status != "Available":
        return f"is {row.status}, not Available"
    return "" if has_table else "has no forward table"


def _locked(business_status: Any) -> bool:
    """Whether it says that nothing is forwarded: FinancialLocked, for an overdue payment, is what
    the vendor documents; another word of a lock is taken for one."""
    text = str(business_status).lower()
    return "lock" in text and "unlock" not in text


def _is_odd(business_status: Any) -> bool:
    """Whether it is a word that nobody documents: no new pods there, and nobody loses anything."""
    return business_status not in (None, "", "Normal")


def gateway_eips(row: Any, described: Iterable[Any]) -> Iterator[GatewayEip]:
    """The EIPs of a gateway: those it lists, and those that say they belong to it.

    An EIP that is being bound is in the second list before it is in the first.
    """
    listed = named(rows(row.ip_lists, "ip_list"), "ip_address")
    states = named(described, "ip_address")
    for ip in dict.fromkeys([*listed, *states]):
        problem = shown(_eip_problem(ip, listed, states.get(ip), row.nat_gateway_id))
        serves_snat = _serves_snat(listed.get(ip))
        yield GatewayEip(ip, not problem, serves_snat, problem, locked=problem == _EIP_LOCKED)


def _serves_snat(listed: Any) -> bool:
    """Whether SNAT uses the EIP; where the cloud does not say what it is used for, whether it may.

    UsingStatus is Idle, UsedByForwardTable, UsedBySnatTable or UsedByForwardSnatTable;
    SnatEntryEnabled tells whether an EIP of DNAT entries may serve SNAT too (DescribeNatGateways).
    """
    using = str(getattr(listed, "using_status", None) or "").lower()
    return "snat" in using or (not using and bool(getattr(listed, "snat_entry_enabled", None)))


_EIP_LOCKED = "is locked"
_EIP_HIDDEN = "may these credentials see it (its resource group)?"


def _eip_problem(ip: str, listed: dict[str, Any], state: Any, gateway_id: str) -> str:
    if state is None:
        return "is listed by its gateway and not shown by DescribeEipAddresses: " + _EIP_HIDDEN
    if state.instance_id != gateway_id:
        return "is not bound to this gateway"
    locks = rows(state.operation_locks, "lock_reason")
    if _locked(state.business_status) or not all(_is_blank(each.lock_reason) for each in locks):
        return _EIP_LOCKED
    if locks:
        return "has a lock that says nothing of its reason"
    if _is_odd(state.business_status):
        return f"is {state.business_status}, not Normal"
    if state.status != "InUse":
        return f"is {state.status}, not InUse"
    return "" if ip in listed else "is not yet listed by its gateway"


def enis(row: Any) -> Iterator[tuple[str, Eni]]:
    """A network interface once for each of its private addresses, the primary one first.

    They differ in their public address only: one neighbour's EIP is not the other's. The ID is
    empty where the interface lacks it.
    """
    publics = {ip: _public_ip(row) for ip in named((row,), "private_ip_address")}
    for ip, one in named(rows(row.private_ip_sets, "private_ip_set"), "private_ip_address").items():
        publics[ip] = _public_ip(one) or publics.get(ip, "")
    common = _eni(row, tuple(publics))
    for ip, public_ip in publics.items():
        yield ip, replace(common, public_ip=public_ip) if public_ip else common


def _eni(row: Any, ips: tuple[str, ...]) -> Eni:
    return Eni(
        eni_id=str(row.network_interface_id or ""),
        vswitch_id=str(row.v_switch_id or ""),
        zone_id=str(row.zone_id or ""),
        ips=ips,
        instance_id=str(row.instance_id or ""),
    )


def _public_ip(holder: Any) -> str:
    return str(getattr(holder.associated_public_ip, "public_ip_address", None) or "")

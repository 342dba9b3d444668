"""What a row maps, as the API writes it, and which addresses a set of rows takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from dnatctl.model import ALL_PORTS, PortRange
from dnatctl_sim.cloud.errors import refusal

ANY = "any"
_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:/([1-9][0-9]{0,4}))?")


def parse_ports(text: str, code: str) -> PortRange:
    """Read `80`, `80/90` or `Any`; raises ApiError with `code` for anything else."""
    if text.lower() == ANY:
        return ALL_PORTS
    if match := _PORTS.fullmatch(text):
        first = int(match[1])
        last = int(match[2] or first)
        if first <= last <= ALL_PORTS.last:
            return PortRange(first, last)
    raise refusal(code)


def check_ip(text: str, code: str) -> None:
    """Raise ApiError with `code` unless `text` is an IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        raise refusal(code) from None


@dataclass(frozen=True, slots=True)
class Mapping:
    """An endpoint and the internal IP and port behind it, spelt as the client spelt them."""

    external_ip: str
    external_port: str
    internal_ip: str
    internal_port: str
    protocol: str
    external_ports: PortRange = field(init=False, repr=False, compare=False)
    internal_ports: PortRange = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_ip(self.external_ip, "InvalidExternalIp.Malformed")
        check_ip(self.internal_ip, "InvalidInternalIp.Malformed")
        external = parse_ports(self.external_port, "InvalidExternalPort.Malformed")
        internal = parse_ports(self.internal_port, "InvalidInternalPort.Malformed")
        object.__setattr__(self, "external_ports", external)
        object.__setattr__(self, "internal_ports", internal)
        self._check()

    @property
    def is_ip_mapping(self) -> bool:
        """Whether every port and protocol is mapped."""
        return self.protocol.lower() == ANY

    def _check(self) -> None:
        if self.protocol.lower() not in ("tcp", "udp", ANY):
            raise refusal("InvalidProtocal.ValueNotSupported")
        if (self.external_port.lower() == ANY) != self.is_ip_mapping:
            raise refusal("InvalidExternalPort.Malformed")
        if (self.internal_port.lower() == ANY) != self.is_ip_mapping:
            raise refusal("InvalidInternalPort.Malformed")
        if len(self.external_ports) != len(self.internal_ports):
            raise refusal("InvalidInternalPort.Malformed", "Both port ranges must be as long.")
        if self.external_ip == self.internal_ip:
            raise refusal("InvalidInternalIp.Malformed", "ExternalIp and InternalIp are equal.")


class Taken:
    """The (IP, protocol, ports) that rows take, each row once; ranges and `Any` included.

    Single ports, nearly all of a table, are found in constant time.
    """

    def __init__(self) -> None:
        self._single: dict[str, dict[tuple[str, int], str]] = {}
        self._wide: dict[str, dict[str, tuple[str, PortRange]]] = {}

    def add(self, row_id: str, ip: str, protocol: str, ports: PortRange) -> None:
        """Record that `row_id` takes these ports."""
        protocol = protocol.lower()
        if len(ports) == 1:
            self._single.setdefault(ip, {})[protocol, ports.first] = row_id
        else:
            self._wide.setdefault(ip, {})[row_id] = (protocol, ports)

    def remove(self, row_id: str, ip: str, protocol: str, ports: PortRange) -> None:
        """Undo `add` with the same arguments."""
        if len(ports) == 1:
            del self._single[ip][protocol.lower(), ports.first]
        else:
            del self._wide[ip][row_id]

    def uses(self, ip: str) -> bool:
        """Whether any row takes a port of `ip`."""
        return bool(self._single.get(ip) or self._wide.get(ip))

    def holder(self, ip: str, protocol: str, ports: PortRange, *, besides: str = "") -> str:
        """ID of a row, other than `besides`, that takes any of these ports; empty if free."""
        protocol = protocol.lower()
        for row_id, (other, wide) in self._wide.get(ip, {}).items():
            if row_id != besides and _meet(protocol, other) and wide.overlaps(ports):
                return row_id
        single = self._single.get(ip, {})
        if len(ports) == 1:
            found = single.get((protocol, ports.first), "")
            return found if found != besides else ""
        for (other, port), row_id in single.items():
            if row_id != besides and _meet(protocol, other) and port in ports:
                return row_id
        return ""


def _meet(one: str, other: str) -> bool:
    return ANY in (one, other) or one == other

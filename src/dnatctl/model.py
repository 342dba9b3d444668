"""The words of the program: values that every part shares, with no behaviour beyond themselves.

They are the terms of the glossary in README.md: endpoint, mapping, forward entry, gateway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address

from msgspec import Struct


class Protocol(StrEnum):
    """A transport protocol that a port can be exposed on."""

    TCP = "tcp"
    UDP = "udp"


MOST_PORTS = 100
"""Ports that one pod may claim: as many as a forward table holds rows by default."""

USUAL_PORTS = 32
"""Ports that one pod may ask for, unless the configuration says otherwise."""

ROLE_NAME = "[A-Za-z0-9_.-]{0,63}[A-Za-z0-9_-]"
"""A pattern. RAM takes letters, digits, dots and hyphens, 64 at most
(https://help.aliyun.com/zh/ram/developer-reference/api-ram-2015-05-01-createrole)."""

ROLE_NAME_IN_WORDS = "the name of a RAM role: at most 64 letters, digits, '.', '_' and '-'"


def is_ipv4(text: str) -> bool:
    """Whether that is an IPv4 address, as it is written usually."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


class PortRange(Struct, frozen=True, order=True, gc=False):
    """Ports `first` to `last`, both inclusive."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """Read `80`, `7000/7003` (as the cloud writes a range) or `Any` (all ports).

        Raises ValueError for anything else.
        """
        if text.lower() == "any":
            return ALL_PORTS
        first, _, last = text.partition("/")
        ports = cls(int(first), int(last or first))
        if not 1 <= ports.first <= ports.last <= 65535:
            raise ValueError(f"{text!r} is no range of ports")
        return ports

    @classmethod
    def read(cls, text: str) -> PortRange:
        """Read `80` or `7000-7003`, as people write a range. Raises ValueError otherwise."""
        return cls.parse(text.replace("-", "/"))

    @property
    def text(self) -> str:
        """As people write it: `80`, `7000-7003`."""
        return f"{self.first}-{self.last}" if self.last > self.first else str(self.first)

    def __str__(self) -> str:
        if self == ALL_PORTS:
            return "Any"
        return str(self.first) if self.first == self.last else f"{self.first}/{self.last}"

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def overlaps(self, other: PortRange) -> bool:
        """Whether the two ranges share a port."""
        return self.first <= other.last and other.first <= self.last

    def common(self, other: PortRange) -> range:
        """The ports that are in both."""
        return range(max(self.first, other.first), min(self.last, other.last) + 1)


ALL_PORTS = PortRange(1, 65535)


class Endpoint(Struct, frozen=True, order=True, gc=False):
    """One public address: external IP, external port, protocol."""

    ip: str
    port: int
    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}/{self.protocol}"


class EntryStatus(StrEnum):
    """What the cloud says of a forward entry. A value it never documented reads as PENDING."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class ForwardEntry:
    """A row of a forward table, as the cloud holds it.

    `protocol` None is the cloud's `Any` (IP mapping), which covers both protocols and all ports.
    `odd_status`: the status in the cloud's words, where it is one that it never documented.
    `senseless`: the parts that could not be understood, in its words; the row is read as one that
    covers all that it may.
    """

    entry_id: str
    external_ip: str
    external_ports: PortRange
    internal_ip: str
    internal_ports: PortRange
    protocol: Protocol | None
    name: str
    status: EntryStatus
    odd_status: str = ""
    senseless: str = ""

    def is_but_for_status(self, other: ForwardEntry) -> bool:
        """Whether the two differ in nothing but how far the cloud is with them."""
        return replace(self, status=other.status, odd_status=other.odd_status) == other

    @property
    def status_text(self) -> str:
        """The status for people."""
        odd = self.odd_status if self.status is EntryStatus.PENDING else ""
        return odd or str(self.status)

    def covers(self, endpoint: Endpoint) -> bool:
        """Whether traffic to `endpoint` is taken by this row."""
        return (
            self.external_ip == endpoint.ip
            and self.protocol in (None, endpoint.protocol)
            and endpoint.port in self.external_ports
        )

    def leads(self, endpoint: Endpoint, internal: int) -> bool:
        """Whether traffic to `endpoint` is led to that port, of whichever IP."""
        offset = endpoint.port - self.external_ports.first
        return self.covers(endpoint) and self.internal_ports.first + offset == internal


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A row to be created."""

    external_ip: str
    external_ports: PortRange
    internal_ip: str
    internal_ports: PortRange
    protocol: Protocol
    name: str
    port_break: bool = False

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The public addresses that it takes."""
        ports = range(self.external_ports.first, self.external_ports.last + 1)
        return tuple(Endpoint(self.external_ip, port, self.protocol) for port in ports)

    def as_row(self, entry_id: str) -> ForwardEntry:
        """The row that the cloud makes of it, while it is being made."""
        return ForwardEntry(
            entry_id=entry_id,
            external_ip=self.external_ip,
            external_ports=self.external_ports,
            internal_ip=self.internal_ip,
            internal_ports=self.internal_ports,
            protocol=self.protocol,
            name=self.name,
            status=EntryStatus.PENDING,
        )


@dataclass(frozen=True, slots=True)
class GatewayEip:
    """An EIP as its gateway lists it.

    `usable`: bound, in use by this gateway and not locked. `serves_snat`: it also carries SNAT,
    so ports above 1024 need PortBreak. `locked`: it forwards nothing until its bill is paid.
    """

    ip: str
    usable: bool
    serves_snat: bool = False
    problem: str = ""
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """An Internet NAT gateway as the cloud describes it.

    `problem` is empty when its forward table may be written to; else it says what is wrong
    (absent, wrong VPC, not Available, VPC type, locked), for people. `absent`: the cloud knows no
    such gateway, so no row of its table can exist. `locked`: it forwards nothing until its bill is
    paid. `unread`: why the cloud does not say more of it; what is missing is not known then.
    """

    gateway_id: str
    table_id: str
    zone_id: str
    vpc_id: str
    eips: tuple[GatewayEip, ...]
    problem: str = ""
    absent: bool = False
    locked: bool = False
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Eni:
    """The network interface behind a pod IP. `instance_id`: the machine it is attached to."""

    eni_id: str
    vswitch_id: str
    zone_id: str
    ips: tuple[str, ...]
    public_ip: str = ""
    instance_id: str = ""

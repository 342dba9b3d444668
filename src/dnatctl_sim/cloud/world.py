"""The resources of the emulated account: networks, gateways, EIPs, interfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.table import ForwardTable


def is_lock(business_status: str) -> bool:
    """Whether that word says that nothing is forwarded; one that is unheard of does not."""
    return "Locked" in business_status


@dataclass(slots=True)
class VSwitch:
    """A subnet of a zone. `pods`: its addresses belong to pods."""

    vswitch_id: str
    zone_id: str
    network: IPv4Network
    pods: bool = True


@dataclass(slots=True)
class Vpc:
    """A private network: its primary and secondary CIDRs and its vSwitches."""

    vpc_id: str
    region: str
    networks: list[IPv4Network]
    vswitches: dict[str, VSwitch] = field(default_factory=dict)

    def holds(self, ip: str) -> bool:
        """Whether `ip` lies in any CIDR of the VPC."""
        address = IPv4Address(ip)
        return any(address in network for network in self.networks)

    def vswitch_of(self, ip: str) -> VSwitch | None:
        """The vSwitch whose CIDR holds `ip`."""
        address = IPv4Address(ip)
        return next((v for v in self.vswitches.values() if address in v.network), None)


@dataclass(slots=True)
class NatGateway:
    """A NAT gateway. `network_type` is `internet` or `intranet`, the latter with `nat_ips`."""

    gateway_id: str
    vpc: Vpc
    table: ForwardTable
    vswitch_id: str
    zone_id: str
    name: str = ""
    nat_type: str = "Enhanced"
    network_type: str = "internet"
    status: str = "Available"
    business_status: str = "Normal"
    nat_ips: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Eip:
    """An elastic IP. `serves_snat`: a SNAT entry uses it too.

    While `Associating` or `Unassociating`, `settles_at` (monotonic seconds) says until when.
    """

    ip: str
    allocation_id: str
    region: str
    instance_id: str = ""
    instance_type: str = ""
    status: str = "Available"
    business_status: str = "Normal"
    serves_snat: bool = False
    settles_at: float = 0.0

    def settle(self, now: float) -> None:
        """End a binding or unbinding whose time has come."""
        if self.settles_at > now:
            return
        if self.status == "Associating":
            self.status = "InUse"
        elif self.status == "Unassociating":
            self.instance_id, self.instance_type, self.status = "", "", "Available"


@dataclass(slots=True)
class Eni:
    """A network interface; `ips` begins with the primary one, `public_ips` is by private IP."""

    eni_id: str
    vpc_id: str
    vswitch_id: str
    zone_id: str
    ips: list[str]
    public_ips: dict[str, str] = field(default_factory=dict)
    instance_id: str = ""
    kind: str = "Secondary"
    status: str = "InUse"
    trunk_eni_id: str = ""


@dataclass(slots=True)
class AccessKey:
    """A key that may sign calls. `token` and `expires` (Unix seconds) are of STS keys only."""

    key_id: str
    secret: str
    account: str
    token: str = ""
    expires: float = float("inf")


@dataclass(slots=True)
class World:
    """Everything the account owns, by ID.

    `unknown_ips` (VPC ID, IP) belong to no interface although their vSwitch is one of pods;
    `public_ips` gives synthesized interfaces an EIP of their own.
    """

    account: str
    regions: set[str] = field(default_factory=set)
    keys: dict[str, AccessKey] = field(default_factory=dict)
    vpcs: dict[str, Vpc] = field(default_factory=dict)
    gateways: dict[str, NatGateway] = field(default_factory=dict)
    eips: dict[str, Eip] = field(default_factory=dict)
    enis: dict[str, Eni] = field(default_factory=dict)
    unknown_ips: set[tuple[str, str]] = field(default_factory=set)
    public_ips: dict[tuple[str, str], str] = field(default_factory=dict)

    def settle(self, now: float) -> None:
        """Let everything in flux whose time has come settle."""
        for gateway in self.gateways.values():
            gateway.table.settle(now)
        for eip in self.eips.values():
            eip.settle(now)

    def gateway_of_table(self, table_id: str, region: str) -> NatGateway:
        """The gateway that owns a forward table; raises ApiError if the region has none."""
        for gateway in self.gateways.values():
            if gateway.table.table_id == table_id and gateway.vpc.region == region:
                return gateway
        raise refusal("InvalidForwardTableId.NotFound")

    def eips_of(self, gateway_id: str) -> list[Eip]:
        """The EIPs bound to a gateway, those being bound or unbound included."""
        return [eip for eip in self.eips.values() if eip.instance_id == gateway_id]

    def tables_of(self, vpc_id: str) -> list[ForwardTable]:
        """The forward tables of a VPC."""
        return [g.table for g in self.gateways.values() if g.vpc.vpc_id == vpc_id]

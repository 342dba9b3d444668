"""What an emulated account owns at the start, as data that people can write in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from pathlib import Path

import msgspec
import yaml

from dnatctl_sim.cloud.errors import ApiError
from dnatctl_sim.cloud.faults import Fault
from dnatctl_sim.cloud.knobs import Knobs
from dnatctl_sim.cloud.mapping import Mapping
from dnatctl_sim.cloud.spec import (
    GATEWAY_ID,
    ZONES,
    EniSpec,
    EntrySpec,
    GatewaySpec,
    KeySpec,
    StsSpec,
    VpcSpec,
    VSwitchSpec,
)
from dnatctl_sim.cloud.table import ForwardTable, Row
from dnatctl_sim.cloud.world import (
    AccessKey,
    Eip,
    Eni,
    NatGateway,
    Vpc,
    VSwitch,
    World,
)

# The ranges reserved for documentation (RFC 5737): nobody's addresses.
_EIP_RANGES = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")


class Scenario(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The account. Without gateways it gets one with two EIPs."""

    account: str = "1234567890123456"
    keys: list[KeySpec] = msgspec.field(default_factory=lambda: [KeySpec()])
    vpcs: list[VpcSpec] = []
    gateways: list[GatewaySpec] = []
    eips: list[str] = []
    enis: list[EniSpec] = []
    unknown_ips: list[str] = []
    sts: StsSpec = msgspec.field(default_factory=StsSpec)
    knobs: Knobs = msgspec.field(default_factory=Knobs)
    faults: list[Fault] = []

    def __post_init__(self) -> None:
        if not self.vpcs:
            self.vpcs = [VpcSpec(vswitches=_default_vswitches())]
        if not self.gateways:
            self.gateways = list(_many_gateways(1, eips=2))

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """Read a YAML or JSON file.

        Raises OSError, yaml.YAMLError, or msgspec.ValidationError that names the place.
        """
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")) or {}, cls)

    @classmethod
    def many(cls, gateways: int, *, eips: int = 2, knobs: Knobs | None = None) -> Scenario:
        """A VPC with so many gateways of so many EIPs each, in turn in the region's zones."""
        return cls(gateways=list(_many_gateways(gateways, eips=eips)), knobs=knobs or Knobs())

    def build(self) -> World:
        """The resources. Raises ValueError, which names the place, for what no account can own."""
        world = World(account=self.account)
        world.keys = {k.id: AccessKey(k.id, k.secret, self.account) for k in self.keys}
        for vpc in self.vpcs:
            with _place(f"VPC {vpc.id}"):
                world.vpcs[vpc.id] = _build_vpc(vpc)
        world.regions = {vpc.region for vpc in self.vpcs}
        for spec in self.gateways:
            with _place(f"gateway {spec.id}"):
                _build_gateway(world, spec, self.knobs.seed)
        for ip in self.eips:
            with _place(f"EIP {ip}"):
                _add_eip(world, Eip(ip, eip_id(ip), self.vpcs[0].region))
        world.enis = {spec.id: build_eni(spec) for spec in self.enis}
        world.unknown_ips = {(vpc.id, ip) for vpc in self.vpcs for ip in self.unknown_ips}
        return world


@contextmanager
def _place(name: str) -> Iterator[None]:
    """What is wrong with a part of the scenario is said with the part's name."""
    try:
        yield
    except ApiError as error:
        raise ValueError(f"{name}: {error.code}: {error.message}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def eip_id(ip: str) -> str:
    """The allocation ID that the emulator gives an EIP. Raises ValueError for what is no IPv4
    address."""
    return "eip-bp1" + "".join(f"{part:03d}" for part in IPv4Address(ip).packed)


def _default_vswitches() -> list[VSwitchSpec]:
    pods = [
        VSwitchSpec(id=f"vsw-bp1pods{index}", cidr=f"172.{16 + index}.0.0/16", zone=zone)
        for index, zone in enumerate(ZONES)
    ]
    secondary = VSwitchSpec(id="vsw-bp1pods3", cidr="10.0.0.0/17", zone=ZONES[0])
    nodes = VSwitchSpec(id="vsw-bp1nodes", cidr="10.0.128.0/17", zone=ZONES[0], pods=False)
    return [*pods, secondary, nodes]


def _many_gateways(count: int, *, eips: int) -> Iterator[GatewaySpec]:
    hosts = chain.from_iterable(IPv4Network(cidr).hosts() for cidr in _EIP_RANGES)
    for index in range(count):
        yield GatewaySpec(
            id=f"{GATEWAY_ID[:-4]}{index + 1:04d}",
            zone=ZONES[index % len(ZONES)],
            vswitch=f"vsw-bp1pods{index % len(ZONES)}",
            eips=[str(next(hosts)) for _ in range(eips)],
        )


def _build_vpc(spec: VpcSpec) -> Vpc:
    vswitches = {v.id: VSwitch(v.id, v.zone, IPv4Network(v.cidr), v.pods) for v in spec.vswitches}
    return Vpc(spec.id, spec.region, [IPv4Network(cidr) for cidr in spec.cidrs], vswitches)


def _build_gateway(world: World, spec: GatewaySpec, seed: int) -> None:
    vpc = world.vpcs.get(spec.vpc)
    if vpc is None:
        raise ValueError(f"there is no VPC {spec.vpc}")
    if spec.id in world.gateways:
        raise ValueError("it is there twice")
    table = ForwardTable(spec.table_id, spec.id, seed)
    world.gateways[spec.id] = NatGateway(
        gateway_id=spec.id,
        vpc=vpc,
        table=table,
        vswitch_id=spec.vswitch,
        zone_id=spec.zone,
        name=spec.name,
        nat_type=spec.nat_type,
        network_type=spec.network_type,
        status=spec.status,
        nat_ips=list(spec.nat_ips),
    )
    for ip in spec.eips:
        serves_snat = ip in spec.snat_eips
        bound = (vpc.region, spec.id, "Nat", "InUse")
        _add_eip(world, Eip(ip, eip_id(ip), *bound, serves_snat=serves_snat))
    for entry in spec.entries:
        put_entry(table, entry)


def _add_eip(world: World, eip: Eip) -> None:
    if eip.ip in world.eips:
        raise ValueError(f"the EIP {eip.ip} is there twice")
    world.eips[eip.ip] = eip


def put_entry(table: ForwardTable, spec: EntrySpec) -> Row:
    """Add a settled row that no call made; raises ApiError if it is not a mapping."""
    mapping = Mapping(
        spec.external_ip, spec.external_port, spec.internal_ip, spec.internal_port, spec.protocol
    )
    row = Row(
        table.new_id(), mapping, spec.name, "Available", 0.0, 0.0,
        port_break=True, origin="third-party",
    )  # fmt: skip
    table.put(row)
    return row


def build_eni(spec: EniSpec) -> Eni:
    """The interface that a spec describes."""
    return Eni(
        eni_id=spec.id,
        vpc_id=spec.vpc,
        vswitch_id=spec.vswitch,
        zone_id=spec.zone,
        ips=list(spec.ips),
        public_ips=dict(spec.public_ips),
        instance_id=spec.instance,
        status=spec.status,
        trunk_eni_id=spec.trunk,
    )

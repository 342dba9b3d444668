"""The parts of a scenario file; keys it does not know are errors."""

from __future__ import annotations

from typing import Annotated

import msgspec

ACCESS_KEY = "LTAI-emulated"
ACCESS_SECRET = "emulated-secret"
REGION = "cn-hangzhou"
VPC_ID = "vpc-bp1rkq0zxxxxxx"
GATEWAY_ID = "ngw-bp1emulated0001"
ZONES = ("cn-hangzhou-j", "cn-hangzhou-k", "cn-hangzhou-i")


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class KeySpec(Part, kw_only=True):
    """An AccessKey pair."""

    id: str = ACCESS_KEY
    secret: str = ACCESS_SECRET


class VSwitchSpec(Part, kw_only=True):
    """A vSwitch; `pods`: its addresses belong to pods."""

    id: str
    cidr: str
    zone: str
    pods: bool = True


class VpcSpec(Part, kw_only=True):
    """A VPC; the first CIDR is the primary one."""

    id: str = VPC_ID
    region: str = REGION
    cidrs: tuple[str, ...] = ("172.16.0.0/12", "10.0.0.0/16")
    vswitches: list[VSwitchSpec] = []


class EntrySpec(Part, kw_only=True):
    """A row that is there from the start."""

    external_ip: str
    external_port: str
    internal_ip: str
    internal_port: str
    protocol: str = "tcp"
    name: str = ""


class GatewaySpec(Part, kw_only=True):
    """A NAT gateway; `table` defaults to its ID with `ftb-` in front."""

    id: str
    vpc: str = VPC_ID
    vswitch: str = ""
    zone: str = ZONES[0]
    name: str = ""
    table: str = ""
    eips: list[str] = []
    snat_eips: list[str] = []
    nat_type: str = "Enhanced"
    network_type: str = "internet"
    nat_ips: list[str] = []
    status: str = "Available"
    entries: list[EntrySpec] = []

    @property
    def table_id(self) -> str:
        """ID of the forward table."""
        return self.table or f"ftb-{self.id.removeprefix('ngw-')}"


class EniSpec(Part, kw_only=True):
    """A declared interface; the first IP is the primary one."""

    id: str
    vpc: str = VPC_ID
    vswitch: str
    zone: str
    ips: Annotated[list[str], msgspec.Meta(min_length=1)]
    public_ips: dict[str, str] = {}
    instance: str = ""
    status: str = "InUse"
    trunk: str = ""


class StsSpec(Part, kw_only=True):
    """The role that may be assumed, and the OIDC token that proves who asks."""

    role: str = "emulated-worker-role"
    oidc_provider: str = "acs:ram::1234567890123456:oidc-provider/ack-rrsa-emulated"
    oidc_token: str = "emulated-oidc-token"

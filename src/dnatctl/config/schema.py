"""Every setting there is: name, kind, default, meaning.

The text below a setting is its documentation: `hack/gen-reference` makes the reference of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dnatctl.config.section import Section
from dnatctl.config.tenants import NAMESPACES, Namespaces
from dnatctl.config.types import (
    Allowed,
    ApiAddress,
    ClusterID,
    Duration,
    Eip,
    GatewayID,
    Kind,
    NamespacePattern,
    Network,
    Period,
    Port,
    PortSpan,
    Positive,
    Rate,
    RegionID,
    Secret,
    Switch,
    VpcID,
    ZoneID,
    parse_duration,
    refusal,
)
from dnatctl.model import MOST_PORTS, ROLE_NAME, ROLE_NAME_IN_WORDS, USUAL_PORTS, PortRange

NATGW = "natgw"
"""The name under which `enableControllers` turns this program on."""

ANY_EIP = "0.0.0.0"
"""What the older program's sample gives in place of "every EIP bound to the gateway"."""

Api = Literal[
    "CreateForwardEntry",
    "DeleteForwardEntry",
    "DescribeEipAddresses",
    "DescribeForwardTableEntries",
    "DescribeNatGateways",
    "DescribeNetworkInterfaces",
    "DescribeRouteEntryList",
    "DescribeRouteTableList",
    "ModifyForwardEntry",
]


@dataclass(frozen=True, slots=True)
class NeedsRestart:
    """Marks a key that is read at the start only: a file in which it has changed is refused by a
    program at work. All other keys take effect as soon as the file has changed."""


AT_START = NeedsRestart()


def _first_mention(info: ValidationInfo, kind: str, value: str) -> bool:
    """Whether this pass over the file has not yet met `value` as a `kind`.

    The set of what was met is the context that `dnatctl.config.load` validates with: so a repeat
    is an error at its own place, beside all other errors.
    """
    met = info.context if isinstance(info.context, set) else set()
    new = (kind, value) not in met
    met.add((kind, value))
    return new


class GatewayConfig(Section):
    """One NAT gateway and the endpoints of it that dnatctl may hand out."""

    gateway_id: GatewayID = Field(alias="natgwId")
    """The Internet NAT gateway."""

    zone_id: ZoneID | None = None
    """Zone of the gateway, as the labels of nodes name it. Pods in it get endpoints of this gateway
    first; those of other zones only where no gateway of theirs has room. Absent: as the cloud
    describes the gateway."""

    port_range_start: Port
    """First external port to hand out, inclusive."""

    port_range_end: Port
    """Last external port to hand out, inclusive. On an EIP that also serves SNAT, entries above
    1024 are made with PortBreak."""

    eips: Annotated[
        tuple[Eip, ...],
        BeforeValidator(lambda value: [] if value == [ANY_EIP] else value),
        Allowed(
            "a list of IPv4 addresses of EIPs bound to the gateway, each on one gateway only;"
            " [] for all of them"
        ),
    ] = ()
    """External IPs to hand out. Empty: every EIP bound to the gateway, followed as they come and
    go."""

    max_entries: Positive | None = None
    """Most rows that the gateway's forward table may hold, rows of others included. Absent: until
    the cloud answers that the quota is used up (100 unless it was raised)."""

    pack_port_ranges: Switch = False
    """Expose neighbouring ports of one pod through one row (`7000/7003`), which saves quota.
    Consumers of `status.entries` still see one entry a port."""

    namespaces: Annotated[tuple[NamespacePattern, ...], NAMESPACES] = ()
    """Namespaces that the gateway is reserved for: pods of others get no endpoint on it, and those
    of these get one here first. Empty: it is for all. What is exposed already stays."""

    @field_validator("gateway_id")
    @classmethod
    def _once(cls, value: str, info: ValidationInfo) -> str:
        if not _first_mention(info, "gateway", value):
            raise refusal("each gateway once; this one is listed above")
        return value

    @field_validator("port_range_end")
    @classmethod
    def _not_before_start(cls, value: int, info: ValidationInfo) -> int:
        start = info.data.get("port_range_start", 1)
        if value < start:
            raise refusal(f"a port from portRangeStart ({start}) to 65535")
        return value

    @field_validator("eips")
    @classmethod
    def _on_one_gateway(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for ip in value:
            if not _first_mention(info, "eip", ip):
                raise refusal(f"each EIP once; {ip} is listed twice")
        return value

    @property
    def ports(self) -> PortRange:
        """The external ports to hand out, on each EIP and for each protocol."""
        return PortRange(self.port_range_start, self.port_range_end)


class NetworkController(Section):
    """What the endpoints are made of."""

    nat_gw_pool: Annotated[tuple[GatewayConfig, ...], Allowed("a list of one or more gateways")]
    """The gateways to use."""

    @field_validator("nat_gw_pool")
    @classmethod
    def _not_empty(cls, value: tuple[GatewayConfig, ...]) -> tuple[GatewayConfig, ...]:
        # Not by min_length, which also complains where every item has a mistake of its own.
        if not value:
            raise refusal("a list of one or more gateways")
        return value


class CredentialSetting(StrEnum):
    """Where the key for the cloud's API comes from."""

    AUTO = "auto"
    ACCESS_KEY = "accessKey"
    RAM_ROLE = "ramRole"
    RRSA = "rrsa"
    ADDON_TOKEN = "addonToken"


class Credential(Section):
    """How to sign in to the cloud. Empty: with a role, the recommended way."""

    type: Annotated[CredentialSetting, Allowed("auto, accessKey, ramRole, rrsa or addonToken")] = (
        CredentialSetting.AUTO
    )
    """`accessKey`: the pair below, or that in `keyFolder`. `rrsa`: the role of the service account
    (RAM Roles for Service Accounts). `addonToken`: the token that ACK mounts for its add-ons.
    `ramRole`: the RAM role of the node. `auto`: the first that is set up, in this order."""

    access_key: Secret = SecretStr("")
    """ID of an AccessKey pair; to be given with accessSecret."""

    access_secret: Secret = SecretStr("")
    """Secret of the AccessKey pair."""

    key_folder: Annotated[str, Field(pattern="^/"), Allowed("an absolute path")] = (
        "/var/run/secrets/dnatctl"
    )
    """Folder with an AccessKey pair in the files `accessKey` and `accessSecret`, used where they
    are there and no pair is given above: a mounted Secret, followed as it is rotated."""

    role_name: Annotated[str, Field(pattern=f"^({ROLE_NAME})?$"), Allowed(ROLE_NAME_IN_WORDS)] = ""
    """Name of the node's RAM role. Empty: asked from the metadata service."""

    token_file: Annotated[str, Field(pattern="^/"), Allowed("an absolute path")] = (
        "/var/addon/token-config"
    )
    """File that holds the token of `addonToken`."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        key, secret = map(bool, (self.access_key, self.access_secret))
        if key != secret:
            raise refusal("accessKey and accessSecret, both or neither")
        if key and self.type not in {CredentialSetting.AUTO, CredentialSetting.ACCESS_KEY}:
            raise refusal(f"no accessKey and accessSecret, because the type is {self.type}")
        return self


class Endpoints(Section):
    """Where the cloud's API is, if not at its public addresses."""

    vpc: ApiAddress | None = None
    """Address of the VPC API. Absent: the region's public one."""

    ecs: ApiAddress | None = None
    """Address of the ECS API. Absent: the region's public one."""

    sts: ApiAddress | None = None
    """Address of STS, which RRSA signs in at. Absent: `sts.aliyuncs.com`, which takes a way to the
    Internet; `sts-vpc.REGION.aliyuncs.com` is reached from inside a VPC."""

    metadata: ApiAddress | None = None
    """Address of the metadata service, which knows the role of the node. Absent:
    `http://100.100.100.200`."""


class Fixed(Section):
    """Pods that keep their endpoints (`k8s.aliyun.com/pod-dnat-fixed`)."""

    retain: Duration = parse_duration("24h")
    """How long the endpoints of a pod are kept after its name has gone from the replicas of its
    workload, as after scaling down."""


class Publishing(Section):
    """Where else an exposure is told of, besides its PodDNAT."""

    condition: Switch | None = None
    """Set the condition `k8s.aliyun.com/pod-dnat-ready` on the pod, for readiness gates and
    `kubectl wait`. Needs leave to patch pods/status (manifests/pod-condition). Not set: where that
    leave is given; `true`: a missing leave is told; `false`: never, and one that was set before is
    taken off: a pod whose readiness gate waits for it is ready no longer."""

    annotation: Switch = False
    """Write the endpoints into an annotation of the pod. Needs leave to patch pods. `false`: what
    was written before is taken off."""


class EntryPolicy(StrEnum):
    """What dnatctl may do to forward entries."""

    SYNC = "sync"
    UPSERT_ONLY = "upsert-only"


class Config(Section):
    """All settings of the program."""

    cluster_id: Annotated[ClusterID, AT_START] = Field(alias="clusterID")
    """ID of the cluster. It is part of the name of every entry made, and so says which entries are
    this cluster's: changing it makes them foreign."""

    region_id: Annotated[RegionID, AT_START] = Field(alias="regionID")
    """Region of the VPC."""

    vpc_id: Annotated[VpcID, AT_START] = Field(alias="vpcID")
    """VPC of the cluster and of the NAT gateways."""

    vpc_cidrs: Annotated[
        tuple[Network, ...],
        Allowed("a list of IPv4 networks, without host bits, such as 172.16.0.0/12"),
    ] = Field(default=(), alias="vpcCIDRs")
    """Address blocks in which the IP of a pod may lie, such as those of the pods' vSwitches: one
    outside is refused at once. Empty: the cloud says which addresses are in the VPC."""

    enable_controllers: Annotated[tuple[str, ...], Allowed("a list of names, natgw among them")]
    """Must name `natgw`. Other names are those of controllers of the older program: they are warned
    about and otherwise ignored."""

    network_controller: NetworkController
    credential: Annotated[Credential, AT_START] = Credential()
    endpoints: Annotated[Endpoints, AT_START] = Endpoints()
    custom_stateful_workload_kinds: Annotated[
        tuple[Kind, ...], Allowed("a list of kinds, such as GameServerSet")
    ] = ()
    """Kinds of workload whose pods keep their names, besides StatefulSet: only such pods can be
    fixed. dnatctl needs leave to get objects of these kinds."""

    fixed: Fixed = Fixed()
    quarantine: Duration = 60.0
    """How long a released endpoint rests before another pod may get it."""

    resync: Annotated[Period, AT_START] = 300.0
    """How often everything is compared again, and descriptions of gateways and EIPs read anew."""

    rate_limits: Annotated[
        dict[Api, Rate],
        AT_START,
        Allowed(f"calls a second, 0.001 or more, for any of {', '.join(get_args(Api))}"),
    ] = Field(default_factory=dict)
    """Most calls a second of an API of the cloud, such as `{CreateForwardEntry: 5}`. Throttling
    answers slow the calls down further."""

    max_ports_per_pod: Annotated[
        StrictInt, Field(ge=1, le=MOST_PORTS), Allowed(f"a whole number, 1 to {MOST_PORTS}")
    ] = USUAL_PORTS
    """Most ports that one pod may expose. One that has more already keeps what it has, and is told
    so."""

    denied_ports: Annotated[
        tuple[PortSpan, ...],
        Allowed("a list of ports and ranges of ports, such as [22, 2379-2380]"),
    ] = ("22", "2379-2380", "6443", "10250", "10255")
    """Internal ports that are never exposed: those of SSH, etcd, the API server and the kubelet,
    unless said otherwise. `[]`: none is denied. What is exposed already stays."""

    namespaces: Namespaces = Namespaces()
    publish: Publishing = Publishing()
    policy: Annotated[EntryPolicy, Allowed("sync or upsert-only")] = EntryPolicy.SYNC
    """`sync`: make, change and delete own entries. `upsert-only`: never delete one."""

    take_over: Switch = False
    """For a migration, to be there at the first start: adopt entries that a PodDNAT records and
    whose mapping is what it records, as the older program left them, also where the pod is gone.
    Only endpoints of the pool, and only PodDNATs that are older than its first use. It ends by
    itself an hour later, and begins anew only after it was taken out. `run --dry-run`
    tells what would be adopted."""

    @field_validator("enable_controllers")
    @classmethod
    def _natgw(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if NATGW not in value:
            raise refusal("a list of names, natgw among them: it is the controller this program is")
        return value

    @property
    def gateways(self) -> tuple[GatewayConfig, ...]:
        """The gateways to use, in the order of the file."""
        return self.network_controller.nat_gw_pool

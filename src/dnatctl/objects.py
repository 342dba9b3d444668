"""The two Kubernetes objects the program works with, cut to the fields it uses.

Pods are read only; a PodDNAT is the record of one pod's exposure. Values only: reading them from
and writing them to an API server is `dnatctl.kube`'s business. None can be part of a cycle of
references, so the collector of cycles need not know of them (`gc=False`: 16 bytes less of each).
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from dnatctl.model import Endpoint, Protocol

FINALIZER = "natgw-controller"
"""The older natgw controller's finalizer, kept so that its objects stay ours to release."""

READY = "Ready"
"""Type of the summary condition on a PodDNAT."""

RETAINED = "Retained"
"""Type of the condition that dates a fixed claim whose name its workload no longer wants."""

OUR_CONDITIONS = (READY, RETAINED)
"""Types of the conditions on a PodDNAT that are ours; all others are somebody else's."""

ENDPOINTS = "k8s.aliyun.com/pod-dnat-endpoints"
"""Annotation with a pod's usable endpoints, if the configuration asks for it."""

POD_READY = "k8s.aliyun.com/pod-dnat-ready"
"""Type of the condition on the pod; may be used as a readiness gate."""

NOT_EXPOSED = "NotExposed"
"""Its reason where the pod does not ask to be exposed."""


class Key(Struct, frozen=True, order=True, gc=False):
    """Namespace and name, shared by a pod and its PodDNAT."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def digest(self) -> str:
        """As the ledger has it, which has little room: 16 hex digits that stand for it alone."""
        return sha256(str(self).encode()).hexdigest()[:16]


class Adopted(NamedTuple):
    """For which PodDNAT a row without its mark was adopted: its UID, and the digest of its key,
    empty where it is not known; and on which gateway the row is."""

    uid: str
    pod: str = ""
    gateway_id: str = ""


class PodRef(Struct, frozen=True, order=True, gc=False):
    """What work is keyed by: a pod by its UID, with the name that it shares with its PodDNAT.

    A UID never changes its name, so the pair says no more than the UID alone; it spares a table.
    A claim whose pod is away goes by the UID of its PodDNAT, and a name that nothing has by none.
    """

    uid: str
    key: Key

    def __str__(self) -> str:
        return f"{self.key} ({self.uid or 'no pod'})"


class Owner(Struct, frozen=True, gc=False):
    """An entry of metadata.ownerReferences."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Condition(Struct, frozen=True, gc=False):
    """A condition as KEP-1623 has it; `since` is lastTransitionTime, RFC 3339 in UTC."""

    type: str
    status: str
    reason: str
    message: str
    since: str = ""
    observed_generation: int = 0


class Pod(Struct, frozen=True, gc=False):
    """A pod that carries, or carried, the exposure annotation.

    `annotations` holds only those below `k8s.aliyun.com/pod-dnat`. `ended`: every container has
    terminated, or none ever ran and the pod is being deleted, or the phase is final. `virtual`: the
    sign that it runs on ECI / virtual-kubelet, empty if it does not. `near`: a sentence for each
    annotation or label on it that is nearly one of ours. `counted`: OpenKruiseGame counts its
    entries. `gated`: it is ready only when its POD_READY condition says so. `ips` holds all
    addresses, the primary one first. `condition` is the POD_READY condition on it, if any. `alive`:
    its latest sign of life, RFC 3339 in UTC: it was created, taken up by its kubelet, or one of its
    running containers was started.
    """

    key: Key
    uid: str
    resource_version: str
    annotations: dict[str, str]
    ips: tuple[str, ...] = ()
    phase: str = ""
    deleting: bool = False
    ended: bool = False
    host_network: bool = False
    virtual: str = ""
    near: tuple[str, ...] = ()
    counted: bool = False
    gated: bool = False
    node: str = ""
    owner: Owner | None = None
    condition: Condition | None = None
    alive: str = ""

    @property
    def ipv4(self) -> str:
        """Its IPv4 address; empty if it has none."""
        return next((ip for ip in self.ips if ":" not in ip), "")


class PortMapping(Struct, frozen=True, order=True, gc=False):
    """One claimed port of a PodDNAT: external port, internal port, protocol."""

    external: int
    internal: int
    protocol: Protocol


class StatusEntry(Struct, frozen=True, gc=False):
    """One usable entry as status.entries lists it."""

    endpoint: Endpoint
    internal_ip: str
    internal_port: int
    entry_id: str


class PodDNATSpec(Struct, frozen=True, gc=False):
    """The claim: which gateway (`table_id` in the API), which external IP, which ports.

    Empty strings where nothing is recorded. `ports` without a protocol of their own in the API
    have the spec's `protocol` filled in here.
    """

    gateway_id: str = ""
    external_ip: str = ""
    internal_ip: str = ""
    protocol: Protocol = Protocol.TCP
    ports: tuple[PortMapping, ...] = ()
    eni: str = ""
    vswitch: str = ""
    zone_id: str = ""

    def endpoint(self, port: PortMapping) -> Endpoint:
        """The public address of one claimed port."""
        return Endpoint(self.external_ip, port.external, port.protocol)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The public addresses of all claimed ports, in the order of `ports`."""
        return tuple(self.endpoint(port) for port in self.ports)


class PodDNATStatus(Struct, frozen=True, gc=False):
    """What is usable now, and why not if nothing is."""

    entries: tuple[StatusEntry, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((c for c in self.conditions if c.type == type_), None)


class PodDNAT(Struct, frozen=True, gc=False):
    """The record of one pod's exposure. `created` is creationTimestamp as the API gives it.

    `problem` is set, with a sentence for people, where the object cannot be understood (ports that
    are no numbers, an unknown protocol): spec then holds what could be read.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int = 1
    created: str = ""
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()
    spec: PodDNATSpec = PodDNATSpec()
    status: PodDNATStatus = PodDNATStatus()
    problem: str = ""

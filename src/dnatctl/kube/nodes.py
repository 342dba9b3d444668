"""Nodes: the zones they are in, whether they live, and which addresses and instance are theirs."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from dnatctl.kube import paths
from dnatctl.kube.client import JSON
from dnatctl.kube.source import Event, Known, Model, Page, Reader
from dnatctl.objects import Key

_ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
"""In order of preference; the second is what nodes had before Kubernetes 1.17."""


class Node(Struct, frozen=True):
    """A node. `key.namespace` is empty; so is `zone` where no label names one.

    `ready`: its kubelet reports, and says that it is. `addresses`: its own ones inside the cluster.
    `instance`: the ID of the cloud's machine, as the provider ID `REGION.INSTANCE` has it; empty
    if it has none of that form
    (https://github.com/kubernetes/cloud-provider-alibaba-cloud, docs/getting-started.md).
    """

    key: Key
    uid: str
    resource_version: str
    zone: str
    ready: bool = True
    addresses: tuple[str, ...] = ()
    instance: str = ""


class NodeSource:
    """All nodes of the cluster."""

    resource = "nodes"
    path = paths.path("api", "v1", "nodes")
    accept = (JSON, JSON)

    def page(self, body: bytes, known: Known) -> Page[Node]:
        """See `Source.page`."""
        return _READER.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[Node]:
        """See `Source.event`."""
        return _READER.event(line, known)


class _NodeSpec(Struct):
    provider_id: str = msgspec.field(name="providerID", default="")


class _NodeAddress(Struct):
    type: str = ""
    address: str = ""


class _NodeCondition(Struct):
    type: str = ""
    status: str = ""


class _NodeStatus(Struct):
    addresses: list[_NodeAddress] | None = None
    conditions: list[_NodeCondition] | None = None


class _NodeJson(Model):
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


def _convert(read: _NodeJson, _known: Known) -> Node:
    meta = read.metadata
    labels = meta.labels or {}
    zone = next((labels[name] for name in _ZONE_LABELS if labels.get(name)), "")
    inside = (a.address for a in read.status.addresses or () if a.type == "InternalIP")
    # Where nothing is said of it, it is not said to be dead.
    ready = all(c.status == "True" for c in read.status.conditions or () if c.type == "Ready")
    return Node(
        meta.key,
        meta.uid,
        meta.resource_version,
        zone,
        ready=ready,
        addresses=tuple(inside),
        instance=_instance(read.spec.provider_id),
    )


def _instance(provider_id: str) -> str:
    _, _, instance = provider_id.rpartition("://")[2].partition(".")
    return instance if instance.startswith("i-") else ""


_READER: Reader[_NodeJson, Node] = Reader(_NodeJson, _convert)

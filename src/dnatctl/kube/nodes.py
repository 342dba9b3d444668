"""Nodes, for the zones they are in; nothing but their metadata is asked for."""

from __future__ import annotations

from msgspec import Struct

from dnatctl.kube import paths
from dnatctl.kube.source import Event, Known, Model, Page, Reader
from dnatctl.objects import Key

_ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
"""In order of preference; the second is what nodes had before Kubernetes 1.17."""


class Node(Struct, frozen=True):
    """A node. `key.namespace` is empty; so is `zone` where no label names one."""

    key: Key
    uid: str
    resource_version: str
    zone: str


class NodeSource:
    """All nodes of the cluster."""

    resource = "nodes"
    path = paths.path("api", "v1", "nodes")
    # A node's status lists every image it holds and is rewritten every few minutes.
    # https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
    accept = (
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
    )

    def page(self, body: bytes, known: Known) -> Page[Node]:
        """See `Source.page`."""
        return _READER.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[Node]:
        """See `Source.event`."""
        return _READER.event(line, known)


def _convert(read: Model, _known: Known) -> Node:
    meta = read.metadata
    labels = meta.labels or {}
    zone = next((labels[name] for name in _ZONE_LABELS if labels.get(name)), "")
    return Node(meta.key, meta.uid, meta.resource_version, zone)


_READER: Reader[Model, Node] = Reader(Model, _convert)

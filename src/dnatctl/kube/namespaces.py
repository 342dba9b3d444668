"""Namespaces: the labels that they have."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from dnatctl.kube import paths
from dnatctl.kube.client import JSON, KubeClient
from dnatctl.kube.errors import KubeError
from dnatctl.kube.source import METADATA_ONLY, Event, Known, Model, Page, Reader
from dnatctl.objects import Key


class Namespace(Struct, frozen=True):
    """A namespace. `key.namespace` is empty."""

    key: Key
    uid: str
    resource_version: str
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)


class NamespaceSource:
    """All namespaces of the cluster."""

    resource = "namespaces"
    path = paths.path("api", "v1", "namespaces")
    accept = (JSON, JSON)

    def page(self, body: bytes, known: Known) -> Page[Namespace]:
        """See `Source.page`."""
        return _READER.page(body, known)

    def event(self, line: bytes, known: Known) -> Event[Namespace]:
        """See `Source.event`."""
        return _READER.event(line, known)


def labels_now(client: KubeClient, name: str) -> Mapping[str, str] | None:
    """Those that the API server's majority has of it; None if it is gone. Raises KubeError."""
    path = paths.path("api", "v1", "namespaces", name)
    try:
        return _READER.answer(client.request("GET", path, accept=METADATA_ONLY)).labels
    except KubeError as error:
        if error.says_gone(name):
            return None
        raise


def _convert(read: Model, _known: Known) -> Namespace:
    meta = read.metadata
    return Namespace(meta.key, meta.uid, meta.resource_version, meta.labels or {})


_READER: Reader[Model, Namespace] = Reader(Model, _convert)

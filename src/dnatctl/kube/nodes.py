"""Nodes, for the zones they are in; nothing but their metadata is asked for."""

from __future__ import annotations

from msgspec import Struct

from dnatctl.kube.reflector import Event, Known, Page
from dnatctl.objects import Key


class Node(Struct, frozen=True):
    """A node. `key.namespace` is empty; so is `zone` where no label names one."""

    key: Key
    uid: str
    resource_version: str
    zone: str


class NodeSource:
    """All nodes of the cluster."""

    resource = "nodes"
    path = "/api/v1/nodes"
    accept = ""

    def page(self, body: bytes, known: Known) -> Page[Node]:
        """See `Source.page`."""
        raise NotImplementedError

    def event(self, line: bytes, known: Known) -> Event[Node]:
        """See `Source.event`."""
        raise NotImplementedError

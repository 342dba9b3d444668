"""Workloads with an annotation of ours on themselves, where it does nothing: for `dnatctl check`.

The controller does not look for them: it would have to watch every workload of the cluster, or ask
for the owner of each pod that is not exposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from dnatctl.kube import access, around_pod, paths
from dnatctl.kube.client import LARGEST_PAGE, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.listing import PAGE
from dnatctl.kube.source import METADATA_LIST, Known, Model, Reader
from dnatctl.objects import Key, Owner
from dnatctl.plan.exposure import FIXED, PORTS, PROTOCOL, SWITCH
from dnatctl.status.near import OwnerNotes

KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")
MOST: Final = 20
"""Workloads that are named."""

_OURS: Final = frozenset({SWITCH, PORTS, PROTOCOL, FIXED})


class Misplaced(NamedTuple):
    """A workload, and what stands on itself and on its template."""

    namespace: str
    notes: OwnerNotes


class Found(NamedTuple):
    """`more`: there are others besides. `unseen`: kinds that may not be listed."""

    workloads: tuple[Misplaced, ...]
    more: bool
    unseen: tuple[str, ...]


class _Suspect(msgspec.Struct, frozen=True):
    """One with a key of ours on itself."""

    key: Key
    uid: str
    resource_version: str


def _suspect(read: Model, _known: Known) -> _Suspect | None:
    meta = read.metadata
    if _OURS.isdisjoint(meta.annotations or {}):
        return None
    return _Suspect(meta.key, meta.uid, meta.resource_version)


_READER: Final[Reader[Model, _Suspect]] = Reader(Model, _suspect)


def look(client: KubeClient, kinds: Iterable[str]) -> Found:
    """All there are of `kinds` and of the usual ones. Raises KubeError."""
    found: list[Misplaced] = []
    unseen: list[str] = []
    for version, kind, plural in access.served(client, {*KINDS, *kinds}):
        suspects = _suspects(client, version, kind, plural)
        try:
            found += islice(_confirmed(client, suspects), MOST + 1 - len(found))
        except KubeError as error:
            if error.failure is not Failure.FORBIDDEN:
                raise
            unseen.append(plural)
    return Found(tuple(found[:MOST]), len(found) > MOST, tuple(unseen))


def _suspects(
    client: KubeClient, version: str, kind: str, plural: str
) -> Iterator[tuple[str, Owner]]:
    """Those with a key of ours on themselves, by namespace; read page by page, metadata alone."""
    query: dict[str, str | int] = {"limit": PAGE}
    while True:
        body = client.request(
            "GET",
            paths.of_cluster(version, plural),
            query=query,
            accept=METADATA_LIST,
            timeout=60.0,
            most=LARGEST_PAGE,
        )
        page = _READER.page(body, lambda _key, _uid: False)
        for item in page.items:
            yield item.key.namespace, Owner(version, kind, item.key.name, item.uid)
        if not page.next:
            return
        query["continue"] = page.next


def _confirmed(client: KubeClient, suspects: Iterator[tuple[str, Owner]]) -> Iterator[Misplaced]:
    """Those whose template has none of these keys: others only repeat what their pods have."""
    for namespace, owner in suspects:
        notes = around_pod.notes_of(client, namespace, owner)
        if notes and _OURS.isdisjoint(notes.template or {}):
            yield Misplaced(namespace, notes)

"""Workloads that own pods: are they there, and which pod names do the stateful ones keep?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from dnatctl.clock import Clock
from dnatctl.decoding import text_of
from dnatctl.kube import discovery, paths
from dnatctl.kube.client import JSON, KubeClient
from dnatctl.kube.errors import NO_SUCH, Failure, KubeError
from dnatctl.kube.source import METADATA, METADATA_ONLY, Held, Known, Model, Reader
from dnatctl.objects import Key, Owner

SAID_FOR_S = 60.0
"""For how long the API server has to say that it serves a kind in no version: while it starts, or a
definition is put in place of another, it lacks kinds that it has."""
_LAPSES_S = 90.0
"""What was said last so many seconds ago is no part of what is said now: whoever still has to know
asks again after a minute at most, and each server that starts may lack a kind once."""
_MOST_MISSED = 1000
"""Kinds noted, the latest: whoever may write a PodDNAT names owners of any kind."""


class Workload(Struct, frozen=True):
    """A StatefulSet, or an object of a kind that works like one.

    `replicas` is None where the kind has none. `start` is the first ordinal; `reserved` are
    ordinals left out (spec.reserveOrdinals of OpenKruise's StatefulSet), as ranges that do not
    overlap, ascending: a range may be as long as its author likes.
    """

    key: Key
    uid: str
    resource_version: str
    deleting: bool = False
    replicas: int | None = None
    start: int = 0
    reserved: tuple[range, ...] = ()

    def keeps(self, pod: str) -> bool:
        """Whether a pod of that name is among its replicas.

        True as well where that cannot be told (no replicas, or a name without an ordinal).
        """
        workload, _, ordinal = pod.rpartition("-")
        if self.replicas is None or workload != self.key.name or not ordinal.isdecimal():
            return True
        number = int(ordinal)
        if number < self.start or any(number in ordinals for ordinals in self.reserved):
            return False
        skipped = sum(
            max(min(ordinals.stop, number) - max(ordinals.start, self.start), 0)
            for ordinals in self.reserved
        )
        return number - self.start - skipped < self.replicas


class WorkloadApi:
    """Reads of workloads of any kind; the plural of a kind is asked for once.

    That something is gone counts where the API server says it of that very object, or says for a
    minute that its kind is not served. A 404 of another sort raises KubeError (UNSERVED).
    """

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._collections: dict[tuple[str, str], _Collection] = {}
        """By apiVersion and kind."""
        self._missed: dict[tuple[str, str], tuple[float, float]] = {}
        """By apiVersion and kind: when the API server first and last (monotonic) said that it
        serves none such."""

    def get(self, namespace: str, owner: Owner) -> Workload | None:
        """The workload as the API server's majority has it now.

        None if it is gone or never was (an owner is whatever text somebody wrote), its name belongs
        to another UID now, or its kind is not served any more in any version. Raises KubeError:
        UNSERVED where that is not certain yet.
        """
        body = self._body(namespace, owner, JSON)
        workload = _READER.answer(body) if body is not None else None
        return workload if workload and owner.uid in ("", workload.uid) else None

    def metadata(self, namespace: str, owner: Owner) -> Held | None:
        """An owner of any kind, as `get` but for its spec: whether it is there, and whose it is."""
        body = self._body(namespace, owner, METADATA_ONLY)
        held = METADATA.answer(body) if body is not None else None
        return held if held and owner.uid in ("", held.uid) else None

    def resource(self, api_version: str, kind: str) -> str:
        """What permissions call the kind: `statefulsets.apps`; empty if it is not served."""
        found = self._collection(api_version, kind)
        if found is None:
            return ""
        group, slash, _ = found.version.rpartition("/")
        return f"{found.plural}.{group}" if slash else found.plural

    def _body(self, namespace: str, owner: Owner, accept: str) -> bytes | None:
        kind = (owner.api_version, owner.kind)
        found = self._collection(*kind)
        if found is None:
            self._wait_out(*kind)
            return None
        try:
            return self._client.request("GET", found.path(namespace, owner.name), accept=accept)
        except KubeError as error:
            if error.failure in NO_SUCH:
                # The kind may have moved on to another version: ask anew next time.
                self._collections.pop(kind, None)
            if error.says_gone(owner.name):
                return None
            raise

    def _wait_out(self, api_version: str, kind: str) -> None:
        """Raises KubeError until the API server has said for long enough that it serves none."""
        now = self._clock.monotonic()
        since, last = self._missed.get((api_version, kind), (now, now))
        since = since if now - last < _LAPSES_S else now
        self._missed.pop((api_version, kind), None)  # the latest stand last
        self._missed[api_version, kind] = (since, now)
        for oldest in list(self._missed)[:-_MOST_MISSED]:
            self._missed.pop(oldest, None)
        if now - since < SAID_FOR_S:
            text = f"no API of the cluster has {kind} ({api_version}): believed if it stays so"
            raise KubeError(Failure.UNSERVED, text)

    def _collection(self, api_version: str, kind: str) -> _Collection | None:
        """None where the API server lists all that it serves, and the kind is not among it."""
        known = self._collections.get((api_version, kind))
        if known is not None:
            return known
        for served in self._versions(api_version):
            for resource in discovery.resources(self._client, served):
                if resource.kind == kind:
                    found = _Collection(served, resource.name, resource.namespaced)
                    self._collections[api_version, kind] = found
                    self._missed.pop((api_version, kind), None)
                    return found
        return None

    def _versions(self, api_version: str) -> Iterator[str]:
        """Those that are served of its group, that one first."""
        group, slash, _ = api_version.rpartition("/")
        if not slash:
            yield from [_CORE] if api_version == _CORE else []
            return
        listed = discovery.groups(self._client)
        found = next((each.versions for each in listed if each.name == group), ())
        names = [f"{group}/{each.version}" for each in found]
        yield from sorted(names, key=lambda name: name != api_version)


_CORE = "v1"
"""The core group has this version alone, and is in no list of groups."""


class _Collection(NamedTuple):
    """Where the objects of a kind are: an apiVersion that is served, and the plural."""

    version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str) -> str:
        """Of one object. Raises KubeError (NOT_FOUND) where nothing can be called so."""
        if self.namespaced:
            return paths.in_namespace(self.version, namespace, self.plural, name)
        return paths.of_cluster(self.version, self.plural, name)


class _Ordinals(Struct):
    start: int = 0


class _WorkloadSpec(Struct, rename="camel"):
    replicas: int | None = None
    ordinals: _Ordinals | None = None
    reserve_ordinals: list[Any] | None = None


class _WorkloadJson(Model):
    spec: _WorkloadSpec | None = None


def _convert(read: _WorkloadJson, _known: Known) -> Workload:
    meta, spec = read.metadata, read.spec or _WorkloadSpec()
    return Workload(
        key=meta.key,
        uid=meta.uid,
        resource_version=meta.resource_version,
        deleting=meta.deletion_timestamp is not None,
        replicas=spec.replicas,
        start=spec.ordinals.start if spec.ordinals else 0,
        reserved=reserved_ordinals(spec.reserve_ordinals or ()),
    )


_ORDINALS = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def _reserved(entry: object) -> range:
    """An entry of reserveOrdinals: a number, or text with a number or a range like `3-5`.

    https://openkruise.io/docs/user-manuals/advancedstatefulset#ordinals-reservedskip
    """
    found = _ORDINALS.fullmatch(text_of(entry))
    if found is None:
        return range(0)
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def reserved_ordinals(entries: Iterable[object]) -> tuple[range, ...]:
    """What the entries reserve, each number once: ascending ranges that do not overlap."""
    merged: list[range] = []
    for each in sorted(filter(None, map(_reserved, entries)), key=lambda each: each.start):
        if merged and each.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, each.stop))
        else:
            merged.append(each)
    return tuple(merged)


_READER: Reader[_WorkloadJson, Workload] = Reader(_WorkloadJson, _convert)

"""Workloads that own pods: are they there, and which pod names do the stateful ones keep?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, paths
from dnatctl.kube.client import JSON, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.source import METADATA, METADATA_ONLY, Held, Known, Model, Reader
from dnatctl.objects import Key, Owner


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
    """Reads of workloads of any kind; the plural of a kind is asked for once."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._collections: dict[tuple[str, str], _Collection] = {}
        """By apiVersion and kind."""

    def get(self, namespace: str, owner: Owner) -> Workload | None:
        """The workload as the API server's majority has it now.

        None if it is gone or never was (an owner is whatever text somebody wrote), its name belongs
        to another UID now, or its kind is not served any more in any version. Raises KubeError.
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
        found = self._collection(owner.api_version, owner.kind)
        if found is None:
            return None
        names = (found.plural, owner.name)
        if found.namespaced:
            body = self._get(paths.in_namespace, found.version, namespace, *names, accept=accept)
        else:
            body = self._get(paths.of_cluster, found.version, *names, accept=accept)
        if body is None:
            # Gone, or the kind moved on to another version: ask anew next time.
            self._collections.pop((owner.api_version, owner.kind), None)
        return body

    def _collection(self, api_version: str, kind: str) -> _Collection | None:
        known = self._collections.get((api_version, kind))
        if known is not None:
            return known
        for served in self._versions(api_version):
            for resource in self._resources(served):
                if resource.kind == kind and "/" not in resource.name:
                    found = _Collection(served, resource.name, resource.namespaced)
                    self._collections[api_version, kind] = found
                    return found
        return None

    def _versions(self, api_version: str) -> Iterator[str]:
        """That version, and the others of its group."""
        yield api_version
        group, slash, _ = api_version.rpartition("/")
        if not slash:
            return
        body = self._get(paths.path, "apis", group)
        served = answers.read(_GROUP, body).versions if body else None
        for other in served or ():
            if f"{group}/{other.version}" != api_version:
                yield f"{group}/{other.version}"

    def _resources(self, api_version: str) -> list[_Resource]:
        body = self._get(paths.of_version, api_version)
        return (answers.read(_RESOURCES, body).resources or []) if body else []

    def _get(self, build: Callable[..., str], *names: str, accept: str = JSON) -> bytes | None:
        """What is at the path that `build` makes of these names; None if there is nothing."""
        try:
            return self._client.request("GET", build(*names), accept=accept)
        except KubeError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            raise


class _Collection(NamedTuple):
    """Where the objects of a kind are: an apiVersion that is served, and the plural."""

    version: str
    plural: str
    namespaced: bool


class _Version(Struct):
    version: str


class _Group(Struct):
    versions: list[_Version] | None = None


class _Resource(Struct):
    name: str
    kind: str
    namespaced: bool = True


class _Resources(Struct):
    resources: list[_Resource] | None = None


_GROUP = msgspec.json.Decoder(_Group)
_RESOURCES = msgspec.json.Decoder(_Resources)


class _Ordinals(Struct):
    start: int = 0


class _Spec(Struct, rename="camel"):
    replicas: int | None = None
    ordinals: _Ordinals | None = None
    reserve_ordinals: list[Any] | None = None


class _Workload(Model):
    spec: _Spec | None = None


def _convert(read: _Workload, _known: Known) -> Workload:
    meta, spec = read.metadata, read.spec or _Spec()
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
    found = _ORDINALS.fullmatch(entry if isinstance(entry, str) else repr(entry))
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


_READER: Reader[_Workload, Workload] = Reader(_Workload, _convert)

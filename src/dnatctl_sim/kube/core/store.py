"""Every object of the cluster, every recent change to one, and one counter over all: etcd's part.

Objects are held as the bytes they are answered with, so 50,000 pods fit in memory and a list or a
watch costs no serializing. Safe to use from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import orjson
from msgspec import Struct

from dnatctl_sim.kube.core.collection import Change, ChangeType, Collection, Version
from dnatctl_sim.kube.core.objects import Object, dig
from dnatctl_sim.kube.core.resources import ResourceType

Listener = Callable[[str, Change], None]
"""Told of every change, in order, by the thread that made it: collection and change."""


@dataclass(frozen=True)
class Backup:
    """The whole store at one moment, for `Store.restore`."""

    revision: int
    objects: dict[str, tuple[Version, ...]]


class Placed(Struct, frozen=True):
    """What a list answers: the objects in key order and the revision they are true for."""

    revision: int
    items: Sequence[Version]


class Store:
    """Collections of objects under one revision counter (`resourceVersion`).

    `history` is how many changes a collection remembers for watches and for consistent pages.
    `lock` may be held around several calls that must not be torn apart.
    """

    def __init__(self, history: int = 20_000) -> None:
        self.lock = threading.RLock()
        self.revision = 1
        self._history = history
        self._compacted = 0
        self._collections: dict[str, Collection] = {}
        self._listeners: list[Listener] = []

    def collection(self, name: str) -> Collection:
        """The collection of that name, made when first asked for."""
        with self.lock:
            found = self._collections.get(name)
            if found is None:
                found = self._collections[name] = Collection(name, self._history, self._compacted)
            return found

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called for every change from now on."""
        with self.lock:
            self._listeners.append(listener)

    def put(self, type_: ResourceType, obj: Object, old: Version | None = None) -> Version:
        """Store `obj`, which gets the next resourceVersion, in place of `old`."""
        with self.lock:
            version = self._next_version(type_, obj)
            change = ChangeType.MODIFIED if old else ChangeType.ADDED
            self._commit(type_, Change(change, version, old))
            return version

    def remove(self, type_: ResourceType, old: Version) -> Version:
        """Take `old` out of the store; its last state gets the next resourceVersion."""
        with self.lock:
            version = self._next_version(type_, old.load())
            self._commit(type_, Change(ChangeType.DELETED, version, old))
            return version

    def list(self, type_: ResourceType, namespace: str = "", revision: int = 0) -> Placed:
        """The objects of one namespace or of all, now or as they were at `revision`.

        Raises ApiError 410 for a revision older than history, 504 for one yet to come.
        """
        with self.lock:
            at = revision or self.revision
            items = self.collection(type_.collection).at(at, self.revision, namespace)
            return Placed(at, items)

    def get(self, type_: ResourceType, namespace: str, name: str) -> Version | None:
        """The object's present version, if it exists."""
        return self.collection(type_.collection).objects.get((namespace, name))

    def compact(self) -> None:
        """Forget all changes so far: older watches and pages get 410."""
        with self.lock:
            self._compacted = self.revision
            for collection in self._collections.values():
                collection.forget(self.revision)

    def backup(self) -> Backup:
        """Everything as it is now."""
        with self.lock:
            objects = {n: tuple(c.objects.values()) for n, c in self._collections.items()}
            return Backup(self.revision, objects)

    def restore(self, backup: Backup) -> None:
        """Go back to `backup`, revision included, as a restored etcd does. Listeners hear nothing.

        Whoever watches must be cut off by the caller.
        """
        with self.lock:
            self.revision = self._compacted = backup.revision
            for name, collection in self._collections.items():
                collection.reset(backup.objects.get(name, ()), backup.revision)

    def _commit(self, type_: ResourceType, change: Change) -> None:
        self.collection(type_.collection).apply(change)
        for listener in self._listeners:
            listener(type_.collection, change)

    def _next_version(self, type_: ResourceType, obj: Object) -> Version:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return draft(type_, obj, self.revision)


def draft(type_: ResourceType, obj: Object, revision: int) -> Version:
    """What storing `obj` would give; nothing is stored."""
    meta = obj["metadata"]
    rest = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind")}
    prefix = type_.base.prefix()
    return Version(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        revision=revision,
        raw=prefix + orjson.dumps(rest)[1:],
        head=len(prefix),
        labels=meta.get("labels") or {},
        fields=_fields(type_.base.fields, obj),
        owners=tuple(owner["uid"] for owner in meta.get("ownerReferences") or ()),
    )


def _fields(paths: Iterable[tuple[str, ...]], obj: Object) -> dict[str, str]:
    fields = {}
    for path in paths:
        value = dig(obj, *path)
        if value is not None:
            fields[".".join(path)] = str(value).lower() if isinstance(value, bool) else str(value)
    return fields

"""The objects of one type with their recent past."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import cast

import orjson
from msgspec import Struct

from dnatctl_sim.kube.core.errors import expired, gone_version, too_large_version
from dnatctl_sim.kube.core.objects import Object

Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""


class Version(Struct, frozen=True, gc=False):
    """One state of one object, never changed: its bytes and what selectors and owners need.

    `head` is how many of the bytes say apiVersion and kind, so that others can be put there.
    """

    namespace: str
    name: str
    uid: str
    revision: int
    raw: bytes
    head: int
    labels: dict[str, str]
    fields: dict[str, str]
    owners: tuple[str, ...]

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return (self.namespace, self.name)

    def load(self) -> Object:
        """The object, parsed anew: the caller may change it."""
        return cast(Object, orjson.loads(self.raw))

    def says(self, obj: Object) -> bool:
        """Whether that is what is stored."""
        return orjson.dumps(obj) == self.raw or obj == self.load()

    def selectable(self) -> Mapping[str, str]:
        """The fields that a field selector sees."""
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            **self.fields,
        }


class ChangeType(StrEnum):
    """The types of watch events that tell of objects."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Change(Struct, frozen=True, gc=False):
    """What one write did. `new` of a deletion is the last state, with the deletion's revision."""

    type: ChangeType
    new: Version
    old: Version | None


class Collection:
    """The objects of one type by key, and the changes after revision `floor`."""

    def __init__(self, name: str, history: int, floor: int) -> None:
        self.name = name
        self.objects: dict[Key, Version] = {}
        self.floor = floor
        self._history = history
        self._keys: list[Key] = []
        self._changes: list[Change] = []
        self._page: tuple[int, list[Version]] | None = None
        self._present: list[Version] | None = None
        """All as they are, for the next page of a long list; made when it is asked for."""

    def apply(self, change: Change) -> None:
        """Record one change and make it so."""
        self._present = None
        key = change.new.key
        if change.type is ChangeType.DELETED:
            del self.objects[key]
            del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self.objects:
                insort(self._keys, key)
            self.objects[key] = change.new
        self._changes.append(change)
        if len(self._changes) > 2 * self._history:
            self.forget(self._changes[-self._history - 1].new.revision)

    def since(self, revision: int) -> Sequence[Change]:
        """The changes after `revision`, oldest first.

        Raises ApiError 410 when some of them are forgotten.
        """
        if revision < self.floor:
            raise gone_version(revision, self.floor)
        return self._changes[bisect_right(self._changes, revision, key=_revision) :]

    def at(self, revision: int, current: int, namespace: str) -> Sequence[Version]:
        """The objects as they were at `revision`, in key order.

        Raises ApiError 410 when that is forgotten, 504 when it is after `current`.
        """
        if revision > current:
            raise too_large_version(revision, current)
        if revision < self.floor:
            raise expired(f"The resourceVersion for the provided list is too old: {revision}")
        if self._unchanged_since(revision):
            return self._as_now(namespace)
        if self._page is None or self._page[0] != revision:
            self._page = (revision, self._undo(revision))
        past = self._page[1]
        return [v for v in past if v.namespace == namespace] if namespace else past

    def forget(self, revision: int) -> None:
        """Drop the changes up to and including `revision`."""
        self.floor = max(self.floor, revision)
        del self._changes[: bisect_right(self._changes, revision, key=_revision)]
        self._page = None

    def reset(self, objects: Iterable[Version], revision: int) -> None:
        """Hold exactly `objects`, with no past before `revision`."""
        self.objects = {version.key: version for version in objects}
        self._keys = sorted(self.objects)
        self._changes = []
        self._page = self._present = None
        self.floor = revision

    def _unchanged_since(self, revision: int) -> bool:
        return not self._changes or self._changes[-1].new.revision <= revision

    def _as_now(self, namespace: str) -> Sequence[Version]:
        if namespace:
            first = bisect_left(self._keys, (namespace, ""))
            keys = self._keys[first : bisect_left(self._keys, (namespace + "\0", ""))]
            return [self.objects[key] for key in keys]
        if self._present is None:
            self._present = [self.objects[key] for key in self._keys]
        return self._present

    def _undo(self, revision: int) -> list[Version]:
        objects = dict(self.objects)
        for change in reversed(self.since(revision)):
            if change.old is None:
                objects.pop(change.new.key, None)
            else:
                objects[change.new.key] = change.old
        return [objects[key] for key in sorted(objects)]


def _revision(change: Change) -> int:
    return change.new.revision

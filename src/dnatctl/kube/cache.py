"""A local copy of one resource, kept true by its informer and by what this program wrote itself.

The answer to one's own write is known before the watch tells of it. Taking it in at once keeps
the program from acting on a state that it has itself changed; what the watch tells afterwards of
the time before is recognised by its resourceVersion and left out. resourceVersions are compared
as numbers, which Kubernetes allows for its own and for custom resources
(https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Generic, Protocol, TypeVar

import structlog

from dnatctl.objects import Key

_log = structlog.get_logger()


class Stored(Protocol):
    """What the cache needs to know of an object."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        ...

    @property
    def uid(self) -> str:
        """metadata.uid."""
        ...

    @property
    def resource_version(self) -> str:
        """metadata.resourceVersion."""
        ...


T = TypeVar("T", bound=Stored)

Handler = Callable[[T | None, T | None], None]
"""Told of each change with (old, new): added (None, new), changed (old, new), deleted (old, None).

An object that was deleted and created anew under the same name is two changes. Handlers run one
at a time, in the order of the changes, on the thread that brought the change, while the cache is
locked against writers: they must be quick, must not write to the cache, and must not take a lock
that another thread holds while it writes to the cache. Reading the cache is fine.
"""


_MOST_REMOVED = 4096
"""Objects that are remembered after their end: of some minutes, where hundreds go a minute."""

MOST_DIGITS = 20
"""Of a number of 64 bits. Python makes no number of some thousands."""


def number(version: str) -> int:
    """A resourceVersion for comparing; 0 where it is none or no number."""
    return int(version) if version.isdecimal() and len(version) <= MOST_DIGITS else 0


class Cache(Generic[T]):
    """Objects by key. Thread-safe; reads take no lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Key, T] = {}
        self._handlers: list[Handler[T]] = []
        self._seen = 0
        """The version up to which the server's news have been taken in."""
        self.went_back = False
        """For handlers, while they are called: whether the server has gone back in time, so that
        what is gone was lost, and nobody has deleted it."""
        self._ended: dict[str, int] = {}
        """UIDs ended by this program ahead of the news, and the version last held of each."""
        self._removed: dict[str, None] = {}
        """UIDs of objects that were held until the news told of their end; the latest."""

    def on_change(self, handler: Handler[T]) -> None:
        """Call `handler` for every change from now on; first with every object held already."""
        with self._lock:
            self._handlers.append(handler)
            for obj in self._objects.values():
                _tell(handler, obj.key, None, obj)

    def get(self, key: Key) -> T | None:
        """The object, as far as it is known here."""
        return self._objects.get(key)

    def holds(self, key: Key, uid: str) -> bool:
        """Whether the object of that name and UID is held."""
        held = self._objects.get(key)
        return held is not None and held.uid == uid

    def told_removed(self, uid: str) -> bool:
        """Whether the news told lately that this object, which was held, is gone. That is final,
        other than that a list lacks it, which may be older than the object."""
        return uid in self._removed

    def values(self) -> list[T]:
        """All objects, as of one moment."""
        return list(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def note_written(self, obj: T) -> None:
        """Take in the server's answer to one's own write, ahead of the news.

        Ignored if the news are past it. Where the answer says that the object is being deleted
        and has no finalizers left, it is gone: call `note_deleted` instead.
        """
        with self._lock:
            version = number(obj.resource_version)
            if version > self._seen:
                self._take(obj, as_of=version)

    def hold(self, obj: T) -> None:
        """Hold an object that was looked up, and that the news were not asked to keep so far."""
        with self._lock:
            if obj.key not in self._objects and obj.uid not in self._ended:
                self._set(obj.key, obj)

    def unhold(self, obj: T) -> None:
        """Hold no more what was looked up, if it is held as it was then: the news were not asked to
        keep it. Whatever they bring of it afterwards counts."""
        with self._lock:
            if self._objects.get(obj.key) is obj:
                self._set(obj.key, None)

    def note_deleted(self, key: Key, uid: str) -> None:
        """Take in that one's own write ended the object; later news of that UID are stale."""
        with self._lock:
            held = self._objects.get(key)
            if held is not None and held.uid == uid:
                self._ended[uid] = number(held.resource_version)
                self._set(key, None)

    def replace(
        self,
        objects: Iterable[T],
        version: str,
        *,
        keep: Collection[Key] = (),
        reset: bool = False,
    ) -> None:
        """Take in a whole list as of `version`; what is missing from it was deleted.

        Objects named by `keep` were in the list and could not be read: they stay as they are. What
        is held in a version newer than that of the list (own writes made meanwhile) stays,
        unless `reset`: the server has gone back in time, the list alone counts.
        """
        listed = {obj.key: obj for obj in objects}
        until = number(version)
        with self._lock:
            self._seen = until if reset else max(self._seen, until)
            if reset:
                self._ended.clear()
                self._removed.clear()
            self.went_back = reset
            for key, held in list(self._objects.items()):
                if key in listed or key in keep:
                    continue
                if reset or number(held.resource_version) <= until:
                    self._set(key, None)
            for obj in listed.values():
                self._take(obj, as_of=None if reset else until)
            self.went_back = False
            self._forget_ended(until, {obj.uid for obj in listed.values()})

    def apply(self, obj: T) -> None:
        """Take in news that an object was added or changed."""
        with self._lock:
            version = number(obj.resource_version)
            self._seen = max(self._seen, version)
            self._take(obj, as_of=version)

    def remove(self, key: Key, uid: str, version: str) -> None:
        """Take in news that an object was deleted, in `version`."""
        with self._lock:
            self._seen = max(self._seen, number(version))
            self._ended.pop(uid, None)
            if self.holds(key, uid):
                self._note_removed(uid)
                self._set(key, None)

    def _note_removed(self, uid: str) -> None:
        self._removed[uid] = None
        if len(self._removed) > _MOST_REMOVED:
            del self._removed[next(iter(self._removed))]

    def drop_other(self, key: Key, uid: str, version: str) -> None:
        """Take in news that a name belongs to `uid` now, an object that is not to be held."""
        held = self._objects.get(key)
        if held is not None and held.uid != uid and number(held.resource_version) < number(version):
            self.remove(key, held.uid, version)

    def _take(self, obj: T, as_of: int | None) -> None:
        """Hold `obj` unless what is held is newer than `as_of` (None: whatever is held)."""
        if obj.uid in self._ended:
            return
        held = self._objects.get(obj.key)
        if held is not None:
            if as_of is not None and number(held.resource_version) > as_of:
                return
            if held.uid != obj.uid:
                self._set(obj.key, None)
            elif held.resource_version == obj.resource_version:
                return
        self._set(obj.key, obj)

    def _set(self, key: Key, new: T | None) -> None:
        old = self._objects.get(key)
        if new is not None:
            self._objects[key] = new
        else:
            del self._objects[key]
        for handler in self._handlers:
            _tell(handler, key, old, new)

    def _forget_ended(self, until: int, listed: set[str]) -> None:
        # A list that knows the version in which the object was last held, and lacks the object,
        # is from after its end: the watch that goes on from there cannot bring it back.
        for uid, version in list(self._ended.items()):
            if version <= until and uid not in listed:
                del self._ended[uid]


def _tell(handler: Handler[T], key: Key, old: T | None, new: T | None) -> None:
    try:
        handler(old, new)
    except Exception:  # noqa: BLE001 - one handler must not end the news for all others
        _log.exception("change handler failed", key=str(key))

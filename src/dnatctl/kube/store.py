"""A local copy of one resource, kept true by a reflector and by what this program wrote itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from dnatctl.objects import Key


class Stored(Protocol):
    """What the store needs to know of an object."""

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
at a time, in the order of the changes, while the store is locked against writers: they must be
quick, and must not write to the store. Reading it is fine.
"""


class Store(Generic[T]):
    """Objects by key. Thread-safe; reads take no lock."""

    def __init__(self) -> None:
        raise NotImplementedError

    def on_change(self, handler: Handler[T]) -> None:
        """Call `handler` for every change from now on; first with every object held already."""
        raise NotImplementedError

    def get(self, key: Key) -> T | None:
        """The object, as far as it is known here."""
        raise NotImplementedError

    def holds(self, key: Key, uid: str) -> bool:
        """Whether the object of that name and UID is held."""
        raise NotImplementedError

    def values(self) -> list[T]:
        """All objects, as of one moment."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def note_written(self, obj: T) -> None:
        """Take in the server's answer to one's own write, ahead of the watch.

        Ignored if something newer is held. An answer without finalizers to a write on an object
        that is being deleted means it is gone: call `note_deleted` for that.
        """
        raise NotImplementedError

    def note_deleted(self, key: Key, uid: str) -> None:
        """Take in that one's own write ended the object; later news of that UID is stale."""
        raise NotImplementedError

    def replace(self, objects: Iterable[T], version: str, *, reset: bool = False) -> None:
        """Take in a whole list as of `version`; what is missing from it was deleted.

        Own writes newer than `version` stay, unless `reset`: the server went back in time.
        """
        raise NotImplementedError

    def apply(self, obj: T) -> None:
        """Take in that an object was added or changed."""
        raise NotImplementedError

    def remove(self, key: Key, uid: str) -> None:
        """Take in that an object was deleted."""
        raise NotImplementedError

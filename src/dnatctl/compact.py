"""What is held by the ten thousand, in little memory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from functools import lru_cache
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_LONGEST: Final = 64
"""Characters of a text that is shared: what is remembered was written by others."""

_MOST: Final = 1024
"""Texts that are remembered, those last asked for."""


def shared(text: str) -> str:
    """The same text, as one object for all who say so: a namespace, a node, a reason.

    Not `sys.intern`: some versions of Python keep for ever what was interned.
    """
    return text if len(text) > _LONGEST else _remembered(text)


@lru_cache(maxsize=_MOST)
def _remembered(text: str) -> str:
    return text


class Multimap(Generic[K]):
    """Names by key, of which most have one: no set (216 bytes) is made for a single name."""

    def __init__(self) -> None:
        self._names: dict[K, str | set[str]] = {}

    def __iter__(self) -> Iterator[K]:
        """The keys that have names."""
        return iter(self._names)

    def __contains__(self, key: object) -> bool:
        """Whether the key has names. Without this `in` would go through all keys."""
        return key in self._names

    def at(self, key: K) -> Collection[str]:
        """The names of a key; none for one that is not known."""
        names = self._names.get(key, ())
        return (names,) if isinstance(names, str) else names

    def add(self, key: K, name: str) -> None:
        """Give the key a name, unless it has it."""
        names = self._names.setdefault(key, name)
        if isinstance(names, set):
            names.add(name)
        elif names != name:
            self._names[key] = {names, name}

    def discard(self, key: K, name: str) -> None:
        """Take a name from the key, if it has it."""
        names = self._names.get(key)
        if isinstance(names, set):
            names.discard(name)
        if not names or names == name:
            self._names.pop(key, None)

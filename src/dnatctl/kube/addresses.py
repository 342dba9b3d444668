"""Which pods have which IP, of the pods that are none of our business.

There may be ten times as many of them as of those that are kept, so all that is noted is a name
for an IP, about 100 bytes a pod. It is a hint: who needs to know asks the API server for the pod.
"""

from __future__ import annotations

import threading

from dnatctl.objects import Key

MOST_NAMES = 8
"""Names that are kept for an IP: usually there is one, and whoever may write the status of pods may
have any number of them state it."""


class Neighbours:
    """Names by IP, of the pods that state it or did. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str | tuple[str, ...]] = {}
        """Nearly always one name: a tuple for it would take as much again."""

    def note(self, ip: str, key: Key) -> None:
        """The pod of that name states the IP."""
        name = str(key)
        if self._names.get(ip) == name:
            return
        with self._lock:
            names = self._of(ip)
            if name not in names:
                # Beyond the most, the first ones stay, so that none is driven out by those that
                # come after it; and the latest is known in any case.
                self._put(ip, (*names[: MOST_NAMES - 1], name))

    def drop(self, ip: str, key: Key) -> None:
        """The pod of that name has the IP no more."""
        name = str(key)
        with self._lock:
            names = self._of(ip)
            if name in names:
                self._put(ip, tuple(each for each in names if each != name))

    def at(self, ip: str) -> tuple[Key, ...]:
        """The pods that have the IP, or had it when last heard of."""
        parts = (name.partition("/") for name in self._of(ip))
        return tuple(Key(namespace, name) for namespace, _, name in parts)

    def __len__(self) -> int:
        return len(self._names)

    def _of(self, ip: str) -> tuple[str, ...]:
        held = self._names.get(ip, ())
        return (held,) if isinstance(held, str) else held

    def _put(self, ip: str, names: tuple[str, ...]) -> None:
        if names:
            self._names[ip] = names[0] if len(names) == 1 else names
        else:
            self._names.pop(ip, None)

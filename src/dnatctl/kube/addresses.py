"""Which pod has which IP, of the pods that are none of our business.

There may be ten times as many of them as of those that are kept, so all that is noted is a name
for an IP, about 100 bytes a pod. It is a hint: who needs to know asks the API server for the pod.
"""

from __future__ import annotations

from dnatctl.objects import Key


class Neighbours:
    """Names by IP: the pod that stated it last. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def note(self, ip: str, key: Key) -> None:
        """The pod of that name states the IP."""
        name = str(key)
        if self._names.get(ip) != name:
            self._names[ip] = name

    def drop(self, ip: str, key: Key) -> None:
        """The pod of that name has the IP no more."""
        if self._names.get(ip) == str(key):
            self._names.pop(ip, None)

    def at(self, ip: str) -> Key | None:
        """The pod that has the IP, or had it when last heard of."""
        namespace, slash, name = self._names.get(ip, "").partition("/")
        return Key(namespace, name) if slash else None

    def __len__(self) -> int:
        return len(self._names)

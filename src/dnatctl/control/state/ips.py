"""Which pods state which IPs, and since when.

A finished pod keeps the IP that it had in its status, and others get it; one in its node's network
states the node's. Neither states an IP of its own.
"""

from __future__ import annotations

import threading
from math import inf

from dnatctl.clock import Clock
from dnatctl.objects import Key, Pod


class StatedIPs:
    """The index of pods by IP. `lock`: the one of the views that it is a part of."""

    def __init__(self, lock: threading.RLock, clock: Clock) -> None:
        self._lock = lock
        self._clock = clock
        self._since: dict[str, tuple[tuple[Key, float], ...]] = {}
        """Nearly always one pod: a dict for it would take three times as much."""
        self._shared: set[str] = set()

    def pod_changed(self, old: Pod | None, new: Pod | None) -> set[str]:
        """A pod came, changed or went; returns the IPs that it states no more."""
        now, states = self._clock.monotonic(), _own_ips(new)
        with self._lock:
            withdrawn = set(_own_ips(old)).difference(states)
            if old is not None:
                for ip in withdrawn:
                    self._withdraw(ip, old.key)
            if new is not None:
                for ip in states:
                    self._state(ip, new.key, now)
        return withdrawn

    def keys_at(self, ip: str) -> set[Key]:
        """Pods that state that IP, or did last."""
        with self._lock:
            return {key for key, _ in self._since.get(ip, ())}

    def shared(self) -> list[str]:
        """The IPs that several pods state: few, out of those of thousands of pods."""
        with self._lock:
            return sorted(self._shared)

    def is_stated(self, ip: str) -> bool:
        """Whether any pod states that IP. Takes no lock: it is asked for every pod there is."""
        return ip in self._since

    def stated_since(self, ip: str) -> float:
        """Since when (monotonic) it has been stated by just those pods that state it now."""
        with self._lock:
            return max((since for _, since in self._since.get(ip, ())), default=-inf)

    def stated_by(self, key: Key, ip: str) -> float:
        """Since when (monotonic) that pod states it, whoever else does."""
        with self._lock:
            return next((since for each, since in self._since.get(ip, ()) if each == key), -inf)

    def _state(self, ip: str, key: Key, now: float) -> None:
        held = self._since.get(ip, ())
        if all(key != each for each, _ in held):
            self._since[ip] = (*held, (key, now))
            if held:
                self._shared.add(ip)

    def _withdraw(self, ip: str, key: Key) -> None:
        # `is_stated` takes no lock: at no moment is an IP absent that another pod states as well.
        if rest := tuple(each for each in self._since.get(ip, ()) if each[0] != key):
            self._since[ip] = rest
        else:
            self._since.pop(ip, None)
        if len(rest) <= 1:
            self._shared.discard(ip)


def _own_ips(pod: Pod | None) -> tuple[str, ...]:
    return () if pod is None or pod.ended or pod.host_network else pod.ips

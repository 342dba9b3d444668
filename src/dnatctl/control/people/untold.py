"""Namespaces whose pods may not be told how they stand: asked again now and then, told in health.

That the account has no leave is a choice (see manifests/pod-condition), and may be made for some
namespaces only.
"""

from __future__ import annotations

from dnatctl.clock import Clock

ASK_AGAIN_S = 300.0
"""How long a refusal is believed: leave may be given at any time."""

FORGOTTEN_S = 86400.0
"""A refusal that was not repeated for so long is of a namespace without pods, or without itself."""

MOST_NAMED = 3


class Untold:
    """Where writes to pods are refused for want of leave."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[float, str]] = {}

    def may_try(self, namespace: str) -> bool:
        """Whether it is not known that a pod of the namespace may not be written to."""
        at, _ = self._refused.get(namespace, (float("-inf"), ""))
        return self._clock.monotonic() - at >= ASK_AGAIN_S

    def refused(self, namespace: str, answer: str) -> bool:
        """A write was refused for want of leave; returns whether that is news."""
        self._forget_old()
        news = namespace not in self._refused
        self._refused[namespace] = self._clock.monotonic(), answer
        return news

    def accepted(self, namespace: str) -> None:
        """A write was accepted."""
        self._refused.pop(namespace, None)

    def holds(self, namespace: str) -> bool:
        """Whether writes to pods of that namespace were refused when last tried."""
        return namespace in self._refused

    def notes(self) -> list[str]:
        """What to say in health."""
        self._forget_old()
        refused = sorted(self._refused.copy().items())
        if not refused:
            return []
        names = ", ".join(name for name, _ in refused[:MOST_NAMED])
        more = f" and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
        _, (_, answer) = refused[0]
        mend = "give the leave (manifests/pod-condition), or set publish.condition to false"
        return [f"pods are not told how they stand, in {names}{more}: {answer}; {mend}"]

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for namespace, (at, _) in self._refused.copy().items():
            if now - at >= FORGOTTEN_S:
                self._refused.pop(namespace, None)

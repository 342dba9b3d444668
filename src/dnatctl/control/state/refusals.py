"""Claims that the API server refuses to store: who tries again when, and what people are told.

One refused pod waits by itself. Where a second one of its namespace is refused with no success in
between, it is the namespace: then only one of its pods tries at a time, ever more seldom.
Pure: times are handed in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from dnatctl.backoff import doubled
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Key
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Allowance

FIRST_S, LONGEST_S = 0.25, 60.0
"""Pause after a first refusal, and the longest one: it doubles each time."""

MESSAGE_LIMIT = 300
"""Of what the API server says, in an event and a condition."""

DOUBTS_UNTOLD = 2
"""Failures in a row that say nothing for sure and are not told: such pass by themselves."""

PASSING = (Failure.UNREACHABLE, Failure.CANCELLED, Failure.TOO_MANY_REQUESTS)
"""Failures that are about no object: not told of any."""

_MEND = {
    Failure.FORBIDDEN: "raise or free what it names (a ResourceQuota), or allow what it forbids",
    Failure.UNAUTHORIZED: "give the controller a valid account",
    Failure.NOT_FOUND: "a namespace that is gone needs nothing",
    Failure.UNSERVED: "install the CRD of PodDNAT",
    Failure.ADMISSION: "put the webhook right, or let it leave poddnats.alibabacloud.com alone",
    Failure.INVALID: "put right what it names",
}
_MEND_OTHERS = "look at the API server and at the webhooks it asks"


def is_refusal(error: KubeError) -> bool:
    """Whether it is about the claim, or may be: not about the way to the API server."""
    return error.failure not in (
        Failure.UNREACHABLE,
        Failure.UNKNOWN,
        Failure.CANCELLED,
        Failure.TOO_MANY_REQUESTS,
    )


@dataclass(slots=True)
class _Pause:
    failures: int = 0
    until: float = float("-inf")

    def begin(self, now: float) -> None:
        self.until = now + doubled((FIRST_S, LONGEST_S), self.failures)
        self.failures += 1


@dataclass(slots=True)
class _NamespaceRefusals:
    """`names`: those with a pause of their own. `refused`: who was since the last success.
    `waiting`: who has to wait for another's try. `said`: what those are told, and of which `kind`.
    """

    names: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)
    waiting: set[Key] = field(default_factory=set)
    pause: _Pause = field(default_factory=_Pause)
    said: Problem | None = None
    kind: Failure | None = None


class Refusals:
    """What is remembered of refused claims."""

    def __init__(self) -> None:
        self._names: dict[Key, _Pause] = {}
        self._namespaces: dict[str, _NamespaceRefusals] = defaultdict(_NamespaceRefusals)

    def hold(self, key: Key, now: float) -> Allowance | None:
        """Why that name may not ask for endpoints now; None if it may."""
        space = self._namespaces.get(key.namespace)
        if space is None or space.said is None:
            return None
        own = self._names.get(key, _Pause()).until
        until = max(own, space.pause.until) if len(space.refused) > 1 else own
        return Allowance(0, space.said, until - now) if until > now else None

    def waits(self, key: Key) -> None:
        """The name was held back: it is to be told when another of its namespace succeeds."""
        if space := self._namespaces.get(key.namespace):
            space.waiting.add(key)

    def tries(self, key: Key, now: float) -> None:
        """The name asks for endpoints: the others of its namespace wait for what comes of it."""
        space = self._namespaces.get(key.namespace)
        if space is not None and len(space.refused) > 1:
            space.pause.begin(now)

    def refused(self, key: Key, error: KubeError, now: float) -> tuple[Problem | None, float]:
        """A claim was not stored; returns what to tell, if anything, and the seconds to wait."""
        own = self._names.setdefault(key, _Pause())
        own.begin(now)
        space = self._namespaces[key.namespace]
        problem = not_stored(key, error)
        if space.kind is not error.failure:  # else the same is told to all, not each other's names
            space.said, space.kind = problem, error.failure
        space.names.add(key)
        space.refused.add(key)
        if len(space.refused) > 1 and space.pause.until <= now:
            space.pause.begin(now)
        quiet = error.unsure and own.failures <= DOUBTS_UNTOLD
        return None if quiet else problem, own.until - now

    def accepted(self, key: Key) -> set[Key]:
        """A claim was stored; returns who had to wait for that."""
        space = self._namespaces.get(key.namespace)
        if space is None:
            return set()
        waiting, space.waiting = space.waiting - {key}, set()
        space.refused.clear()
        space.pause = _Pause()
        self.forget(key)
        return waiting

    def begin_anew(self) -> None:
        """What was refused for is over: nobody waits any more."""
        self._names.clear()
        self._namespaces.clear()

    def forget(self, key: Key) -> None:
        """The name asks for nothing any more."""
        self._names.pop(key, None)
        space = self._namespaces.get(key.namespace)
        if space is not None:
            space.refused.discard(key)
            space.waiting.discard(key)
            space.names.discard(key)
            if not space.names:
                del self._namespaces[key.namespace]


def not_answered(key: Key, error: KubeError) -> Problem:
    """What to tell where the API server does not say what has to be known."""
    said = error.message[:MESSAGE_LIMIT]
    text = (
        f"nothing can be done for {key} as long as the API server does not answer ({said}); "
        f"look at the API server and at what it asks (an API service, a conversion webhook)"
    )
    return Problem("LookupFailed", text)


def not_stored(key: Key, error: KubeError) -> Problem:
    """What to tell of a PodDNAT that the API server refuses to store."""
    said = error.message[:MESSAGE_LIMIT]
    mend = _MEND.get(error.failure, _MEND_OTHERS)
    text = f"the API server does not store the PodDNAT {key}: {said}; {mend}"
    return Problem("PodDNATRefused", text)

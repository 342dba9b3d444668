"""Claims that the API server refuses to store: who tries again when, and what people are told.

One refused pod waits by itself. Where a second one of its namespace is refused with no success in
between, it is the namespace: then only one of its pods tries at a time, ever more seldom, and those
that were not refused themselves come first: what is refused may be about the others only.
Pure: times are handed in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from dnatctl.backoff import doubled
from dnatctl.kube.client import USUAL_S
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import WRITE_S
from dnatctl.objects import Key
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Allowance

FIRST_S, LONGEST_S = 0.25, 60.0
"""Pause after a first refusal, and the longest one: it doubles each time."""

TURN_S = 1.0
"""So many seconds after the end of their namespace's pause those try whose turn it is not: whoever
is first in line may have gone away without a word."""

TRY_S = WRITE_S + USUAL_S + 3.0
"""A try is over after so many seconds: it was answered, or not, and what is stored looked at."""

MESSAGE_LIMIT = 300
"""Of what the API server says, in an event and a condition."""

DOUBTS_UNTOLD = 2
"""Failures in a row that say nothing for sure and are not told: such pass by themselves."""

REFUSED_AFTER_S = 10.0
"""What fails for so long counts as refused: an API server that is started anew, or whose etcd has
another leader, is there again sooner."""

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
    """Whether it is about the object, or may be: not about the way to the API server."""
    return error.failure is not Failure.UNKNOWN and holds_up(error)


def holds_up(error: KubeError) -> bool:
    """Whether the next claim of the namespace may fare the same. That no answer came may be the
    doing of a webhook that hangs: claims go on to it one at a time, and are told.
    """
    return error.failure not in PASSING


@dataclass(slots=True)
class _Pause:
    failures: int = 0
    until: float = float("-inf")

    def begin(self, now: float) -> None:
        self.until = now + doubled((FIRST_S, LONGEST_S), self.failures)
        self.failures += 1


@dataclass(slots=True)
class _Name:
    """One that was refused itself: its own pause, and what it is told."""

    said: Problem
    pause: _Pause = field(default_factory=_Pause)


@dataclass(slots=True)
class _NamespaceRefusals:
    """`names`: those with a pause of their own. `refused`: who was since the last success.
    `waiting`: who has to wait for another's try. `line`: of those, in order, the ones that were not
    refused themselves. `trying`: whose try is under way, with no answer so far. `said`: what these
    are told, and of which `kind`.
    """

    names: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)
    waiting: set[Key] = field(default_factory=set)
    line: dict[Key, None] = field(default_factory=dict)
    trying: Key | None = None
    pause: _Pause = field(default_factory=_Pause)
    said: Problem | None = None
    kind: Failure | None = None

    def turn(self, key: Key) -> float:
        """When that name may try: one that was refused itself after those that were not."""
        first = next(iter(self.line), key)
        turns = 0 if first == key else 1 if key not in self.names else 2
        return self.pause.until + turns * TURN_S


@dataclass(slots=True)
class Failed:
    """How often in a row something has failed, and since when."""

    what: object
    since: float
    times: int = 0

    def lasts(self, now: float) -> bool:
        """Whether it has failed for too long to pass by itself."""
        return self.times > 1 and now - self.since >= REFUSED_AFTER_S


class Failing:
    """What is tried again and again for a name, and comes to nothing."""

    def __init__(self) -> None:
        self._failed: dict[Key, Failed] = {}

    def again(self, key: Key, what: object, now: float) -> Failed:
        """It failed, once more or for the first time."""
        held = self._failed.get(key)
        if held is None or held.what != what:
            held = self._failed[key] = Failed(what, now)
        held.times += 1
        return held

    def over(self, key: Key) -> None:
        """Something came of it, or it is wanted no more."""
        self._failed.pop(key, None)


class Refusals:
    """What is remembered of refused claims."""

    def __init__(self) -> None:
        self._names: dict[Key, _Name] = {}
        self._namespaces: dict[str, _NamespaceRefusals] = defaultdict(_NamespaceRefusals)

    def hold(self, key: Key, now: float) -> Allowance | None:
        """Why that name may not ask for endpoints now; None if it may."""
        space = self._namespaces.get(key.namespace)
        if space is None or space.said is None:
            return None
        own = self._names.get(key)
        until = own.pause.until if own else now
        if len(space.refused) > 1:
            until = max(until, space.turn(key))
        return Allowance(0, own.said if own else space.said, until - now) if until > now else None

    def waits(self, key: Key) -> None:
        """The name was held back: it is to be told when another of its namespace succeeds."""
        if space := self._namespaces.get(key.namespace):
            space.waiting.add(key)
            if key not in space.names:
                space.line.setdefault(key)

    def tries(self, key: Key, now: float) -> None:
        """The name asks for endpoints: the others of its namespace wait for what comes of it."""
        space = self._namespaces.get(key.namespace)
        if space is not None and len(space.refused) > 1:
            space.line.pop(key, None)
            space.trying = key
            space.pause.until = now + TRY_S

    def refused(self, key: Key, error: KubeError, now: float) -> tuple[Problem | None, float]:
        """A claim was not stored; returns what to tell, if anything, and the seconds to wait."""
        problem = not_stored(key, error)
        own = self._names.setdefault(key, _Name(problem))
        own.said = problem
        own.pause.begin(now)
        space = self._namespaces[key.namespace]
        if space.kind is not error.failure:  # else each refusal would be news for all who wait
            space.said, space.kind = _others_not_stored(key, error), error.failure
        space.names.add(key)
        space.refused.add(key)
        space.line.pop(key, None)
        if len(space.refused) > 1 and (space.trying == key or space.pause.until <= now):
            space.trying = None
            space.pause.begin(now)
        quiet = error.unsure and own.pause.failures <= DOUBTS_UNTOLD
        return None if quiet else problem, own.pause.until - now

    def accepted(self, key: Key) -> set[Key]:
        """A claim was stored; returns who had to wait for that."""
        space = self._namespaces.get(key.namespace)
        if space is None:
            return set()
        waiting, space.waiting = space.waiting - {key}, set()
        space.line.clear()
        space.refused.clear()
        space.trying = None
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
            space.line.pop(key, None)
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
    return Problem("PodDNATRefused", f"{_refusal(key, error)}; {_mend(error)}")


def not_noted(key: Key, error: KubeError) -> Problem:
    """What to tell where it cannot be noted which rows have become the PodDNAT's."""
    said = error.message[:MESSAGE_LIMIT]
    text = (
        f"the API server does not store the note of the entries that {key} takes over, so that "
        f"none but this leader knows them for its own: {said}; {_mend(error)}"
    )
    return Problem("PodDNATRefused", text)


def _others_not_stored(key: Key, error: KubeError) -> Problem:
    """What to tell those of its namespace that wait for a try and were not refused themselves."""
    text = (
        f"PodDNATs of namespace {key.namespace} are refused, so one is tried at a time, ever more "
        f"seldom: this one's is still to be tried, before those that were refused; "
        f"of one of those, {_refusal(key, error)}; {_mend(error)}"
    )
    return Problem("PodDNATRefused", text)


def _refusal(key: Key, error: KubeError) -> str:
    said = error.message[:MESSAGE_LIMIT]
    silent = error.failure is Failure.UNKNOWN
    does = "does not say whether it stores" if silent else "does not store"
    return f"the API server {does} the PodDNAT {key}: {said}"


def _mend(error: KubeError) -> str:
    return _MEND.get(error.failure, _MEND_OTHERS)

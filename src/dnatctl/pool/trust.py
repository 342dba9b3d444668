"""What the cloud has refused lately, and where it is therefore better not to try.

A refusal is about the row, the external IP, the gateway or the account. Some codes say which; one
that nobody foresaw does not. So it is held against as little as the evidence calls for: the
endpoint; the external IP, when the same pod is refused on a second endpoint of it, or a second pod
is refused there, or the same pod is accepted elsewhere; the gateway, when several of its IPs are
refused. One pod alone makes nothing bad for others, and whatever is accepted clears what it was
accepted on. Pure: times are handed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dnatctl.backoff import doubled
from dnatctl.compact import Multimap
from dnatctl.model import Endpoint

HOLD_S = (60.0, 900.0)
"""How long a bad target is left alone before somebody may try it again, at first and at most."""

SCOUT_S = 30.0
"""How long others keep away from a target that one of them tries, unless it answers before."""

PROVEN_S = 300.0
"""A target that accepted a row so lately needs nobody to go ahead."""

REMEMBERED_S = 1800.0
"""How long a pod's own refusals count: then it may try as widely again."""

ENOUGH = 2
"""Refusals alike, of pods or of endpoints or of IPs, that are no accident."""


class Target(NamedTuple):
    """An external IP of a gateway; without an IP, the gateway as a whole."""

    gateway_id: str
    ip: str = ""


@dataclass(slots=True)
class _BadTarget:
    """A bad target. `firm`: the cloud says so itself, so that not even the last resort is there.

    `probed`: its hold was over, and `probes` have gone ahead, whose fate is not known yet. `since`:
    when it was refused there.
    """

    until: float
    failures: int
    why: str
    firm: bool
    probed: bool = False
    probes: set[str] = field(default_factory=set)
    since: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Rebuff:
    """One endpoint that was refused to a pod, for no known reason."""

    target: Target
    endpoint: Endpoint
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Tried:
    """How widely a pod was refused: endpoints, external IPs, gateways."""

    endpoints: int
    ips: int
    gateways: int


class Trust:
    """Marks on targets, and the refusals of each pod (by the UID of its PodDNAT)."""

    def __init__(self) -> None:
        self._marks: dict[Target, _BadTarget] = {}
        self._rebuffs: dict[str, list[_Rebuff]] = {}
        self._refused_at: Multimap[Target] = Multimap()
        """The pods that were refused on a target."""
        self._accepted: dict[Target, float] = {}
        self._scouts: dict[Target, float] = {}
        self._served: set[str] = set()
        self._unreadable: dict[str, str] = {}
        """Why, by gateway."""

    # --- what the cloud answered

    def mark(self, target: Target, why: str, now: float, *, firm: bool = False) -> bool:
        """The cloud refuses everything there; returns whether that is news."""
        self._scouts.pop(target, None)
        old = self._marks.get(target)
        if old is not None and now < old.until and not old.probed:
            old.why, old.firm = why, firm
            return False
        failures = old.failures + 1 if old else 0
        self._marks[target] = _BadTarget(
            now + doubled(HOLD_S, failures), failures, why, firm, since=now
        )
        return True

    def refused(self, uid: str, gateway_id: str, endpoint: Endpoint, why: str, now: float) -> bool:
        """A row was refused for no known reason; returns whether a target has become bad by it."""
        target = Target(gateway_id, endpoint.ip)
        for scouted in (target, Target(gateway_id)):
            self._scouts.pop(scouted, None)
        rebuffs = [r for r in self._rebuffs.get(uid, ()) if now - r.at < REMEMBERED_S]
        rebuffs = [r for r in rebuffs if r.endpoint != endpoint]
        self._remember(uid, [*rebuffs, _Rebuff(target, endpoint, now, why)])
        if len(self._refused_at.at(target)) < ENOUGH:
            return False
        return self.mark(target, why, now) | self._widen(gateway_id, why, now)

    def _widen(self, gateway_id: str, why: str, now: float) -> bool:
        """Hold it against the gateway where several of its IPs are bad."""
        bad = [t for t, m in self._marks.items() if t.gateway_id == gateway_id and t.ip]
        bad = [t for t in bad if now < self._marks[t].until and not self._marks[t].firm]
        return len(bad) >= ENOUGH and self.mark(Target(gateway_id), why, now)

    def accepted(self, uid: str, gateway_id: str, ip: str, now: float) -> bool:
        """A row was accepted there; returns whether any target has become good or bad by it."""
        target, gateway = Target(gateway_id, ip), Target(gateway_id)
        healed = {t for t in (target, gateway) if t in self._marks or t in self._scouts}
        for well in (target, gateway):
            self._marks.pop(well, None)
            self._scouts.pop(well, None)
            _renew(self._accepted, well, now, over=now - PROVEN_S)
        self._served.add(uid)
        mine = self._rebuffs.get(uid, [])
        self._remember(uid, [])
        for other in list(self._refused_at.at(target)):
            self._remember(other, [r for r in self._rebuffs[other] if r.target != target])
        # What was refused there is accepted here: so it was not the pod.
        worse = [self.mark(r.target, r.why, now) for r in mine if r.target != target]
        return bool(healed) or any(worse)

    def described_well(self, gateway_id: str, ip: str, asked: float, *, anew: bool) -> bool:
        """The cloud, asked at that time, describes the EIP as one that can be used there. `anew`:
        and before as one that cannot. Returns whether a target may be tried again because of it.

        That ends what was said of the EIP as a whole before, but only once where it was described
        so all along: who describes it well and refuses it all the same is not tried in a circle.
        """
        mark = self._marks.get(Target(gateway_id, ip))
        if mark is None or not mark.firm or asked <= mark.since or mark.until <= asked:
            return False
        if not anew and mark.failures:
            return False
        mark.until = asked
        return True

    def unreadable(self, gateway_id: str, why: str) -> bool:
        """The gateway's table has not been readable for a while, or is again: then `why` is empty.

        What is made there cannot be told to anybody, however well it is accepted. Returns whether
        that is news.
        """
        news = bool(why) != (gateway_id in self._unreadable)
        if why:
            self._unreadable[gateway_id] = why
        else:
            self._unreadable.pop(gateway_id, None)
        return news

    def why_unreadable(self, gateway_id: str) -> str:
        """Why the gateway's table has not been readable for a while; empty if it is, or may be."""
        return self._unreadable.get(gateway_id, "")

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone."""
        self._remember(uid, [])
        self._served.discard(uid)
        for mark in self._marks.values():
            mark.probes.discard(uid)

    def _remember(self, uid: str, rebuffs: list[_Rebuff]) -> None:
        """These are the refusals of the pod from now on."""
        for rebuff in self._rebuffs.pop(uid, ()):
            self._refused_at.discard(rebuff.target, uid)
        for rebuff in rebuffs:
            self._refused_at.add(rebuff.target, uid)
        if rebuffs:
            self._rebuffs[uid] = rebuffs

    def engaged(self, uid: str, gateway_id: str, ip: str, now: float, *, moved: bool) -> None:
        """A claim was laid there. If the target is in doubt, it is the one that tries it.

        `moved`: the claim was elsewhere, where it was refused; it may be refused here as well.
        """
        for target in (Target(gateway_id, ip), Target(gateway_id)):
            mark = self._marks.get(target)
            if mark is not None:
                mark.probed |= now >= mark.until
                if mark.probed:
                    mark.probes.add(uid)
                mark.until = max(mark.until, now + SCOUT_S)
            elif moved and not self._is_proven(target, now):
                _renew(self._scouts, target, now + SCOUT_S, over=now)

    # --- where to go

    def flaw(
        self, gateway_id: str, ip: str, now: float, *, firm_only: bool = False, uid: str = ""
    ) -> str:
        """Why nobody should get an endpoint there now; empty if there is nothing against it.

        Nor is there for that `uid`, if it tries what is in doubt: it stays until that is answered.
        """
        for target in (Target(gateway_id), Target(gateway_id, ip)):
            mark = self._marks.get(target)
            if mark is None or now >= mark.until or uid in mark.probes:
                continue
            if mark.firm or not firm_only:
                return mark.why
        return ""

    def is_marked(self, target: Target) -> bool:
        """Whether it was bad the last time that anything was heard of it."""
        return target in self._marks

    def accepted_beside(self, gateway_id: str, since: float) -> bool:
        """Whether a row was accepted on another gateway since then. What is older than PROVEN_S may
        be forgotten."""
        return any(
            at >= since and target.gateway_id != gateway_id for target, at in self._accepted.items()
        )

    def holds_anything(self, uid: str) -> bool:
        """Whether anything is held against any target, or was refused to the pod."""
        return bool(self._marks or self._unreadable or self._rebuffs.get(uid))

    def is_scouted(self, gateway_id: str, ip: str, now: float) -> bool:
        """Whether a claim that was refused elsewhere is trying it: those to follow wait for it."""
        targets = (Target(gateway_id), Target(gateway_id, ip))
        return any(now < self._scouts.get(target, now) for target in targets)

    def spurns(self, uid: str, endpoint: Endpoint) -> bool:
        """Whether that endpoint was refused to the pod."""
        known = self._rebuffs.get(uid)
        return known is not None and any(r.endpoint == endpoint for r in known)

    def avoids(self, uid: str, gateway_id: str, ip: str, now: float) -> bool:
        """Whether the pod itself was refused there so often that it should try more widely."""
        mine = [r for r in self._rebuffs.get(uid, ()) if now - r.at < REMEMBERED_S]
        if len({r.target for r in mine}) >= ENOUGH:
            return any(r.target.gateway_id == gateway_id for r in mine)
        return len(mine) >= ENOUGH and any(r.target == Target(gateway_id, ip) for r in mine)

    def tried(self, uid: str) -> Tried:
        """How widely the pod was refused."""
        mine = self._rebuffs.get(uid, ())
        targets = {r.target for r in mine}
        return Tried(len(mine), len(targets), len({t.gateway_id for t in targets}))

    def is_served(self, uid: str) -> bool:
        """Whether a row of the PodDNAT was ever accepted, as far as is known."""
        return uid in self._served

    def next_change(self, now: float) -> float | None:
        """Seconds until the next bad target may be tried again; None if there is none."""
        return min(self._waits(now), default=None)

    def _waits(self, now: float) -> Iterator[float]:
        yield from (mark.until - now for mark in self._marks.values() if now < mark.until)
        yield from (until - now for until in self._scouts.values() if now < until)

    def _is_proven(self, target: Target, now: float) -> bool:
        return now - self._accepted.get(target, float("-inf")) < PROVEN_S


def _renew(times: dict[Target, float], target: Target, at: float, *, over: float) -> None:
    """Note the latest of times that only grow, and drop those that are `over`: external IPs come
    and go, and a PodDNAT may name any."""
    times.pop(target, None)
    times[target] = at
    while times[oldest := next(iter(times))] <= over:
        del times[oldest]

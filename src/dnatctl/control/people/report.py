"""Tells people: events, the condition on the pod, counters, one log line a fact."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from math import isfinite

import structlog
from msgspec.structs import replace

from dnatctl.backoff import doubled
from dnatctl.clock import Clock
from dnatctl.config import Publishing
from dnatctl.control.people.sparing import Sparing
from dnatctl.control.people.untold import Untold
from dnatctl.control.people.withdrawal import Withdrawal
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.events import EventRecorder
from dnatctl.kube.pods import PodApi
from dnatctl.objects import (
    ENDPOINTS,
    NOT_EXPOSED,
    POD_READY,
    READY,
    Condition,
    Key,
    Pod,
    PodDNAT,
    PodDNATSpec,
    StatusEntry,
)
from dnatctl.observe.metrics import Metrics
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.status import was_told
from dnatctl.plan.values import (
    Adopt,
    CreateRecord,
    DropFinalizer,
    Plan,
    Publish,
    Reclaim,
    Seen,
    Step,
)
from dnatctl.times import format_time, parse_time

log = structlog.get_logger(__name__)


SAY_AGAIN_S = 1800.0
"""How often what is still wrong is said again, in seconds: events are kept for an hour."""

TRY_AGAIN_S = (1.0, 300.0)
"""The first pause, in seconds, and the longest, before a pod is told again what was not taken."""

_Saying = tuple[str, tuple[Problem, ...]]
"""Of which pod, by UID, what is wrong and what may have been meant otherwise."""


class Report:
    """The reporter of a `Reconciler`. `telling`: see `Signals.telling`."""

    def __init__(
        self,
        metrics: Metrics,
        events: EventRecorder,
        pods: PodApi,
        *,
        note_pod: Callable[[Pod], None],
        telling: Callable[[Key, Condition], AbstractContextManager[None]],
        clock: Clock,
        publish: Callable[[], Publishing],
    ) -> None:
        self._metrics = metrics
        self._events = events
        self._pods = pods
        self._note_pod = note_pod
        self._telling = telling
        self._clock = clock
        self._publish = publish
        self.untold = Untold(clock)
        self._withdrawal = Withdrawal(pods, note_pod, clock)
        self._sparing = Sparing()
        self._told: dict[Key, tuple[Problem, str]] = {}
        self._said: dict[Key, tuple[_Saying, float]] = {}
        """What was last said of a name in events that are worth repeating, and when."""
        self._reached: dict[Key, tuple[str, str]] = {}
        """Which pod, by UID, and at which IP was last seen reachable under that name."""
        self._untaken: dict[Key, int] = {}
        """How often in a row the API server did not take what a pod was to be told."""

    # --- steps

    def stepped(self, seen: Seen, step: Step, record: PodDNAT | None) -> None:
        """See `roles.Reporter`."""
        match step:
            case CreateRecord(spec):
                self._metrics.allocations.inc()
                self._log("allocated", record, spec)
                self._event(seen, record, "Normal", "PortAllocated", f"{describe(spec)} claimed")
            case Reclaim(spec, refused):
                self._log("claim changed", record, spec)
                if refused:
                    text = f"{_left(seen)} is refused ({refused}); {_instead(spec)}"
                    self._event(seen, record, "Warning", "ClaimMoved", text)
            case Publish(drifted=drifted):
                self._published(seen, record, drifted)
            case Adopt(entry_ids=entry_ids, lost=lost):
                self._metrics.adopted.inc(len(entry_ids))
                whose = "a PodDNAT that was lost" if lost else "an older controller"
                text = f"entries of {whose} adopted: {', '.join(entry_ids)}"
                self._event(seen, record, "Normal", "EntriesAdopted", text)
            case DropFinalizer():
                self._metrics.releases.inc()
                spec = record.spec if record else PodDNATSpec()
                self._log("released", record, spec)
                self._event(seen, record, "Normal", "EntryReleased", f"{describe(spec)} released")
            case _:
                pass

    def _published(
        self, seen: Seen, record: PodDNAT | None, drifted: tuple[StatusEntry, ...]
    ) -> None:
        if record is None or seen.record is None:
            return
        was, now = seen.record.status.condition(READY), record.status.condition(READY)
        self._measure(seen, record)
        if now is not None and now.status == "True" and (was is None or was.status != "True"):
            self._became_ready(seen, record, first=not was_told(seen.record))
        elif drifted:
            self._drifted(seen, record, drifted)

    def _drifted(self, seen: Seen, record: PodDNAT, drifted: tuple[StatusEntry, ...]) -> None:
        kind = "changed" if any(_exists(seen, entry.entry_id) for entry in drifted) else "deleted"
        self._metrics.drift_repaired.labels(kind).inc(len(drifted))
        endpoints = ", ".join(str(entry.endpoint) for entry in drifted)
        text = f"the entries of {endpoints} were {kind} by somebody else; putting them right"
        self._event(seen, record, "Warning", "EntryRepaired", text)

    def _became_ready(self, seen: Seen, record: PodDNAT, *, first: bool) -> None:
        # What is given up is claimed until its rows are gone, and is listed no more.
        listed = {entry.endpoint for entry in record.status.entries}
        ports = tuple(p for p in record.spec.ports if record.spec.endpoint(p) in listed)
        spec = replace(record.spec, ports=ports)
        self._log("ready", record, spec)
        self._event(seen, record, "Normal", "EntryReady", f"{describe(spec)} reachable")
        if first and record.created:
            self._metrics.ready_seconds.observe(max(self._age(record), 0.0))

    def _measure(self, seen: Seen, record: PodDNAT) -> None:
        """Take the time that a pod had to wait for its endpoints, once for each IP it has."""
        pod = seen.pod
        if pod is None or not _is_ready(record) or self._reached.get(seen.key) == _place(pod):
            return
        self._reached[seen.key] = _place(pod)
        waited = seen.stated_for + self._clock.monotonic() - seen.now
        if seen.record and not was_told(seen.record):
            # Another process may have seen the IP long before; dates are cut to whole seconds.
            waited = max(waited, self._age(record) - 1.0)
        if isfinite(waited):  # else the pod has gone meanwhile
            self._metrics.reachable_seconds.observe(waited)

    def _age(self, record: PodDNAT) -> float:
        created = parse_time(record.created)
        return (self._clock.now() - created).total_seconds() if created else 0.0

    # --- how it stands

    def told(self) -> dict[Key, tuple[Problem, str]]:
        """What each name was told is wrong with it, and since when, as long as it is."""
        return dict(self._told)

    def judged(self, seen: Seen, made: Plan) -> float | None:
        """See `roles.Reporter`."""
        self._tell_problem(seen, made.problem)
        self._note_reached(seen)
        if (wait := self._to_be_told_in(seen, made.problem)) > 0:
            return wait
        again = self._tell(seen, seen.pod, made) if seen.pod is not None else None
        if seen.pod is None:
            self._untaken.pop(seen.key, None)
        self._say(seen, made.problem)
        return again

    def notes(self) -> list[str]:
        """What to say in health."""
        return self.untold.notes() if self._publish().condition else []

    def _to_be_told_in(self, seen: Seen, problem: Problem | None) -> float:
        """Seconds; only what is bad and new may have to wait."""
        before, _ = self._said.get(seen.key, (None, 0.0))
        if problem is None or not _news(before, self._saying(seen, problem)):
            return 0.0
        return self._sparing.wait(seen.key, self._clock.monotonic())

    def _tell(self, seen: Seen, pod: Pod, made: Plan) -> float | None:
        """Tell the pod; returns the seconds after which to try again what was not taken: a
        readiness gate may hang on it, and nothing else may happen for long."""
        publish = self._publish()
        tries: list[Callable[[], None]] = []
        if publish.condition is not False and self.untold.may_try(seen.key.namespace):
            tries.append(partial(self._set_condition, seen, pod, made.problem))
        if publish.annotation:
            tries.append(partial(self._set_annotation, seen, pod))
        tries += self._withdrawal.due(pod, publish)
        errors = [error for each in tries if (error := _error_of(each)) is not None]
        if not errors:
            self._untaken.pop(seen.key, None)
            return None
        before = self._untaken.get(seen.key, 0)
        self._untaken[seen.key] = before + 1
        asked = max(error.retry_after or 0.0 for error in errors)
        return max(asked, doubled(TRY_AGAIN_S, before))

    def _note_reached(self, seen: Seen) -> None:
        """What an earlier process has made reachable is not measured when it is put right."""
        if seen.record is None:
            self._reached.pop(seen.key, None)
        elif seen.pod is not None and _is_ready(seen.record):
            self._reached.setdefault(seen.key, _place(seen.pod))

    def _tell_problem(self, seen: Seen, problem: Problem | None) -> None:
        known = self._told.get(seen.key)
        if problem is None:
            self._told.pop(seen.key, None)
            return
        if known is not None and problem.is_among(known[:1]):
            self._told[seen.key] = problem, known[1]  # what is told besides may be another
            return
        self._told[seen.key] = problem, format_time(self._clock.now())
        self._metrics.problems.labels(problem.reason).inc()
        log.warning("problem", reason=problem.reason, error=problem.text)

    def _say(self, seen: Seen, problem: Problem | None) -> None:
        """Events of what is wrong: when it is news, and now and then while it lasts, as the API
        server keeps an event for an hour."""
        saying = self._saying(seen, problem)
        before, at = self._said.get(seen.key, (None, 0.0))
        now = self._clock.monotonic()
        if not saying[1]:
            self._said.pop(seen.key, None)
            return
        again = before is None or before[0] != saying[0] or now - at >= SAY_AGAIN_S
        self._said[seen.key] = saying, now if again else at
        for each in saying[1] if again else _news(before, saying):
            self._event(seen, seen.record, "Warning", each.reason, each.text)

    def _saying(self, seen: Seen, problem: Problem | None) -> _Saying:
        told = (problem, *seen.exposure.remarks, self._gate_shut(seen))
        return _uid(seen), tuple(each for each in told if each is not None)

    def _gate_shut(self, seen: Seen) -> Problem | None:
        """What a pod has to be told that does not become ready, as nobody opens its gate."""
        if seen.pod is None or not _waits_at_gate(seen.pod) or seen.exposure.ask is Ask.OFF:
            return None
        if self._publish().condition is False:
            return _shut(
                "publish.condition is off in the controller's configuration",
                "set it to true or leave it out, and give the leave",
            )
        if self.untold.holds(seen.key.namespace):
            return _shut("the controller may not patch pods/status here", "give the leave")
        return None

    def _set_condition(self, seen: Seen, pod: Pod, problem: Problem | None) -> None:
        wanted = _pod_condition(seen, pod, problem)
        if wanted is None:
            return
        has = pod.condition
        since = has.since if has and has.status == wanted.status else ""
        wanted = replace(wanted, since=since or format_time(self._clock.now()))
        try:
            with self._telling(seen.key, wanted):
                self._note_pod(self._pods.patch_condition(pod, wanted))
        except KubeError as error:
            if error.failure is not Failure.FORBIDDEN:
                raise
            news = self.untold.refused(seen.key.namespace, error.message)
            if news and self._publish().condition:
                log.warning("no leave to tell pods", error=str(error))
            return
        self.untold.accepted(seen.key.namespace)

    def _set_annotation(self, seen: Seen, pod: Pod) -> None:
        entries = seen.record.status.entries if seen.record else ()
        text = ",".join(f"{e.endpoint}->{e.internal_port}" for e in entries)
        if pod.annotations.get(ENDPOINTS, "") != text:
            self._note_pod(self._pods.patch_annotation(pod, ENDPOINTS, text or None))

    def _event(self, seen: Seen, record: PodDNAT | None, kind: str, reason: str, note: str) -> None:
        action = "Expose" if seen.exposure.ask is Ask.ON else "Release"
        if seen.pod is not None:
            related = ("PodDNAT", record.key, record.uid) if record else None
            uid = seen.pod.uid
            self._events.record("Pod", seen.key, uid, kind, reason, action, note, related)
        elif record is not None:
            self._events.record("PodDNAT", seen.key, record.uid, kind, reason, action, note)

    @staticmethod
    def _log(message: str, record: PodDNAT | None, spec: PodDNATSpec) -> None:
        log.info(
            message,
            uid=record.uid if record else "",
            gateway=spec.gateway_id,
            external_ip=spec.external_ip,
            internal_ip=spec.internal_ip,
            ports=[f"{p.external}:{p.internal}/{p.protocol}" for p in spec.ports],
        )


def describe(spec: PodDNATSpec) -> str:
    """The claim in one line, for people."""
    ports = ", ".join(f"{p.external}->{p.internal}/{p.protocol}" for p in spec.ports)
    return f"{spec.external_ip} {ports} on {spec.gateway_id}"


def _news(before: _Saying | None, saying: _Saying) -> list[Problem]:
    """What is new to who was told the one, of the other."""
    known = before[1] if before is not None and before[0] == saying[0] else ()
    return [each for each in saying[1] if not each.is_among(known)]


def _waits_at_gate(pod: Pod) -> bool:
    return pod.gated and not pod.ended and (pod.condition is None or pod.condition.status != "True")


def _shut(why: str, mend: str) -> Problem:
    text = (
        f"the pod does not become ready: nobody sets the condition {POD_READY} that its readiness"
        f" gate waits for, as {why}; {mend} (manifests/pod-condition, the chart's podCondition)"
    )
    return Problem("ReadinessGateShut", text)


def _uid(seen: Seen) -> str:
    return seen.pod.uid if seen.pod else ""


def _left(seen: Seen) -> str:
    return describe(seen.record.spec) if seen.record else "what it had"


def _instead(spec: PodDNATSpec) -> str:
    if spec.ports:
        return f"{describe(spec)} claimed instead"
    return "nothing is claimed until there is room"


def _is_ready(record: PodDNAT) -> bool:
    ready = record.status.condition(READY)
    return ready is not None and ready.status == "True"


def _place(pod: Pod) -> tuple[str, str]:
    return pod.uid, pod.ipv4


def _error_of(tell: Callable[[], None]) -> KubeError | None:
    """What came of telling a pod; None where it was told, or is not to be told any more."""
    try:
        tell()
    except KubeError as error:
        if error.failure is Failure.NOT_FOUND:
            return None
        # At a conflict somebody else's write came between, or the pod is a new one.
        if error.failure is not Failure.CONFLICT:
            log.warning("telling the pod failed", error=str(error))
        return error
    return None


def _exists(seen: Seen, entry_id: str) -> bool:
    return any(table.row(entry_id) is not None for table in seen.tables.values())


def _pod_condition(seen: Seen, pod: Pod, problem: Problem | None) -> Condition | None:
    """What the pod's condition ought to be; None to leave it as it is."""
    has = pod.condition
    wanted = _standing(seen, problem) if not pod.ended else _ended(problem)
    if has is None and pod.ended:
        return None
    if wanted is None and pod.ended and pod.deleting and seen.record is not None:
        return None  # it goes in a moment, mostly: told if it is still there after its PodDNAT
    if has is not None and wanted is None:
        wanted = ("False", *_OTHERWISE.get(seen.exposure.ask, _MAKING))
    if wanted is None or (has is not None and _is_no_news(has, wanted, problem)):
        return None
    return Condition(POD_READY, *wanted)


def _is_no_news(has: Condition, wanted: _Told, problem: Problem | None) -> bool:
    if problem is not None and problem.is_said_by(has.message):
        wanted = (*wanted[:2], has.message)  # a detail that changes by itself is none
    return (has.status, has.reason, has.message) == wanted


_Told = tuple[str, str, str]
"""Status, reason and message of a condition."""

_MAKING = ("EntriesPending", "0 ports are reachable yet: the entries are being made")

_OTHERWISE = {
    Ask.OFF: (NOT_EXPOSED, "the pod does not ask to be exposed"),
    Ask.NO_ADDRESS: ("NoAddress", "the pod has no IP yet: its entries are made when it has one"),
    Ask.ENDED: ("PodEnded", "the pod's containers have ended: its entries are released"),
}
"""Reason and message where there is nothing to say but that what was said once is over."""


def _standing(seen: Seen, problem: Problem | None) -> _Told | None:
    """How a pod stands; None where there is nothing to say unless something was said before."""
    ready = seen.record.status.condition(READY) if seen.record else None
    if problem is not None:
        usable = ready is not None and ready.status == "True"
        return str(usable), problem.reason, problem.text
    return (ready.status, ready.reason, ready.message) if ready is not None else None


def _ended(problem: Problem | None) -> _Told | None:
    """What holds up the end of a finished pod; whatever its PodDNAT may say is of no use to it."""
    return ("False", problem.reason, problem.text) if problem else None

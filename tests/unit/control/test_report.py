"""What the pod's condition says, for every way a pod may stand."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.config import Publishing
from dnatctl.control.people.report import ENDPOINTS, SAY_AGAIN_S, TRY_AGAIN_S, Report
from dnatctl.control.people.sparing import BUDGET
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import POD_READY, Condition, Key, Pod, PodDNAT
from dnatctl.observe.metrics import Metrics
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import Plan, Publish, Reclaim
from tests.support.clock import FakeClock
from tests.unit.plan.made import ONE, TLS, WALL, WEB, Scene, listed, pod, ready, record, stamp
from tests.unit.plan.made import ports as made_ports

AT_ONCE = BUDGET.at_once

OLD = Condition(POD_READY, "False", "InvalidAnnotation", '"bad" is not a port', "t")
REACHED = Condition(POD_READY, "True", "EntriesAvailable", "1 of 1 ports are reachable", "t")
NONE_YET = record((600, 80))


@dataclass
class Told:
    """Takes down what a pod and its events are told."""

    conditions: list[Condition] = field(default_factory=list)
    annotations: dict[str, str | None] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: int = 0
    refusal: str = ""

    def patch_condition(self, a_pod: Pod, condition: Condition) -> Pod:
        if self.refusal:
            raise KubeError(Failure.FORBIDDEN, self.refusal)
        self.conditions.append(condition)
        return replace(a_pod, condition=condition)

    def remove_condition(self, a_pod: Pod) -> Pod:
        self.removed += 1
        return replace(a_pod, condition=None)

    def patch_annotation(self, a_pod: Pod, name: str, value: str | None) -> Pod:
        self.annotations[name] = value
        return a_pod

    def record(self, *fact: Any) -> None:
        self.events.append((fact[3], fact[4]))
        self.notes.append(fact[6])


@pytest.fixture
def told() -> Told:
    return Told()


def report(
    told: Told,
    metrics: Metrics | None = None,
    clock: FakeClock | None = None,
    *,
    condition: bool | None = True,
) -> Report:
    takes: Any = told
    return Report(
        metrics or Metrics(),
        takes,
        takes,
        note_pod=lambda _: None,
        telling=lambda _key, _condition: nullcontext(),
        clock=clock or FakeClock(),
        publish=lambda: Publishing(condition=condition, annotation=True),
    )


def says(told: Told, a_pod: Pod, held: PodDNAT | None, problem: Problem | None = None) -> Any:
    """Status and reason that the pod is told; None if it is told nothing."""
    seen = Scene(record=held, pod=a_pod).seen
    report(told).judged(seen, Plan(problem=problem))
    if not told.conditions:
        return None
    (condition,) = told.conditions
    return condition.status, condition.reason


class TestOldTexts:
    @pytest.mark.parametrize("held", [None, NONE_YET])
    @pytest.mark.parametrize("old", [OLD, REACHED])
    def test_do_not_outlive_their_cause(self, told: Told, held: PodDNAT | None, old: Any) -> None:
        assert says(told, pod(condition=old), held) == ("False", "EntriesPending")

    @pytest.mark.parametrize("held", [None, NONE_YET])
    def test_a_pod_that_was_told_nothing_is_spared_the_write(
        self, told: Told, held: PodDNAT | None
    ) -> None:
        assert says(told, pod(), held) is None

    def test_a_pod_without_an_ip(self, told: Told) -> None:
        assert says(told, pod(ip="", condition=OLD), None) == ("False", "NoAddress")

    def test_a_pod_that_asks_no_more(self, told: Told) -> None:
        assert says(told, pod(annotations={}, condition=OLD), None) == ("False", "NotExposed")


class TestSmallNews:
    """What is told is what is so now, however little of the text is different."""

    WAS = Problem("NamespaceQuota", "namespaces.quota is 10", "8 are claimed, 2 rest after use")

    def tells(self, told: Told, was: str, now: Problem) -> str | None:
        """What a pod is told that was told `was` before; None if nothing."""
        has = Condition(POD_READY, "False", now.reason, was, "t")
        says(told, pod(condition=has), None, now)
        return told.conditions.pop().message if told.conditions else None

    @pytest.mark.parametrize("detail", ["", "1 are claimed, 0 rest after use"])
    def test_a_message_that_begins_as_another_does_is_another(
        self, told: Told, detail: str
    ) -> None:
        now = Problem("NamespaceQuota", "namespaces.quota is 1", detail)
        for was in (self.WAS.message, self.WAS.text):
            assert self.tells(told, was, now) == now.text

    @pytest.mark.parametrize("detail", ["9 are claimed, 1 rest after use", "10 are claimed"])
    def test_a_detail_that_changes_by_itself_is_none(self, told: Told, detail: str) -> None:
        now = dataclasses.replace(self.WAS, detail=detail)
        for was in (self.WAS.message, self.WAS.text):
            assert self.tells(told, was, now) is None

    def test_one_that_is_over_is(self, told: Told) -> None:
        now = dataclasses.replace(self.WAS, detail="")
        assert self.tells(told, self.WAS.text, now) == self.WAS.message

    def test_when_a_grace_is_over_is_told_until_it_is(self, told: Told) -> None:
        denied = Problem("NamespaceDenied", "no")
        until, sooner = (dataclasses.replace(denied, end=end) for end in ("at ten", "at nine"))
        assert self.tells(told, until.text, until) is None
        assert self.tells(told, until.text, sooner) == sooner.text
        assert self.tells(told, sooner.text, denied) == denied.text

    def test_another_end_is_said_in_events_and_to_who_asks(self, told: Told) -> None:
        teller = report(told)
        until, sooner = (Problem("NamespaceDenied", "no", end=end) for end in ("ten", "nine"))
        for problem in (until, sooner, sooner):
            teller.judged(Scene(pod=pod()).seen, Plan(problem=problem))
        assert told.events == [("Warning", "NamespaceDenied")] * 2
        assert [problem.text for problem, _ in teller.told().values()] == [sooner.text]

    def test_that_it_has_come_is_not_said_once_more(self, told: Told) -> None:
        metrics = Metrics()
        teller = report(told, metrics)
        for problem in (
            Problem("NamespaceDenied", "no", end="ten"),
            Problem("NamespaceDenied", "no"),
        ):
            teller.judged(Scene(pod=pod()).seen, Plan(problem=problem))
        assert told.events == [("Warning", "NamespaceDenied")]
        assert [problem.text for problem, _ in teller.told().values()] == ["no"]
        assert metrics.problems.labels("NamespaceDenied")._value.get() == 1


class TestFinishedPods:
    """Nothing leads to them, whatever their PodDNAT says on its way out."""

    @pytest.mark.parametrize(("held", "deleting"), [
        (None, False), (ONE, False), (NONE_YET, False), (None, True),
    ])  # fmt: skip
    def test_are_not_reachable(self, told: Told, held: Any, deleting: bool) -> None:
        finished = pod(ended=True, deleting=deleting, condition=REACHED)
        assert says(told, finished, held) == ("False", "PodEnded")

    @pytest.mark.parametrize("held", [ONE, NONE_YET])
    def test_that_are_going_are_spared_the_write_while_their_poddnat_goes_too(
        self, told: Told, held: Any
    ) -> None:
        assert says(told, pod(ended=True, deleting=True, condition=REACHED), held) is None

    def test_that_are_going_are_told_what_holds_their_entries(self, told: Told) -> None:
        going = pod(ended=True, deleting=True, condition=REACHED)
        held = Problem("DeletionHeldByPolicy", "policy upsert-only")
        assert says(told, going, ONE, held) == ("False", "DeletionHeldByPolicy")

    def test_are_told_what_holds_their_entries(self, told: Told) -> None:
        finished = pod(ended=True, condition=REACHED)
        held = Problem("DeletionHeldByPolicy", "policy upsert-only")
        assert says(told, finished, ONE, held) == ("False", "DeletionHeldByPolicy")

    def test_are_told_once(self, told: Told) -> None:
        ended = Condition(POD_READY, "False", "PodEnded", "", "t")
        says(told, pod(ended=True, condition=ended), None)
        again = pod(ended=True, condition=told.conditions.pop())
        assert says(told, again, None) is None

    def test_that_were_never_told_of_anything_are_left_alone(self, told: Told) -> None:
        assert says(told, pod(ended=True), None) is None

    def test_lose_their_annotation(self, told: Told) -> None:
        marked = {ENDPOINTS: "1.1.1.1:600/tcp->80"}
        says(told, pod(ended=True, annotations=marked), None)
        assert told.annotations == {ENDPOINTS: None}


class TestTheTimeToBeReachable:
    """Counted once for each pod and IP, from when the IP was known."""

    MADE = record((600, 80), entries=[WEB], created=stamp(10))

    @pytest.fixture
    def metrics(self) -> Metrics:
        return Metrics()

    def published(
        self, reporter: Report, status: str, *, before: tuple[Condition, ...] = (), **seen: Any
    ) -> None:
        """The pod's PodDNAT, with conditions `before`, is written with that status."""
        held = replace(self.MADE, status=replace(self.MADE.status, conditions=before))
        now = replace(held.status, conditions=(ready(status, "Any"),))
        a_pod = seen.pop("pod", pod())
        sight = Scene(WEB, record=held, pod=a_pod, **seen).seen
        reporter.stepped(sight, Publish(now), replace(held, status=now))

    def waits(self, metrics: Metrics) -> tuple[float, float]:
        """How many, and how long in sum."""
        name = "dnatctl_pod_reachable_seconds"
        read = metrics.registry.get_sample_value
        return read(f"{name}_count") or 0.0, read(f"{name}_sum") or 0.0

    def test_is_that_since_the_ip_was_stated(self, told: Told, metrics: Metrics) -> None:
        reporter = report(told, metrics)
        self.published(reporter, "False", stated_for=0.5, before=(ready("False"),))
        assert self.waits(metrics)[0] == 0
        self.published(reporter, "True", stated_for=2.5, before=(ready("False"),))
        assert self.waits(metrics) == (1, pytest.approx(2.5))

    def test_what_is_put_right_later_does_not_count(self, told: Told, metrics: Metrics) -> None:
        reporter = report(told, metrics)
        self.published(reporter, "True", stated_for=1.0)
        self.published(reporter, "True", stated_for=9000.0, before=(ready("False"),))
        assert self.waits(metrics)[0] == 1

    def test_nor_does_what_an_earlier_process_had_reached(
        self, told: Told, metrics: Metrics
    ) -> None:
        reporter = report(told, metrics)
        reached = replace(self.MADE, status=replace(self.MADE.status, conditions=(ready(),)))
        reporter.judged(Scene(WEB, record=reached, pod=pod()).seen, Plan())
        self.published(reporter, "True", stated_for=60.0, before=(ready("False"),))
        assert self.waits(metrics)[0] == 0

    def test_another_ip_counts_anew(self, told: Told, metrics: Metrics) -> None:
        reporter = report(told, metrics)
        self.published(reporter, "True", stated_for=1.0)
        moved = {"pod": pod(ip="10.0.0.99"), "before": (ready("False"),)}
        self.published(reporter, "True", stated_for=1.0, **moved)
        assert self.waits(metrics)[0] == 2

    def test_one_that_waited_for_an_earlier_process_is_not_measured_from_its_start(
        self, told: Told, metrics: Metrics
    ) -> None:
        reporter = report(told, metrics, FakeClock(now=WALL + timedelta(hours=1)))
        self.published(reporter, "True", stated_for=1.0)
        assert self.waits(metrics)[1] > 1800


class TestMoves:
    @pytest.mark.parametrize(
        ("ports", "said"),
        [
            ((), "is refused (no); nothing is claimed until there is room"),
            (((700, 80),), "is refused (no); 1.1.1.1 700->80/tcp on ngw-1 claimed instead"),
        ],
    )
    def test_name_what_is_claimed_instead_if_anything_is(
        self, told: Told, ports: tuple[tuple[int, int], ...], said: str
    ) -> None:
        moved = replace(ONE.spec, ports=made_ports(*ports))
        report(told).stepped(Scene(record=ONE, pod=pod()).seen, Reclaim(moved, "no"), ONE)
        assert told.events == [("Warning", "ClaimMoved")]
        assert told.notes[0].endswith(said)


class TestDrift:
    def test_is_counted_and_told_only_for_what_drifted(self, told: Told) -> None:
        both = record((600, 80), (601, 443), entries=[WEB, TLS], conditions=(ready(),))
        seen = Scene(TLS, record=both, pod=pod("80,443")).seen
        metrics = Metrics()
        now = replace(both.status, entries=listed(TLS), conditions=(ready("False", "Any"),))
        written = replace(both, status=now)
        report(told, metrics).stepped(seen, Publish(now), written)
        assert told.events == []
        report(told, metrics).stepped(seen, Publish(now, listed(WEB)), written)
        assert told.events == [("Warning", "EntryRepaired")]
        assert metrics.drift_repaired.labels("deleted")._value.get() == 1


class TestEvents:
    """What is wrong is said as long as it is, since events go after an hour."""

    BAD = Problem("InvalidAnnotation", '"x" is not a port')

    @staticmethod
    def judge(teller: Report, a_pod: Pod | None, problem: Problem | None = None) -> float | None:
        return teller.judged(Scene(pod=a_pod).seen, Plan(problem=problem))

    def test_many_pods_of_a_namespace_are_told_one_after_the_other(self, told: Told) -> None:
        clock = FakeClock()
        teller = report(told, clock=clock)
        one = Scene(pod=pod()).seen
        seen = [dataclasses.replace(one, key=Key("games", str(n))) for n in range(AT_ONCE + 10)]
        bad = Plan(problem=self.BAD)
        waits = [teller.judged(each, bad) or 0.0 for each in seen]
        assert len(told.events) == len(told.conditions) == AT_ONCE
        assert all(wait > 0 for wait in waits[AT_ONCE:])
        assert len(teller.told()) == len(seen), "who asks the leader hears of all of them"
        teller.judged(seen[-1], Plan())
        assert len(told.conditions) == AT_ONCE, "of nothing there is nothing to tell"
        clock.advance(max(waits))
        assert [teller.judged(each, bad) for each in seen] == [None] * len(seen)
        assert len(told.events) == len(seen)

    @pytest.mark.parametrize(
        "failure", [Failure.CONFLICT, Failure.SERVER, Failure.UNKNOWN, Failure.INVALID]
    )
    def test_what_the_api_server_does_not_take_is_told_again_soon(
        self, told: Told, monkeypatch: pytest.MonkeyPatch, failure: Failure
    ) -> None:
        """A readiness gate may hang on it, and nothing else may happen for long."""
        teller = report(told)

        def fail(_pod: Pod, _condition: Condition) -> Pod:
            raise KubeError(failure, "not now")

        with monkeypatch.context() as api:
            api.setattr(told, "patch_condition", fail)
            waits = [self.judge(teller, pod(), self.BAD) for _ in range(12)]
        assert waits[:3] == [1.0, 2.0, 4.0]
        assert waits[-1] == TRY_AGAIN_S[1]
        assert self.judge(teller, pod(), self.BAD) is None
        assert len(told.conditions) == 1
        monkeypatch.setattr(told, "patch_condition", fail)
        assert self.judge(teller, pod(), self.BAD) == 1.0, "it begins anew"

    def test_it_is_told_when_the_api_server_says(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_pod: Pod, _condition: Condition) -> Pod:
            raise KubeError(Failure.TOO_MANY_REQUESTS, "not now", retry_after=7.0)

        monkeypatch.setattr(told, "patch_condition", fail)
        assert self.judge(report(told), pod(), self.BAD) == 7.0

    def test_is_said_once_and_again_after_a_while(self, told: Told) -> None:
        clock = FakeClock()
        teller = report(told, clock=clock)
        for _ in range(3):
            self.judge(teller, pod(), self.BAD)
        assert told.events == [("Warning", "InvalidAnnotation")]
        clock.advance(SAY_AGAIN_S)
        self.judge(teller, pod(), self.BAD)
        assert told.events == [("Warning", "InvalidAnnotation")] * 2

    def test_is_said_to_the_next_pod_of_the_name(self, told: Told) -> None:
        teller = report(told)
        self.judge(teller, pod(), self.BAD)
        self.judge(teller, replace(pod(), uid="uid-next"), self.BAD)
        assert told.events == [("Warning", "InvalidAnnotation")] * 2

    def test_is_said_anew_when_it_comes_back(self, told: Told) -> None:
        teller = report(told)
        for problem in (self.BAD, None, self.BAD):
            self.judge(teller, pod(), problem)
        assert told.events == [("Warning", "InvalidAnnotation")] * 2

    def test_what_was_nearly_right_is_said_of_a_pod_that_asks_for_nothing(self, told: Told) -> None:
        teller = report(told)
        for _ in range(2):
            self.judge(teller, pod(annotations={}, near=("did you mean",)))
        assert told.events == [("Warning", "AnnotationIgnored")]
        assert told.conditions == []

    def test_what_comes_beside_it_is_said_alone(self, told: Told) -> None:
        teller = report(told)
        self.judge(teller, pod(near=("did you mean",)))
        self.judge(teller, pod(near=("did you mean",)), self.BAD)
        assert [reason for _, reason in told.events] == ["AnnotationIgnored", "InvalidAnnotation"]

    def test_the_first_wait_is_measured_as_one_though_it_was_told(self, told: Told) -> None:
        metrics = Metrics()
        teller = report(told, metrics)
        awaited = record((600, 80), conditions=(ready("False", "EntriesAwaited", "it waits"),))
        awaited = replace(awaited, created=stamp(30))
        now = replace(awaited, status=ONE.status)
        teller.stepped(Scene(record=awaited, pod=pod()).seen, Publish(ONE.status), now)
        sample = metrics.registry.get_sample_value
        assert sample("dnatctl_pod_ready_seconds_count") == 1


class TestReadinessGates:
    """A pod that waits for a condition that nobody sets never becomes ready."""

    SHUT = ("Warning", "ReadinessGateShut")

    @staticmethod
    def judge(teller: Report, a_pod: Pod) -> None:
        teller.judged(Scene(record=ONE, pod=a_pod).seen, Plan())

    def test_that_nobody_opens_are_told(self, told: Told) -> None:
        teller = report(told, condition=False)
        for _ in range(2):
            self.judge(teller, pod(gated=True))
        assert told.events == [self.SHUT]
        assert told.conditions == []
        assert teller.notes() == [], "it is off by choice"

    def test_do_not_stay_open_by_what_nobody_sets_any_more(self, told: Told) -> None:
        teller = report(told, condition=False)
        self.judge(teller, pod(gated=True, condition=REACHED))
        assert told.removed == 1
        self.judge(teller, pod(gated=True))
        assert told.events == [self.SHUT]
        assert told.removed == 1

    def test_so_they_are_at_once_where_the_leave_is_missing(self, told: Told) -> None:
        told.refusal = "cannot patch pods/status"
        teller = report(told)
        self.judge(teller, pod(gated=True))
        assert told.events == [self.SHUT]
        assert told.refusal in str(teller.notes())

    def test_where_nobody_asks_for_the_condition_a_missing_leave_is_no_fault(
        self, told: Told
    ) -> None:
        told.refusal = "cannot patch pods/status"
        teller = report(told, condition=None)
        for each in (pod(), pod(gated=True)):
            self.judge(teller, each)
        assert told.events == [self.SHUT]
        assert teller.notes() == []

    def test_and_not_any_more_when_it_is_given(self, told: Told) -> None:
        told.refusal = "cannot patch pods/status"
        clock = FakeClock()
        teller = report(told, clock=clock, condition=None)
        self.judge(teller, pod(gated=True))
        told.refusal = ""
        clock.advance(SAY_AGAIN_S)
        self.judge(teller, pod(gated=True))
        assert [condition.status for condition in told.conditions] == ["True"]
        assert told.events == [self.SHUT]
        assert teller.notes() == []

    @pytest.mark.parametrize("off", [True, False])
    def test_others_and_those_that_wait_for_nothing_of_ours_are_spared_it(
        self, told: Told, off: bool
    ) -> None:
        teller = report(told, condition=not off)
        no_more = pod(gated=True, annotations={})
        ended = pod(gated=True, ended=True)
        open_before = pod(gated=True, condition=REACHED)
        for each in (pod(), no_more, ended, open_before, *(() if off else (pod(gated=True),))):
            self.judge(teller, each)
        assert told.events == []

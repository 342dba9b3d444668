"""Leader election, one step at a time, under a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector, LeaseSettings
from dnatctl.kube.lease_record import HANDOVER
from dnatctl.objects import Key
from tests.support.clock import FakeClock
from tests.unit.kube.leases import Json, Leases

MOST_INT32 = 2**31 - 1


class Replica:
    """An elector, and what it told."""

    def __init__(
        self, leases: Leases, clock: FakeClock, name: str = "a", *, force: bool = False
    ) -> None:
        self.told: list[tuple[str, str]] = []
        self.state = f"{name}'s"
        self.age = 0.0
        callbacks = LeaseCallbacks(
            on_started=self.started,
            on_lost=lambda: self.told.append(("lost", "")),
            handover=lambda: self.state,
            on_renewed=lambda state: self.told.append(("renewed", state)),
        )
        self.elector = LeaseElector(
            leases.client,
            Key("system", "dnatctl"),
            name,
            callbacks,
            clock=clock,
            random=Random(1),
            force=force,
        )

    def started(self, state: str, age: float) -> None:
        self.told.append(("started", state))
        self.age = age

    def step(self) -> float:
        return self.elector.step()

    @property
    def leads(self) -> bool:
        return self.elector.is_leader()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def first(leases: Leases, clock: FakeClock) -> Replica:
    return Replica(leases, clock)


@pytest.fixture
def second(leases: Leases, clock: FakeClock) -> Replica:
    return Replica(leases, clock, "b")


def fails(*failures: Failure | None) -> Callable[[str], None]:
    """Fail so many requests in a row, then none."""
    left = list(failures)

    def hook(method: str) -> None:
        failure = left.pop(0) if left else None
        if failure is not None:
            raise KubeError(failure, "injected")

    return hook


def test_the_first_creates_the_lease_and_leads(leases: Leases, first: Replica) -> None:
    assert not first.leads
    first.step()
    assert first.leads
    assert first.told == [("started", "")]
    assert leases.spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_that_got_no_answer_is_tried_again_at_once(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    """A try may last as long as the pause between two: with both, few would fit the deadline."""
    first.step()
    clock.advance(2)

    def hang(_method: str) -> None:
        clock.advance(1.5)
        raise KubeError(Failure.UNKNOWN, "it took too long in all")

    leases.before = hang
    assert first.step() == 0.5
    leases.before = fails(None)
    assert first.step() == 2.0
    assert first.leads


def test_renewing_moves_the_renew_time_only_and_stores_the_state(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    clock.advance(2)
    assert first.step() == 2.0
    assert leases.spec["renewTime"] == "2026-01-01T00:00:02.000000Z"
    assert leases.spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert leases.state == "a's"
    assert first.told[1:] == [("renewed", "a's")]


def test_the_second_waits_while_the_first_renews(
    clock: FakeClock, first: Replica, second: Replica
) -> None:
    for _ in range(20):
        first.step()
        second.step()
        clock.advance(2)
    assert first.leads
    assert not second.leads
    assert second.elector.leader() == "a"


def test_the_second_takes_over_when_it_saw_no_change_for_the_lease_duration(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    first.step()
    clock.advance(14)
    second.step()
    clock.advance(15)
    second.step()
    assert not second.leads, "it has to wait from when it looked first, by its own clock"
    clock.advance(0.1)
    second.step()
    assert second.leads
    assert second.told == [("started", "a's")]
    assert (leases.holder, leases.spec["leaseTransitions"]) == ("b", 1)
    assert leases.state == "a's", "kept until the new leader has one of its own"


def test_a_duration_of_years_does_not_keep_others_from_leading_for_years(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    leases.spec["leaseDurationSeconds"] = MOST_INT32
    second.step()
    clock.advance(151)
    second.step()
    assert second.leads


def test_a_duration_that_somebody_patched_is_put_right_by_the_next_renewal(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    leases.change(leaseDurationSeconds=1)
    clock.advance(2)
    first.step()
    assert leases.spec["leaseDurationSeconds"] == 15


def test_a_duration_that_somebody_shortened_takes_the_lease_from_nobody(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    """Until the next renewal, which comes later than the second that it says."""
    first.step()
    leases.change(leaseDurationSeconds=1)
    second.step()
    clock.advance(1.5)
    second.step()
    assert first.leads
    assert not second.leads
    clock.advance(13.6)
    second.step()
    assert second.leads, "our own duration is enough"


def test_transitions_beyond_what_the_field_holds_keep_nobody_from_leading(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    leases.spec["leaseTransitions"] = MOST_INT32
    second.step()
    clock.advance(16)
    second.step()
    assert second.leads
    assert leases.spec["leaseTransitions"] == MOST_INT32


def test_a_lease_that_is_only_annotated_is_not_renewed_by_that(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    for _ in range(8):
        second.step()
        leases.annotate("note", str(clock.monotonic()))
        clock.advance(2)
    second.step()
    assert second.leads
    assert leases.lease is not None
    assert "note" in leases.lease["metadata"]["annotations"], "what others wrote is kept"


def test_the_wall_clock_does_not_matter(clock: FakeClock, first: Replica, second: Replica) -> None:
    first.step()
    second.step()
    clock.set_back(-3600)
    second.step()
    assert not second.leads
    clock.set_back(7200)
    first.step()
    assert first.leads


def test_leading_ends_at_the_renew_deadline_whatever_happens(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    clock.advance(9.9)
    assert first.leads
    assert first.elector.check() == pytest.approx(0.1)
    clock.advance(0.1)
    assert not first.leads
    first.elector.check()
    first.elector.check()
    assert first.told[1:] == [("lost", "")]


def test_the_deadline_counts_from_when_the_renewal_was_sent(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    leases.after = lambda method: clock.advance(4)
    first.step()
    clock.advance(5.9)
    assert first.leads
    clock.advance(0.1)
    assert not first.leads


def test_spare_time_before_another_may_lead(clock: FakeClock, first: Replica) -> None:
    first.step()
    assert first.elector.is_leader(spare=14.9)
    assert not first.elector.is_leader(spare=15)
    clock.advance(5)
    assert first.elector.is_leader(spare=9.9)
    assert not first.elector.is_leader(spare=10)


@pytest.mark.parametrize(
    "failure",
    [Failure.UNREACHABLE, Failure.UNKNOWN, Failure.SERVER, Failure.FORBIDDEN, Failure.UNAUTHORIZED],
)
def test_failures_are_tried_again_until_the_deadline(
    leases: Leases, clock: FakeClock, first: Replica, failure: Failure
) -> None:
    leases.before = fails(failure, failure)
    first.step()
    first.step()
    assert first.told == []
    first.step()
    leases.before = fails(failure, failure, failure)
    for _ in range(4):
        clock.advance(2)
        first.step()
    clock.advance(9)
    assert first.leads
    assert [what for what, _ in first.told][:2] == ["started", "renewed"]


def test_a_renewal_whose_answer_is_lost_is_no_conflict_afterwards(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    leases.after = fails(Failure.UNKNOWN)
    first.step()
    assert [what for what, _ in first.told] == ["started"]
    first.step()
    assert [what for what, _ in first.told][:2] == ["started", "renewed"]
    assert first.leads


def test_a_creation_whose_answer_is_lost(leases: Leases, first: Replica) -> None:
    leases.after = fails(None, Failure.UNKNOWN)
    first.step()
    first.step()
    first.step()
    assert first.leads


def test_a_lease_annotated_by_hand_is_renewed_all_the_same(leases: Leases, first: Replica) -> None:
    first.step()
    leases.annotate("note", "x")
    first.step()
    assert first.told[1:] == [("renewed", "a's")]


def test_a_lease_deleted_by_hand_is_created_anew(leases: Leases, first: Replica) -> None:
    first.step()
    leases.lease = None
    first.step()
    assert first.leads
    assert (leases.holder, leases.state) == ("a", "a's")


def test_a_lease_created_anew_whose_answer_is_lost_is_renewed_all_the_same(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    leases.lease = None
    leases.after = fails(Failure.UNKNOWN)
    first.step()
    leases.after = fails()
    for _ in range(6):
        clock.advance(2)
        first.step()
    assert first.leads


def test_a_lease_that_another_created_anew_is_lost_at_once(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    leases.lease = None
    leases.before = fails(None, None, Failure.UNREACHABLE)
    first.step()
    leases.before = fails()
    Replica(leases, clock, "b").step()
    first.step()
    assert first.told[-1] == ("lost", "")
    assert leases.holder == "b"


def test_a_lease_deleted_under_its_holder_is_free_when_that_one_has_ended_for_sure(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    """The holder learns of it at its next renewal only, and writes until then."""
    first.step()
    second.step()
    leases.lease = None
    clock.advance(0.5)
    second.step()
    clock.advance(15)
    second.step()
    assert not second.leads, "it has to wait from when it saw that there is none"
    assert second.elector.leader() == "a"
    clock.advance(0.1)
    second.step()
    assert second.leads
    assert not first.leads


def test_a_leader_that_wakes_too_late_does_not_create_a_lease_anew_that_another_had(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    second.step()
    clock.advance(16)
    second.step()
    leases.lease = None
    first.step()
    assert second.leads
    assert not first.leads
    assert first.told[-1] == ("lost", "")


def test_a_lease_created_anew_by_its_holder_is_waited_for_as_before(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()
    second.step()
    leases.lease = None
    second.step()
    for _ in range(20):
        clock.advance(2)
        first.step()
        second.step()
    assert first.leads
    assert not second.leads


def test_a_lease_that_is_gone_is_taken_at_once_where_it_was_given_back(
    leases: Leases, first: Replica, second: Replica
) -> None:
    first.step()
    first.elector.stop()
    leases.before = fails(None, Failure.UNREACHABLE)
    second.step()
    leases.lease = None
    second.step()
    assert second.leads


def test_force_takes_a_lease_that_is_gone_whoever_held_it(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    thief = Replica(leases, clock, "thief", force=True)
    first.step()
    leases.before = fails(None, Failure.UNREACHABLE)
    thief.step()
    assert thief.elector.leader() == "a"
    leases.lease = None
    thief.step()
    assert thief.leads


def test_a_lease_that_another_took_is_lost_at_once(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    thief = Replica(leases, clock, "thief", force=True)
    thief.step()
    assert thief.leads
    first.step()
    assert not first.leads
    assert first.told[1:] == [("lost", "")]
    assert leases.holder == "thief"


def test_force_takes_the_lease_without_waiting_and_inherits(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    first.step()
    thief = Replica(leases, clock, "thief", force=True)
    thief.step()
    assert thief.told == [("started", "a's")]


def test_the_same_identity_takes_up_where_it_was(
    leases: Leases, clock: FakeClock, first: Replica
) -> None:
    first.step()
    first.step()
    restarted = Replica(leases, clock)
    restarted.step()
    assert restarted.told == [("started", "a's")]
    assert leases.spec["leaseTransitions"] == 0


def test_stop_gives_the_lease_back_with_the_last_state(
    leases: Leases, first: Replica, second: Replica
) -> None:
    first.step()
    second.step()
    first.state = "the last"
    first.elector.stop()
    assert not first.leads
    assert (leases.holder, leases.spec["leaseDurationSeconds"]) == ("", 1)
    second.step()
    assert second.told == [("started", "the last")]
    assert first.told == [("started", "")], "stopping is no loss"


def test_stop_leaves_the_lease_of_another_alone(
    leases: Leases, first: Replica, second: Replica
) -> None:
    first.step()
    second.step()
    second.elector.stop()
    assert leases.holder == "a"


def test_stop_while_the_lease_is_being_taken_gives_it_back(leases: Leases, first: Replica) -> None:
    def stop_meanwhile(method: str) -> None:
        leases.before = fails()
        if method == "POST":
            first.elector.stop(release=False)

    leases.after = stop_meanwhile
    first.step()
    leases.after = fails()
    assert first.told == []
    first.elector.stop()
    assert leases.holder == ""


def test_stop_while_the_lease_is_being_taken_passes_on_what_the_last_one_left(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    """Leader and follower end together, as in a rollout: what rests is to rest for the next one."""

    def stop_meanwhile(method: str) -> None:
        if method == "PUT":
            second.elector.stop(release=False)

    first.step()
    second.step()
    first.state = "endpoints that rest"
    first.elector.stop()
    leases.after = stop_meanwhile
    clock.advance(1.0)
    second.step()
    leases.after = fails()
    assert second.told == []
    second.elector.stop()
    assert (leases.holder, leases.state) == ("", "endpoints that rest")


def test_stop_without_release_keeps_the_lease(leases: Leases, first: Replica) -> None:
    first.step()
    first.elector.stop(release=False)
    assert leases.holder == "a"


def test_stop_survives_an_unreachable_server(leases: Leases, first: Replica) -> None:
    first.step()
    leases.before = fails(Failure.UNREACHABLE)
    first.elector.stop()
    assert not first.leads


def test_nothing_is_taken_after_a_loss(leases: Leases, clock: FakeClock, first: Replica) -> None:
    first.step()
    clock.advance(10)
    first.elector.check()
    clock.advance(100)
    renewed = leases.spec["renewTime"]
    first.step()
    assert not first.leads
    assert leases.spec["renewTime"] == renewed
    assert [what for what, _ in first.told] == ["started", "lost"]


@pytest.mark.parametrize("failure", [Failure.INVALID, Failure.FORBIDDEN, Failure.ADMISSION])
def test_a_state_that_the_server_refuses_does_not_cost_the_lease(
    leases: Leases, clock: FakeClock, first: Replica, failure: Failure
) -> None:
    """Annotations that outgrow 256 KiB together, a policy, a webhook."""
    first.step()
    first.step()
    first.state = "too much"

    def refuse(lease: Json) -> None:
        if lease["metadata"].get("annotations", {}).get(HANDOVER) == "too much":
            raise KubeError(failure, "annotations: Too long", status=422)

    leases.admit = refuse
    for _ in range(10):
        clock.advance(2.0)
        first.step()
    assert first.leads
    assert leases.state == "a's", "what was stored is left"
    assert first.told[-1] == ("renewed", ""), "nobody may rely on what is not stored"
    first.state = "less"
    first.step()
    assert leases.state == "less"
    assert first.told[-1] == ("renewed", "less")
    first.state = "too much"
    first.step()
    first.elector.stop()
    assert leases.holder == "", "and it is given back all the same"


def test_whatever_happens_in_a_step_the_thread_lives(leases: Leases, first: Replica) -> None:
    """Such as an answer that is nested too deeply to be read."""

    def explode(_method: str) -> None:
        raise RecursionError

    leases.before = explode
    assert first.step() > 0
    leases.before = lambda _method: None
    first.step()
    assert first.leads


def test_the_next_is_told_for_how_long_it_has_seen_the_state(
    clock: FakeClock, first: Replica, second: Replica
) -> None:
    """By its own clock, as the state may say how much time was left of something."""
    first.step()
    second.step()
    clock.advance(4.0)
    second.step()
    clock.advance(12.0)
    second.step()
    assert second.leads
    assert second.age == pytest.approx(16.0)


def test_a_handover_that_fails_keeps_the_last_state_and_the_lease(
    leases: Leases, clock: FakeClock
) -> None:
    states = iter(["one"])
    told: list[str] = []
    callbacks = LeaseCallbacks(
        on_started=lambda state, _age: told.append(state),
        on_lost=lambda: None,
        handover=lambda: next(states),
        on_renewed=told.append,
    )
    elector = LeaseElector(leases.client, Key("system", "dnatctl"), "a", callbacks, clock=clock)
    for _ in range(3):
        elector.step()
    assert told == ["", "one", "one"]
    assert elector.is_leader()


@pytest.mark.parametrize(
    ("duration", "deadline", "period"), [(10, 10, 2), (15, 2, 2), (15, 2.4, 2), (15, 10, 0)]
)
def test_times_that_cannot_work_are_refused(
    duration: float, deadline: float, period: float
) -> None:
    with pytest.raises(ValueError, match="lease times"):
        LeaseSettings(duration, deadline, period)


class ElectionMachine(RuleBasedStateMachine):
    """Three replicas, a bad network, meddling hands, any schedule: never two leaders."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.leases = Leases()
        self.replicas = [Replica(self.leases, self.clock, name) for name in "abc"]
        self.saw_held: set[int] = set()
        """Who has looked at the Lease since it was there, and held."""

    @rule(who=st.integers(0, 2))
    def step(self, who: int) -> None:
        self.replicas[who].step()
        if self.leases.lease and self.leases.holder:
            self.saw_held.add(who)

    @rule(
        who=st.integers(0, 2),
        before=st.lists(st.sampled_from([None, Failure.UNREACHABLE]), max_size=3),
        after=st.lists(st.sampled_from([None, Failure.UNKNOWN]), max_size=3),
        slow=st.sampled_from([0.0, 1.0, 6.0, 20.0]),
    )
    def step_on_a_bad_network(
        self, who: int, before: list[Failure | None], after: list[Failure | None], slow: float
    ) -> None:
        lose = fails(*after)

        def arrives_late(method: str) -> None:
            self.clock.advance(slow)
            lose(method)

        self.leases.before, self.leases.after = fails(*before), arrives_late
        self.replicas[who].step()
        self.saw_held.discard(who)
        self.leases.before = self.leases.after = fails()

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 10.0, 16.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(who=st.integers(0, 2))
    def check(self, who: int) -> None:
        self.replicas[who].elector.check()

    @precondition(lambda self: len(self.saw_held) == len(self.replicas))
    @rule()
    def somebody_deletes_the_lease(self) -> None:
        """One that all have seen held: who has not cannot know that another leads."""
        self.leases.lease = None
        self.saw_held.clear()

    @precondition(lambda self: self.leases.lease)
    @rule(seconds=st.sampled_from([1, 15, MOST_INT32]))
    def somebody_patches_the_duration(self, seconds: int) -> None:
        self.leases.change(leaseDurationSeconds=seconds)

    @precondition(lambda self: self.leases.lease or not any(each.leads for each in self.replicas))
    @rule(who=st.integers(0, 2))
    def restart(self, who: int) -> None:
        self.replicas[who].elector.stop()
        self.saw_held.discard(who)
        self.replicas[who] = Replica(self.leases, self.clock, f"{who}{self.leases.version}")

    @invariant()
    def one_leader_at_most(self) -> None:
        leaders = [replica for replica in self.replicas if replica.leads]
        assert len(leaders) <= 1
        for leader in leaders:
            assert leader.told[0][0] == "started"


TestElection = ElectionMachine.TestCase


def test_a_follower_looks_often_and_when_the_lease_runs_out(
    clock: FakeClock, first: Replica, second: Replica
) -> None:
    """So it sees soon that the Lease was renewed or given back, or that it is free."""
    first.step()
    assert 0 < second.step() <= 0.6
    clock.advance(14.9)
    assert 0.1 <= second.step() <= 0.12
    clock.advance(0.1)
    assert second.step() > 0, "no loop at the very moment"


def test_a_follower_that_gets_no_answer_leaves_the_server_alone_for_longer(
    leases: Leases, clock: FakeClock, first: Replica, second: Replica
) -> None:
    first.step()

    def unreachable(_method: str) -> None:
        raise KubeError(Failure.UNREACHABLE, "down")

    leases.before = unreachable
    assert second.step() >= 2.0


def test_one_whose_holder_was_taken_out_by_hand_is_held_still(
    leases: Leases, clock: FakeClock
) -> None:
    """The holder writes until its next renewal tells it."""
    a, b = Replica(leases, clock), Replica(leases, clock, "b")
    a.step()
    b.step()
    leases.change(holderIdentity="", leaseDurationSeconds=3600)
    clock.advance(0.5)
    b.step()
    assert (a.leads, b.leads) == (True, False)
    clock.advance(16.0)
    b.step()
    assert (a.leads, b.leads) == (False, True)


@pytest.mark.parametrize("dropped", [{}, {HANDOVER: "another"}])
def test_a_state_that_is_not_stored_as_it_was_written_is_not_said_to_be(
    leases: Leases, clock: FakeClock, dropped: dict[str, str]
) -> None:
    """A webhook takes it off, and answers that all is well: endpoints would rest for nobody."""
    a = Replica(leases, clock)
    a.step()
    leases.admit = lambda lease: lease["metadata"].update(annotations=dropped)
    clock.advance(2.0)
    a.step()
    assert a.told[-1] == ("renewed", "")
    assert a.leads

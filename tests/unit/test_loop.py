"""A thread's life: steps, waking, stopping, and an end that is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from dnatctl.heartbeat import Heartbeats
from dnatctl.loop import Loop, Step

SOON_S = 20.0
"""Longest wait for what is to come."""

AGES_S = 1e6


class Steps:
    """Counts steps; each returns what `answer` says."""

    def __init__(self, answer: Callable[[int], float | None]) -> None:
        self.count = 0
        self._answer = answer
        self._changed = threading.Condition()

    def __call__(self) -> float | None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            return self._answer(self.count)

    def reached(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, SOON_S)


@pytest.fixture
def hearts() -> Heartbeats:
    return Heartbeats()


@pytest.fixture
def begin(hearts: Heartbeats) -> Iterator[Callable[..., Loop]]:
    loops: list[Loop] = []

    def begun(step: Step, **options: float) -> Loop:
        loops.append(Loop("dnatctl-test", step, hearts, **options))
        loops[-1].start()
        return loops[-1]

    yield begun
    for loop in loops:
        loop.stop()
        assert loop.join(SOON_S)


def test_steps_follow_each_other(begin):
    steps = Steps(lambda _: 0.0)
    begin(steps)
    assert steps.reached(100)


def test_one_that_waits_is_woken(begin):
    steps = Steps(lambda _: AGES_S)
    loop = begin(steps)
    for count in range(1, 5):
        assert steps.reached(count)
        loop.wake()


def test_who_wakes_it_during_a_step_causes_another_one(begin):
    loops: list[Loop] = []
    may_begin = threading.Event()

    def step(count: int) -> float:
        assert may_begin.wait(SOON_S)
        if count == 1:
            loops[0].wake()
        return AGES_S

    steps = Steps(step)
    loops.append(begin(steps))
    may_begin.set()
    assert steps.reached(2)


def test_many_who_wake_it_at_once_cause_one_step(begin):
    steps = Steps(lambda _: AGES_S)
    loop = begin(steps, gather_s=AGES_S)
    assert steps.reached(1)
    for _ in range(5):
        loop.wake()
    loop.stop()
    assert loop.join(SOON_S)
    assert steps.count == 1


def test_it_ends_when_it_is_told_to_and_when_the_step_says_so(begin):
    told, by_itself = Steps(lambda _: AGES_S), Steps(lambda count: None if count == 3 else 0.0)
    loop = begin(told)
    loop.stop()
    assert loop.join(SOON_S)
    assert begin(by_itself).join(SOON_S)
    assert by_itself.count == 3


def test_one_that_was_never_started_is_over(hearts):
    assert Loop("dnatctl-test", lambda: None, hearts).join(0.0)


def test_what_a_step_raises_is_noticed(hearts, begin):
    def broken() -> float:
        raise LookupError("a bug")

    assert begin(broken).join(SOON_S)
    assert "LookupError: a bug" in hearts.complaint()


def test_one_that_waits_long_in_good_order_is_not_taken_to_hang(hearts, begin):
    steps = Steps(lambda _: AGES_S)
    begin(steps)
    assert steps.reached(1)
    assert hearts.complaint() == ""


class Between(threading.Event):
    """Somebody does something just before the loop forgets that it was woken."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def clear(self) -> None:
        self.meanwhile()
        super().clear()


def test_one_that_is_stopped_as_it_begins_a_step_does_not_wait_for_the_next(hearts):
    between = Between()
    loop = Loop("dnatctl-test", lambda: AGES_S, hearts, woken=between)
    between.meanwhile = loop.stop
    loop.start()
    assert loop.join(SOON_S)

"""Shares of the work that take long leave one worker to the others."""

from __future__ import annotations

from random import Random

import pytest

from dnatctl.control.state.queue import WorkQueue
from dnatctl.control.state.slowness import BELIEVED_S
from tests.support.clock import FakeClock

WORKERS = 3


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    """Keys of one letter are of one share."""
    return WorkQueue(clock=clock, share=lambda key: key[0], workers=WORKERS, random=Random(1))


def take(queue: WorkQueue[str]) -> list[str]:
    """What workers that have nothing to do get."""
    taken = []
    while (key := queue.get(0)) is not None:
        taken.append(key)
    return taken


def work(queue: WorkQueue[str], clock: FakeClock, key: str, seconds: float) -> None:
    queue.add(key)
    assert queue.get(0) == key
    clock.advance(seconds)
    queue.done(key)


def add(queue: WorkQueue[str], *keys: str) -> None:
    for key in keys:
        queue.add(key)


def test_several_slow_ones_together_leave_a_worker(queue: WorkQueue[str], clock: FakeClock) -> None:
    work(queue, clock, "quick", 0.1)
    work(queue, clock, "slow", 5.0)
    work(queue, clock, "tardy", 5.0)
    add(queue, "slow", "tardy", "s2", "t2")
    assert take(queue) == ["slow", "tardy"]
    add(queue, "quick")
    assert take(queue) == ["quick"]
    queue.done("slow")
    assert queue.get(0) == "s2", "what they may have they get"


def test_one_that_keeps_workers_just_now_counts_as_well(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    work(queue, clock, "quick", 0.1)
    add(queue, "s1", "s2")
    assert take(queue) == ["s1", "s2"]
    add(queue, "s3")
    clock.advance(5.0)
    assert take(queue) == []
    add(queue, "quick")
    assert take(queue) == ["quick"]


def test_one_that_is_alone_gets_all_workers(queue: WorkQueue[str], clock: FakeClock) -> None:
    work(queue, clock, "slow", 5.0)
    add(queue, "s1", "s2", "s3")
    assert take(queue) == ["s1", "s2", "s3"]


def test_so_does_everybody_where_all_are_slow(queue: WorkQueue[str], clock: FakeClock) -> None:
    work(queue, clock, "quick", 0.1)
    clock.advance(BELIEVED_S)
    for key in ("slow", "tardy"):
        work(queue, clock, key, 5.0)
    add(queue, "s1", "t1", "s2")
    assert take(queue) == ["s1", "t1", "s2"]


def test_one_that_is_quick_again_gets_all_workers(queue: WorkQueue[str], clock: FakeClock) -> None:
    work(queue, clock, "quick", 0.1)
    work(queue, clock, "slow", 5.0)
    work(queue, clock, "slow", 0.1)
    add(queue, "s1", "s2", "s3")
    assert take(queue) == ["s1", "s2", "s3"]


def test_a_single_worker_works_for_everybody(clock: FakeClock) -> None:
    queue = WorkQueue[str](clock=clock, share=lambda key: key[0], workers=1, random=Random(1))
    work(queue, clock, "quick", 0.1)
    work(queue, clock, "slow", 5.0)
    add(queue, "slow")
    assert take(queue) == ["slow"]

"""Each share gets as much of the workers' time, whatever its keys cost."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dnatctl.control.state.delays import Priority
from dnatctl.control.state.queue import WorkQueue
from dnatctl.control.state.shares import FORGET_EVERY, HEAD_START_S, MOST_S, Shares
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    """Keys of one letter are of one share."""
    return WorkQueue(clock=clock, share=lambda key: key[0], random=Random(1))


def add(queue: WorkQueue[str], share: str, count: int = 1) -> None:
    for n in range(count):
        queue.add(f"{share}{n}")


def work(queue: WorkQueue[str], clock: FakeClock, costs: dict[str, float], until: float) -> str:
    """One worker until then, in seconds; the shares of the keys that it had, in their order."""
    had = ""
    while clock.monotonic() < until and (key := queue.get(0)) is not None:
        had += key[0]
        clock.advance(costs[key[0]])
        queue.done(key)
    return had


def test_who_has_cheap_keys_gets_more_of_them(queue: WorkQueue[str], clock: FakeClock) -> None:
    add(queue, "dear", 100)
    add(queue, "cheap", 1000)
    end = clock.monotonic() + 10.0
    had = Counter(work(queue, clock, {"d": 0.1, "c": 0.01}, end))
    assert had["d"] == pytest.approx(50, abs=2)
    assert had["c"] == pytest.approx(500, abs=20)


def test_who_needs_little_waits_for_one_worker_only(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    """Six looks for each pod, of which each puts the next one on the queue."""
    for storm in "abcd":
        add(queue, storm, 200)
    costs = {**dict.fromkeys("abcd", 0.1), "v": 0.02}
    work(queue, clock, costs, clock.monotonic() + 2.0)
    for _ in range(10):
        for _ in range(6):
            work(queue, clock, costs, clock.monotonic() + 0.1)
            add(queue, "victim")
            key = queue.get(0)
            assert key == "victim0"
            clock.advance(costs["v"])
            queue.done(key)
        work(queue, clock, costs, clock.monotonic() + 0.5)


def test_who_takes_more_than_the_others_waits_for_them(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    costs = dict.fromkeys("ab", 0.1)
    add(queue, "a", 50)
    work(queue, clock, costs, clock.monotonic() + 1.0)
    add(queue, "b", 50)
    had = work(queue, clock, costs, clock.monotonic() + 2.0)
    assert had.startswith("b"), "who comes is next"
    saved = HEAD_START_S / costs["b"]
    assert had.count("b") <= had.count("a") + saved + 1, "and has saved up little while away"


def test_who_had_the_workers_alone_is_even_with_who_comes(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    costs = dict.fromkeys("abcdev", 0.1)
    add(queue, "victim", 50)
    work(queue, clock, costs, clock.monotonic() + 60.0)
    for newcomer in "abcde":
        add(queue, newcomer, 20)
    add(queue, "victim")
    had = work(queue, clock, costs, clock.monotonic() + 5.0)
    assert had.index("v") <= 5, "one of each at most comes before"


def test_nor_does_it_come_after_them_because_of_one_that_is_barred(clock: FakeClock) -> None:
    queue = WorkQueue[str](clock=clock, share=lambda key: key[0], workers=2, random=Random(1))
    costs = dict.fromkeys("abcdev", 0.04)
    add(queue, "victim")
    work(queue, clock, costs, clock.monotonic() + 1.0)
    add(queue, "slow", 2)
    assert queue.get(0) == "slow0"
    clock.advance(2.0)
    add(queue, "victim", 50)
    work(queue, clock, costs, clock.monotonic() + 5.0)
    assert len(queue) == 1, "the slow one has one worker, and may not have the other"
    for newcomer in "abcde":
        add(queue, newcomer, 20)
    add(queue, "victim")
    had = work(queue, clock, costs, clock.monotonic() + 2.0)
    assert had.index("v") <= 5, "one of each at most comes before"


def test_one_slow_key_is_not_held_against_a_share_for_long(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    costs = {"s": 30.0, "q": 0.1}
    add(queue, "slow", 2)
    add(queue, "quick", 100)
    had = work(queue, clock, costs, clock.monotonic() + 35.0)
    assert had.count("q") <= MOST_S / costs["q"] + 1
    assert had.startswith("s")
    assert had.endswith("s")


def test_one_that_is_barred_keeps_its_place(clock: FakeClock) -> None:
    queue = WorkQueue[str](clock=clock, share=lambda key: key[0], workers=2, random=Random(1))
    add(queue, "q")
    assert work(queue, clock, {"q": 0.1}, clock.monotonic() + 1.0) == "q"
    add(queue, "s", 2)
    assert queue.get(0) == "s0"
    clock.advance(5.0)
    assert queue.get(0) is None
    queue.done("s0")
    assert queue.get(0) == "s1"


def test_of_what_can_wait_each_gets_as_much_too(queue: WorkQueue[str], clock: FakeClock) -> None:
    for share in "abc":
        for n in range(20):
            queue.add(f"{share}{n}", Priority.LOW)
    had = work(queue, clock, dict.fromkeys("abc", 0.1), clock.monotonic() + 3.0)
    assert Counter(had) == {"a": 10, "b": 10, "c": 10}


def test_shares_that_are_even_with_the_others_take_no_memory() -> None:
    shares = Shares()
    for n in range(20 * FORGET_EVERY):
        shares.taken(n)
        shares.worked(n, 0.01)
        shares.taken("always there")
    assert len(shares._had) <= 2 * FORGET_EVERY

"""A name that somebody changes without end is worked on now and then, and for its last word."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from dnatctl.control.state.queue import NoMetrics
from dnatctl.control.worker.often import BUDGET, Often
from dnatctl.control.worker.workers import Workers, pod_queue
from dnatctl.heartbeat import Heartbeats
from dnatctl.objects import Key, PodRef
from dnatctl.observe.metrics import Metrics
from tests.support.clock import FakeClock

AT_ONCE, A_SECOND = BUDGET.at_once, BUDGET.a_second
A, B = Key("games", "a"), Key("games", "b")


def worked(often: Often, key: Key, now: float, times: int) -> int:
    return sum(often.wait(key, now) == 0 for _ in range(times))


def test_a_name_that_was_quiet_is_worked_on_at_once() -> None:
    often = Often()
    assert worked(often, A, 0.0, 10 * AT_ONCE) == AT_ONCE
    assert often.wait(B, 0.0) == 0, "others have their own"
    assert worked(often, A, 10.0, 10 * AT_ONCE) == 10 * A_SECOND
    assert worked(often, A, 1000.0, 10 * AT_ONCE) == AT_ONCE


def test_it_is_known_when_its_turn_comes() -> None:
    often = Often()
    worked(often, A, 5.0, AT_ONCE)
    wait = often.wait(A, 5.0)
    assert 0 < wait <= 1 / A_SECOND
    assert often.wait(A, 5.0 + wait + 1e-6) == 0


def test_in_the_long_run_there_are_so_many_a_second() -> None:
    often = Often()
    done = sum(often.wait(A, n / 100) == 0 for n in range(100 * 60))
    assert done <= AT_ONCE + 60 * A_SECOND + 1
    assert done >= 60 * A_SECOND


def test_names_that_are_quiet_take_no_memory() -> None:
    often = Often()
    for n in range(10_000):
        often.wait(Key("games", str(n)), float(n))
    assert len(often._paid_off) <= AT_ONCE


def test_a_worker_puts_it_off_and_comes_back_for_the_last_change() -> None:
    clock, seen = FakeClock(), []
    queue = pod_queue(clock, NoMetrics(), 1)
    workers = Workers(
        queue,
        lambda ref: seen.append(ref.key),
        lambda _ref: None,
        Metrics(CollectorRegistry()),
        clock,
        1,
        Heartbeats(clock),
    )

    def work() -> None:
        while (due := queue.get(timeout=0)) is not None:
            workers._take(due)

    flapping, other = PodRef("u", A), PodRef("v", B)
    for _ in range(1000):
        queue.add(flapping)
        work()
        clock.advance(0.0009)
    assert AT_ONCE <= len(seen) <= AT_ONCE + A_SECOND
    queue.add(other)
    work()
    assert seen[-1] == B
    clock.advance(1.0)
    work()
    assert seen[-1] == A, "what was last changed is looked at without being told again"

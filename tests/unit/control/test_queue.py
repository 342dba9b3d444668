"""The work queue: what workers may rely on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from dnatctl.clock import SystemClock
from dnatctl.control.state.delays import Priority
from dnatctl.control.state.queue import WorkQueue
from tests.support.clock import FakeClock


class Told:
    """Metrics that can be asked what they were told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.waited: list[float] = []
        self.worked: list[float] = []

    def added(self) -> None:
        self.counts["added"] += 1

    def taken(self, waited: float) -> None:
        self.waited.append(waited)

    def finished(self, worked: float) -> None:
        self.worked.append(worked)

    def retried(self) -> None:
        self.counts["retried"] += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def queue(clock: FakeClock, told: Told) -> WorkQueue[str]:
    return WorkQueue(clock=clock, metrics=told, random=Random(1))


def take_all(queue: WorkQueue[str]) -> list[str]:
    """Everything that is due now, as one worker would get it."""
    taken = []
    while (key := queue.get(0)) is not None:
        taken.append(key)
        queue.done(key)
    return taken


def test_keys_come_in_the_order_they_were_added_and_once(queue: WorkQueue[str]) -> None:
    for key in "abcab":
        queue.add(key)
    assert len(queue) == 3
    assert take_all(queue) == ["a", "b", "c"]


def test_a_key_in_work_waits_until_it_is_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.get(0) is None
    assert len(queue) == 0
    queue.done("a")
    assert take_all(queue) == ["a"]


def test_what_was_heard_before_a_look_is_settled_by_it(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add("a")
    queue.looking("a")
    queue.done("a")
    assert queue.get(0) is None
    queue.add("a")
    assert queue.get(0) == "a"
    queue.looking("a")
    queue.add("a")
    queue.done("a")
    assert queue.get(0) == "a"


@pytest.fixture
def lanes(clock: FakeClock) -> WorkQueue[str]:
    """Keys of one first letter share a lane."""
    return WorkQueue(clock=clock, lane=lambda key: key[0], random=Random(1))


def test_keys_of_one_lane_never_run_at_once(lanes: WorkQueue[str]) -> None:
    for key in ("a1", "a2", "b"):
        lanes.add(key)
    assert lanes.get(0) == "a1"
    assert lanes.get(0) == "b"
    assert lanes.get(0) is None
    lanes.done("a1")
    assert lanes.get(0) == "a2"


def test_a_look_settles_what_was_heard_of_its_own_key_only(lanes: WorkQueue[str]) -> None:
    lanes.add("a1")
    lanes.get(0)
    lanes.add("a1")
    lanes.add("a2")
    lanes.looking("a1")
    lanes.done("a1")
    assert take_all(lanes) == ["a2"]


def test_done_needs_the_key_and_not_just_its_lane(lanes: WorkQueue[str]) -> None:
    lanes.add("a1")
    lanes.get(0)
    with pytest.raises(KeyError):
        lanes.done("a2")
    lanes.done("a1")


@pytest.fixture
def shares(clock: FakeClock) -> WorkQueue[str]:
    """Keys of one first letter are of one share."""
    return WorkQueue(clock=clock, share=lambda key: key[0], random=Random(1))


def test_shares_come_in_turn_however_many_keys_of_one_are_due(shares: WorkQueue[str]) -> None:
    for key in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        shares.add(key)
    assert len(shares) == 7
    assert take_all(shares) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_who_comes_late_waits_for_no_other_key_of_another_share(shares: WorkQueue[str]) -> None:
    for key in ("a1", "a2", "a3"):
        shares.add(key)
    assert shares.get(0) == "a1"
    shares.add("b1")
    assert [shares.get(0), shares.get(0), shares.get(0)] == ["b1", "a2", "a3"]


def test_within_a_share_what_changed_just_now_goes_first(shares: WorkQueue[str]) -> None:
    shares.add("a1", Priority.LOW)
    shares.add("a2")
    shares.add("b1", Priority.LOW)
    shares.add("a1")
    assert take_all(shares) == ["a2", "a1", "b1"]


def test_a_dropped_key_waits_for_nothing(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 1.0)
    for _ in range(5):
        queue.add_rate_limited("a")
    queue.drop("a")
    clock.advance(100)
    assert take_all(queue) == []
    assert queue.add_rate_limited("a") < 0.01


def test_done_needs_a_key_in_work(queue: WorkQueue[str]) -> None:
    queue.add("a")
    with pytest.raises(KeyError):
        queue.done("a")


def test_fresh_keys_go_before_those_that_nobody_waits_for(queue: WorkQueue[str]) -> None:
    queue.add("resync-1", Priority.LOW)
    queue.add("resync-2", Priority.LOW)
    queue.add("fresh")
    queue.add("resync-2")
    queue.add("resync-2", Priority.LOW)
    assert take_all(queue) == ["fresh", "resync-2", "resync-1"]


def test_a_key_added_again_while_it_is_worked_on_keeps_the_better_priority(
    queue: WorkQueue[str],
) -> None:
    queue.add("a")
    queue.get(0)
    queue.add("a")
    queue.add("a", Priority.LOW)
    queue.add("b", Priority.LOW)
    queue.done("a")
    assert take_all(queue) == ["a", "b"]


def test_low_priority_does_not_starve(queue: WorkQueue[str]) -> None:
    queue.add("old", Priority.LOW)
    for n in range(40):
        queue.add(f"new-{n}")
    assert take_all(queue).index("old") < 20


def test_a_key_for_later_is_due_then_and_the_earliest_time_counts(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    queue.add_after("b", 7)
    clock.advance(4.9)
    assert take_all(queue) == []
    clock.advance(0.1)
    assert take_all(queue) == ["a"]
    clock.advance(100)
    assert take_all(queue) == ["b"], "the later times of a were replaced, not added"


def test_being_due_now_does_not_cancel_a_time(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 10)
    queue.add("a")
    assert take_all(queue) == ["a"]
    clock.advance(10)
    assert take_all(queue) == ["a"]


def test_back_off_doubles_up_to_its_cap_and_is_forgotten(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    delays = [queue.add_rate_limited("a") for _ in range(20)]
    assert 0.005 <= delays[0] <= 0.00625
    for before, after in pairwise(delays[:14]):
        assert after > before * 1.5 or after >= 60
    assert all(60 <= delay <= 75 for delay in delays[14:])
    queue.forget("a")
    assert queue.add_rate_limited("a") < 0.01


def test_a_very_long_row_of_failures_is_no_problem(queue: WorkQueue[str]) -> None:
    for _ in range(2000):
        delay = queue.add_rate_limited("a")
    assert 60 <= delay <= 75


def test_news_end_a_back_off(queue: WorkQueue[str], clock: FakeClock) -> None:
    for _ in range(15):
        delay = queue.add_rate_limited("a")
    clock.advance(delay)
    take_all(queue)
    queue.add_rate_limited("a")
    queue.add("a")
    assert take_all(queue) == ["a"]
    clock.advance(100)
    assert take_all(queue) == [], "the back-off is over, not pending"


def test_failing_together_is_not_coming_back_together(clock: FakeClock) -> None:
    queue: WorkQueue[int] = WorkQueue(clock=clock, random=Random(2))
    assert len({queue.add_rate_limited(n) for n in range(100)}) == 100


def test_shutdown_gives_nothing_more(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 1)
    assert queue.get(0) == "a"
    queue.add("a")
    queue.shutdown()
    queue.add("d")
    queue.done("a")
    clock.advance(10)
    assert queue.get() is None
    assert queue.closed


def test_metrics_are_told(queue: WorkQueue[str], clock: FakeClock, told: Told) -> None:
    queue.add("a")
    queue.add("a")
    clock.advance(2)
    queue.get(0)
    clock.advance(3)
    assert queue.unfinished_seconds() == queue.longest_running_seconds() == 3
    queue.add("b")
    queue.get(0)
    clock.advance(1)
    assert (queue.unfinished_seconds(), queue.longest_running_seconds()) == (5, 4)
    queue.done("a")
    queue.done("b")
    queue.add_rate_limited("a")
    assert told.counts == {"added": 2, "retried": 1}
    assert (told.waited, told.worked) == ([2, 0], [4, 1])
    assert queue.unfinished_seconds() == queue.longest_running_seconds() == 0


# --- in real time


def test_get_waits_for_what_comes() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=SystemClock())
    started = time.monotonic()
    assert queue.get(0.05) is None
    assert time.monotonic() - started >= 0.05
    queue.add_after("a", 0.05)
    assert queue.get(60) == "a"
    threading.Timer(0.05, queue.add, ["b"]).start()
    assert queue.get() == "b"


def test_shutdown_wakes_up_all_who_wait() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=SystemClock())
    results: list[str | None] = []
    threads = [threading.Thread(target=lambda: results.append(queue.get())) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.shutdown()
    for thread in threads:
        thread.join(60)
    assert results == [None, None, None]


def test_a_busy_worker_does_not_delay_what_another_could_take() -> None:
    """Of two waiting workers, the one that was told of a time is busy when it comes."""
    queue: WorkQueue[str] = WorkQueue(clock=SystemClock())
    taken: dict[str, float] = {}
    release = threading.Event()

    def work() -> None:
        while (key := queue.get()) is not None:
            taken[key] = time.monotonic()
            if key == "long":
                release.wait(60)
            queue.done(key)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    queue.add_after("later", 0.05)
    queue.add("long")
    deadline = time.monotonic() + 60
    while "later" not in taken and time.monotonic() < deadline:
        time.sleep(0.005)
    release.set()
    queue.shutdown()
    for thread in threads:
        thread.join(60)
    assert "later" in taken


def test_many_workers_never_share_a_key_and_miss_none() -> None:
    queue: WorkQueue[int] = WorkQueue(clock=SystemClock(), backoff=(0.0001, 0.001))
    wanted: Counter[int] = Counter()
    seen = Counter(dict.fromkeys(range(20), 0))  # all there: it is compared while it changes
    busy: set[int] = set()
    shared: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        while (key := queue.get()) is not None:
            with lock:
                if key in busy:
                    shared.append(key)
                busy.add(key)
                upto = wanted[key]
            with lock:
                busy.discard(key)
                seen[key] = max(seen[key], upto)
            queue.done(key)

    def ask(seed: int) -> None:
        random = Random(seed)
        for _ in range(2000):
            key = random.randrange(20)
            with lock:
                wanted[key] += 1
            random.choice((queue.add, queue.add_rate_limited, lambda k: queue.add_after(k, 0)))(key)

    workers = [threading.Thread(target=work) for _ in range(4)]
    askers = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in (*workers, *askers):
        thread.start()
    for thread in askers:
        thread.join(60)
    for key in list(wanted):
        queue.forget(key)
    deadline = time.monotonic() + 60
    while seen != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    queue.shutdown()
    for thread in workers:
        thread.join(60)
    assert shared == []
    assert seen == wanted, "each request was followed by a run that began after it"

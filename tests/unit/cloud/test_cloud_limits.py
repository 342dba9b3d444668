"""The pace of calls finds its way under the vendor's limit, alone or beside others."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field

import pytest

from dnatctl.cloud import limits as limits_of_all
from dnatctl.cloud.api import Stopped
from dnatctl.cloud.limits import LOWEST_RATE, WINDOW, AdaptiveLimit, Limits
from dnatctl.cloud.operation import Operation
from dnatctl.heartbeat import Heartbeats
from tests.support.stage import eventually
from tests.unit.cloud.clocks import FakeClock

PHASES = [0.0, 7.3, 17.0, 29.0, 41.7, 55.0]


@dataclass
class Account:
    """The vendor's counter: fixed windows, shared with a steady competitor."""

    per_window: int
    phase: float
    competitor: float = 0.0
    used: dict[int, int] = field(default_factory=dict)
    competed_until: float = 1000.0

    def admit(self, now: float) -> bool:
        while self.competitor and self.competed_until < now:
            self._take(self.competed_until)
            self.competed_until += 1 / self.competitor
        return self._take(now)

    def left_in_window(self, now: float) -> float:
        return WINDOW - (now - self.phase) % WINDOW

    def _take(self, now: float) -> bool:
        window = int((now - self.phase) // WINDOW)
        taken = self.used.get(window, 0)
        self.used[window] = min(taken + 1, self.per_window)
        return taken < self.per_window


@dataclass
class SlidingSecond:
    """The counter of newer limits: so many calls in any second."""

    per_second: int
    passed: list[float] = field(default_factory=list)

    def admit(self, now: float) -> bool:
        self.passed = [at for at in self.passed if at > now - 1.0]
        if len(self.passed) >= self.per_second:
            return False
        self.passed.append(now)
        return True

    def left_in_window(self, now: float) -> float:
        return self.passed[0] + 1.0 - now


@dataclass
class Outcome:
    seconds: float
    wasted: float
    longest_gap: float
    sent: int


def drive(
    account: Account | SlidingSecond,
    calls: int,
    limit: AdaptiveLimit | None = None,
    *,
    hints: bool = False,
    round_trip: float = 0.05,
) -> Outcome:
    """One greedy caller, until so many calls were let through."""
    limit = limit or AdaptiveLimit()
    start = now = last = 1000.0
    passed = refused = 0
    gap = 0.0
    while passed < calls:
        wait = limit.reserve(now)
        if wait > 0:
            now += wait + 1e-6
            continue
        now += round_trip
        if account.admit(now):
            passed += 1
            gap, last = max(gap, now - last), now
            limit.on_success(now)
        else:
            refused += 1
            limit.on_throttled(now, account.left_in_window(now) if hints else None)
    return Outcome(now - start, refused / (passed + refused), gap, passed + refused)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("hints", [False, True])
def test_alone_under_five_calls_a_second(phase: float, hints: bool) -> None:
    outcome = drive(Account(300, phase), 1000, hints=hints)
    assert outcome.wasted <= (0.005 if hints else 0.02)
    assert outcome.seconds <= 1000 / 5 * 1.1
    assert outcome.longest_gap <= WINDOW + 16


@pytest.mark.parametrize("per_second", [2, 5, 20])
@pytest.mark.parametrize("hints", [False, True])
@pytest.mark.parametrize("calls", [30, 300, 3000])
def test_under_a_limit_by_the_second(per_second: int, hints: bool, calls: int) -> None:
    outcome = drive(SlidingSecond(per_second), calls, hints=hints, round_trip=0.01)
    assert outcome.wasted <= max(0.02, 4 / calls)
    assert outcome.seconds <= calls / per_second * 1.15 + 3.0
    assert outcome.longest_gap <= 3.0


@pytest.mark.parametrize("per_second", [5, 20])
def test_calls_that_come_slower_than_that_are_held_up_once(per_second: int) -> None:
    """A burst at first, then fewer than the limit allows: no pace is to be kept to."""
    account, limit = SlidingSecond(per_second), AdaptiveLimit()
    drive(account, 2 * per_second, limit, round_trip=0.01)
    now, waited = 2000.0, 0.0
    for _ in range(100):
        now += 1.2 / per_second
        wait = limit.reserve(now)
        waited, now = waited + wait, now + wait
        assert account.admit(now)
        limit.on_success(now)
    assert waited <= 0.1


@pytest.mark.parametrize("phase", PHASES)
def test_beside_a_competitor_that_takes_half(phase: float) -> None:
    outcome = drive(Account(300, phase, competitor=2.5), 1000)
    assert outcome.wasted <= 0.03
    assert outcome.seconds <= 1000 / 2.5 * 1.05
    assert outcome.longest_gap <= WINDOW + 16


@pytest.mark.parametrize("phase", PHASES)
def test_beside_a_competitor_that_takes_nearly_all(phase: float) -> None:
    outcome = drive(Account(300, phase, competitor=4.5), 500)
    assert outcome.wasted <= 0.15
    assert outcome.longest_gap <= 2 * WINDOW


@pytest.mark.parametrize("phase", PHASES)
def test_under_a_tenth_of_the_usual_limit(phase: float) -> None:
    outcome = drive(Account(30, phase), 300)
    assert outcome.wasted <= 0.15
    assert outcome.seconds <= 300 / 0.5 * 1.15


def test_a_high_limit_is_never_noticed() -> None:
    outcome = drive(Account(100_000, 0.0), 1000, round_trip=0.001)
    assert outcome.seconds == pytest.approx(1.0)
    assert outcome.wasted == 0


def test_a_raised_quota_is_found_within_minutes() -> None:
    account, limit = Account(300, 0.0), AdaptiveLimit()
    drive(account, 1000, limit)
    assert limit.rate is not None
    account.per_window = 100_000
    account.used.clear()
    for now in range(2000, 2000 + 15 * 60):
        limit.reserve(float(now))
    assert limit.rate is None or limit.rate > 100


def test_a_restart_into_a_used_up_window_does_not_crawl() -> None:
    account = Account(300, 0.0)
    account.used[int(1000 // WINDOW)] = 300
    assert drive(account, 600).seconds <= WINDOW + 16 + 600 / 5 * 1.1


def test_a_ceiling_is_kept() -> None:
    outcome = drive(Account(100_000, 0.0), 100, AdaptiveLimit(2.0), round_trip=0.0)
    # Two may go at once, the rest follow at two a second.
    assert outcome.seconds == pytest.approx(49, abs=1)


def test_a_ceiling_above_the_limit_gives_way_and_comes_back() -> None:
    limit = AdaptiveLimit(20.0)
    assert drive(Account(300, 0.0), 1000, limit).wasted <= 0.02
    assert limit.rate is not None
    assert limit.rate < 6
    for now in range(2000, 2000 + 20 * 60):
        limit.reserve(float(now))
    assert limit.rate == 20.0


def test_back_off_doubles_up_to_sixteen_seconds() -> None:
    limit, now, pauses = AdaptiveLimit(), 0.0, []
    for _ in range(7):
        limit.on_throttled(now)
        pauses.append(limit.reserve(now))
        now += pauses[-1]
        assert limit.reserve(now) == 0
    assert pauses == [1, 2, 4, 8, 16, 16, 16]


def test_the_servers_hint_is_followed() -> None:
    limit = AdaptiveLimit()
    limit.on_throttled(0.0, 12.5)
    assert limit.reserve(0.0) == 12.5
    assert limit.reserve(12.5) == 0


def test_a_hint_that_proves_wrong_does_not_make_a_hot_loop() -> None:
    limit, now = AdaptiveLimit(), 0.0
    for _ in range(10):
        limit.on_throttled(now, 0.001)
        now += limit.reserve(now)
        limit.reserve(now)
    assert now > 50


def test_refusals_of_one_burst_count_once() -> None:
    limit = AdaptiveLimit()
    for moment in (0.0, 0.1, 0.2, 0.3):
        limit.on_throttled(moment)
    assert limit.reserve(0.3) == pytest.approx(0.7)


def test_an_answer_to_an_earlier_call_does_not_end_the_pause() -> None:
    limit = AdaptiveLimit()
    limit.on_throttled(0.0)
    limit.on_success(0.1)
    assert limit.reserve(0.2) == pytest.approx(0.8)


def test_after_a_pause_calls_go_one_at_a_time_until_one_passes() -> None:
    limit = AdaptiveLimit()
    limit.on_throttled(0.0)
    assert limit.reserve(1.0) == 0
    assert limit.reserve(1.0) > 0.5


def test_the_pace_never_falls_to_nothing() -> None:
    limit, now = AdaptiveLimit(), 0.0
    for _ in range(50):
        limit.on_throttled(now)
        now += limit.reserve(now)
        limit.on_success(now)
        now += 0.1
    assert limit.rate is not None
    assert limit.rate >= LOWEST_RATE


def test_memory_is_bounded() -> None:
    limit = AdaptiveLimit()
    for tick in range(100_000):
        limit.on_success(tick / 100)
    assert len(limit._accepted) <= WINDOW + 3


class Sleeper:
    """A wait that moves the clock, and in which the program may be told to stop."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.stopping = False

    def __call__(self, seconds: float) -> bool:
        self.clock.advance(seconds)
        return self.stopping and seconds > 0


def test_each_api_has_its_own_limit() -> None:
    clock = FakeClock()
    limits = Limits({Operation.DELETE: 1.0}, Sleeper(clock), clock)
    limits.throttled(Operation.CREATE, 5.0)
    limits.take(Operation.READ_TABLE)
    assert clock.seconds == 1000
    limits.take(Operation.CREATE)
    assert clock.seconds == 1005
    assert limits.rates()[Operation.DELETE] == 1.0
    assert limits.rates()[Operation.READ_TABLE] is None


def test_a_wait_ends_when_the_program_stops() -> None:
    clock = FakeClock()
    sleeper = Sleeper(clock)
    limits = Limits(None, sleeper, clock)
    limits.throttled(Operation.CREATE, 600.0)
    sleeper.stopping = True
    with pytest.raises(Stopped):
        limits.take(Operation.CREATE)


def test_who_was_told_to_stop_gets_no_further_turn() -> None:
    """A reading of sixty pages ends with the page in hand, though nothing limits the calls."""
    stop = threading.Event()
    limits = Limits(None, stop.wait)
    limits.take(Operation.READ_TABLE)
    stop.set()
    with pytest.raises(Stopped):
        limits.take(Operation.READ_TABLE)


def test_all_who_wait_in_line_are_let_go_when_the_program_stops() -> None:
    stop = threading.Event()
    limits = Limits(None, stop.wait)
    limits.throttled(Operation.CREATE, 600.0)
    stopped: list[bool] = []

    def caller() -> None:
        try:
            limits.take(Operation.CREATE)
        except Stopped:
            stopped.append(True)

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert len(stopped) == 8


def test_one_that_waits_for_its_turn_is_not_taken_for_hanging() -> None:
    clock = FakeClock()
    hearts = Heartbeats(clock)
    complaints: list[str] = []

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        complaints.append(hearts.complaint())
        return False

    limits = Limits(None, wait, clock)
    limits.throttled(Operation.CREATE, 3600.0)
    life = hearts.thread("writer", lambda: limits.take(Operation.CREATE))
    life.start()
    life.join(60)
    assert clock.seconds == 4600
    assert set(complaints) == {""}


def test_nor_is_one_in_the_line_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_of_all, "IN_LINE_S", 0.01)
    clock, stop, first = FakeClock(), threading.Event(), threading.Event()
    hearts = Heartbeats(clock)

    def wait(seconds: float) -> bool:
        if not seconds:
            return stop.is_set()
        first.set()
        return stop.wait()

    limits = Limits(None, wait, clock)
    limits.throttled(Operation.CREATE, 3600.0)

    def take() -> None:
        with contextlib.suppress(Stopped):
            limits.take(Operation.CREATE)

    ahead, behind = threading.Thread(target=take), hearts.thread("behind", take)
    ahead.start()
    assert first.wait(60)
    behind.start()
    for _ in range(3):
        clock.advance(600)
        eventually(lambda: hearts.complaint() == "")
    stop.set()
    ahead.join(60)
    behind.join(60)
    assert not behind.is_alive()

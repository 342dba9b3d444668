"""Signs of life, and what is done where there are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnatctl.control.watchdog import GRACE_S, Watchdog
from dnatctl.heartbeat import SLACK_S, Beat, Heartbeats
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hearts(clock: FakeClock) -> Heartbeats:
    return Heartbeats(clock)


@pytest.fixture
def beat(hearts: Heartbeats) -> Beat:
    return hearts.of_this_thread("writer")


def run(hearts: Heartbeats, work: Callable[[], None]) -> None:
    """A thread that does this, to its end."""
    life = hearts.thread("worker", work)
    life.start()
    life.join(60)
    assert not life.is_alive()


def test_a_thread_is_late_when_it_says_nothing_for_longer_than_it_said(hearts, clock, beat):
    beat.by(10, "writes a row")
    clock.advance(10 + SLACK_S)
    assert hearts.complaint() == ""
    clock.advance(1)
    assert hearts.complaint() == f"writer hangs for {11 + SLACK_S:.0f} s: writes a row"
    beat.by(10, "waits")
    assert hearts.complaint() == ""


def test_nothing_is_expected_of_one_that_has_not_begun_or_has_ended(hearts, clock, beat):
    hearts.thread("never started", lambda: None)
    run(hearts, lambda: None)
    beat.by(1, "works")
    beat.end()
    clock.advance(1e6)
    assert hearts.complaint() == ""


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_one_that_dies_of_an_exception_is_known_at_once(hearts, error):
    def die() -> None:
        raise error("of old age")

    run(hearts, die)
    assert hearts.died.is_set()
    assert hearts.complaint() == f"worker has died: {error.__name__}: of old age"
    assert [it.name for it in hearts.in_trouble(1e9)] == ["worker"]


def test_one_that_dies_of_what_cannot_be_shown_is_known_all_the_same(hearts):
    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def die() -> None:
        raise UnspeakableError

    run(hearts, die)
    assert hearts.died.is_set()
    assert "UnspeakableError" in hearts.complaint()


class TestWatchdog:
    @pytest.fixture
    def told(self) -> list[str]:
        return []

    @pytest.fixture
    def dog(self, hearts: Heartbeats, clock: FakeClock, told: list[str]) -> Watchdog:
        return Watchdog(hearts, clock, told.append)

    @staticmethod
    def looks(dog: Watchdog, clock: FakeClock, seconds: float) -> str:
        """Look every second for so long; what was found."""
        for _ in range(int(seconds)):
            clock.advance(1)
            if found := dog.look():
                return found
        return ""

    def test_a_late_thread_has_a_while_to_catch_up(self, dog, clock, beat):
        beat.by(0, "writes")
        assert self.looks(dog, clock, SLACK_S + GRACE_S) == ""
        assert "writer hangs" in self.looks(dog, clock, 2)

    def test_after_a_pause_of_the_whole_process_all_have_time_to_catch_up(self, dog, clock, beat):
        beat.by(0, "writes")
        clock.advance(3600)
        assert dog.look() == ""
        assert self.looks(dog, clock, 5) == ""
        beat.by(1000, "goes on")
        assert self.looks(dog, clock, 2 * GRACE_S) == ""

    def test_but_not_for_ever(self, dog, clock, beat):
        beat.by(0, "writes")
        clock.advance(3600)
        dog.look()
        assert "writer hangs" in self.looks(dog, clock, GRACE_S + 1)

    def test_a_death_is_acted_upon_at_once_and_once(self, dog, hearts, told, no_leaked_threads):
        dog.start()
        run(hearts, {}.popitem)
        dog._thread.join(60)
        assert not dog._thread.is_alive()
        assert told == ["worker has died: KeyError: 'popitem(): dictionary is empty'"]

    def test_it_can_be_stopped(self, dog, told, no_leaked_threads):
        dog.start()
        dog.stop()
        dog._thread.join(60)
        assert not dog._thread.is_alive()
        assert told == []

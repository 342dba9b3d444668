"""How long is waited between tries."""

from dnatctl.backoff import Backoff, doubled

BOUNDS = (2.0, 30.0)


def middle() -> float:
    return 0.5


def test_a_wait_doubles_up_to_the_longest() -> None:
    assert [doubled(BOUNDS, failures) for failures in range(6)] == [2, 4, 8, 16, 30, 30]


def test_no_number_of_failures_is_too_many() -> None:
    assert doubled(BOUNDS, 10**9) == 30


def test_the_first_try_after_a_healthy_time_is_free() -> None:
    backoff = Backoff(middle, BOUNDS, reset=60.0)
    assert backoff.next(100.0) == 0
    assert backoff.next(100.0) == 3
    assert backoff.next(103.0) == 6
    assert backoff.next(109.0 + 60.0) == 0


def test_the_time_that_was_waited_is_no_healthy_time() -> None:
    backoff = Backoff(middle, BOUNDS, reset=10.0)
    for expected in (0, 3, 6, 12):
        pause = backoff.next(0.0)
        assert pause == expected
    assert backoff.next(12.0 + 9.9) == 24

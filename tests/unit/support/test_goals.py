"""What a benchmark is held to on a machine that is slower than the one its goals were set on."""

from __future__ import annotations

import pytest

from hack.bench.result import Result


def judged(slowness: float) -> Result:
    result = Result("name", "setting")
    result.at_most("absolute", 15.0, 10, "ms", slowed=True)
    result.at_most("on top of a bound", 1.3, 1.2, bound=1.0, slowed=True)
    result.at_least("of a bound", 0.8, 0.9, bound=1.0, slowed=True)
    result.at_most("beside a yardstick", 1.3, 1.2, bound=1.0)
    result.at_most("a count", 5, 4)
    result.ran_on(slowness)
    return result


@pytest.mark.parametrize(
    ("slowness", "met"),
    [
        (1.0, [False, False, False, False, False]),
        (1.4, [False, False, False, False, False]),
        (1.6, [True, True, False, False, False]),
        (2.3, [True, True, True, False, False]),
    ],
)
def test_only_time_on_top_of_the_clouds_own_may_take_longer(
    slowness: float, met: list[bool]
) -> None:
    assert [figure.met for figure in judged(slowness).figures] == met


def test_both_limits_are_told() -> None:
    assert "<= 20 (10 at the usual speed)" in judged(2.0).figures[0].line()
    assert judged(1.0).figures[0].wanted == "<= 10"

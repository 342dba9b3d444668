"""A crash at any write of any scenario: before it, after it, or with its reply lost."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.integration.crash.harness import Mode, Outcome, Point, needless, play, points
from tests.integration.crash.scenarios import SCENARIOS
from tests.support.many import complaints

AT_LENGTH = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SHARE = 1 if AT_LENGTH else 8
"""One point in so many is tried; `make prove` tries them all."""


def survive(name: str, golden: Outcome, point: Point) -> bool:
    """Crash at that point; whether it was met. Raises AssertionError for a difference in the end,
    or for anything done more often than without the crash."""
    crashed, met = play(SCENARIOS[name], point)
    assert crashed.end == golden.end
    assert needless(golden, crashed) == []
    return met


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_write_changes_nothing_of_the_end(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    golden, _ = play(SCENARIOS[name])
    chosen = points(golden)[len(name) % SHARE :: SHARE]
    met: list[bool] = []
    wrong = complaints(chosen, lambda point: met.append(survive(name, golden, point)))
    assert not wrong, "\n".join(wrong)
    print(f"{name}: {sum(met)} of {len(chosen)} crash points met")
    record_property("crash points", sum(met))
    assert sum(met) >= len(chosen) / 4, "the runs are not alike"


def test_an_adoption_whose_answer_was_lost_counts() -> None:
    """The pod is gone before the ledger can be asked again: its row goes with it all the same."""
    steps = SCENARIOS["adopted"]
    golden, _ = play(steps)
    point = Point("create configmaps dnatctl-adopted-k", 1, Mode.LOST)
    assert survive("adopted", golden, point), "the answer was not lost"

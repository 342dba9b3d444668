"""A crash at any write of any scenario: before it, after it, or with its reply lost."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.crash.harness import Outcome, Point, needless, play, points
from tests.integration.crash.scenarios import SCENARIOS

AT_LENGTH = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SHARE = 1 if AT_LENGTH else 5
"""One point in so many is tried; `make prove` tries them all."""

AT_ONCE = 6


def survive(name: str, golden: Outcome, point: Point) -> tuple[str, bool]:
    """What is wrong after a crash at that point, empty if nothing is; and whether it was met."""
    try:
        crashed, met = play(SCENARIOS[name], point)
    except Exception as error:  # noqa: BLE001 - all that goes wrong is gathered
        return f"{point}: {type(error).__name__}: {error}", True
    wrong = needless(golden, crashed)
    if crashed.end != golden.end:
        wrong.append(f"ends with {crashed.end}, not {golden.end}")
    return (f"{point}: {'; '.join(wrong)}" if wrong else ""), met


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_write_changes_nothing_of_the_end(name: str) -> None:
    golden, _ = play(SCENARIOS[name])
    chosen = points(golden)[len(name) % SHARE :: SHARE]
    with ThreadPoolExecutor(AT_ONCE) as runs:
        found = list(runs.map(lambda point: survive(name, golden, point), chosen))
    wrong = [text for text, _ in found if text]
    assert not wrong, "\n".join(wrong)
    met = sum(met for _, met in found)
    print(f"{name}: {met} of {len(chosen)} crash points met")
    assert met > len(chosen) / 2, "the runs are not alike"

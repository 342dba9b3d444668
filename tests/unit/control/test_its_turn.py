"""One for whom there is room, and whom others come before."""

from __future__ import annotations

import pytest

from dnatctl.control.worker.its_turn import ITS_TURN, after_others
from dnatctl.plan.waits import TOLD_AFTER_S


@pytest.mark.parametrize("waited", [0.0, TOLD_AFTER_S - 1.0])
def test_most_have_their_turn_before_they_are_told(waited):
    made = after_others(waited)
    assert made.problem == ITS_TURN
    assert made.problem.passing
    assert made.retry_in == TOLD_AFTER_S - waited


def test_who_waits_for_long_is_told():
    made = after_others(TOLD_AFTER_S)
    assert made.problem is not None
    assert not made.problem.passing
    assert "others have waited" in made.problem.message
    assert made.retry_in is None

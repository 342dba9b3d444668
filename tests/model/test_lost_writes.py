"""A write whose answer was lost may be carried out late: nothing rests on its row until then."""

from __future__ import annotations

import pytest

from tests.model import scenarios
from tests.model.conftest import Explore
from tests.model.world import Scenario


@pytest.mark.parametrize(
    ("scenario", "budget", "limit"),
    [
        pytest.param(scenarios.SWITCHED, {"off": 2, "request_lost": 1}, 2_000, id="delete"),
        pytest.param(scenarios.MOVED, {"moves": 2, "request_lost": 1}, 8_000, id="modify"),
    ],
)
def test_a_row_is_listed_again_when_no_lost_write_can_take_it_away(
    explore: Explore, scenario: Scenario, budget: dict[str, int], limit: int
) -> None:
    """Exposure off and on; a pod that gets its old address back."""
    assert explore(scenario, budget, limit).states > 1_500

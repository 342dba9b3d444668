"""Every interleaving of small worlds: the rules hold in each, and each comes to rest.

The short run explores each world with little trouble, mostly to the end; `make prove` explores them
with much, more than a million states in all.
"""

from __future__ import annotations

import os

import pytest

from tests.model.conftest import Explore
from tests.model.moves import Worlds
from tests.model.scenarios import HERE, SCENARIOS, pod
from tests.model.world import Scenario, Sent, Stored

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
BRIEFLY, AT_LENGTH = 500, int(os.environ.get("STATES", "25000"))
"""How many states are visited at most: that is breadth first, so all up to some depth.
Of 86 worlds, and a state takes about a millisecond."""


def _named(scenario: Scenario, budget: dict[str, int]) -> object:
    troubles = ", ".join(f"{what} {count}" for what, count in budget.items())
    return pytest.param(scenario, budget, id=f"{scenario.name}: {troubles}")


BRIEF = [_named(scenario, budget) for scenario in SCENARIOS for budget in scenario.brief]
WHOLE = [_named(scenario, scenario.budget) for scenario in SCENARIOS]


@pytest.mark.parametrize(("scenario", "budget"), BRIEF)
def test_rules_hold_with_little_trouble(
    explore: Explore, scenario: Scenario, budget: dict[str, int]
) -> None:
    explored = explore(scenario, budget, AT_LENGTH if LONG else BRIEFLY)
    assert explored.states > 50, "the world is too small to say anything"
    print(explored)


@pytest.mark.skipif(not LONG, reason="takes minutes: make prove")
@pytest.mark.parametrize(("scenario", "budget"), WHOLE)
def test_rules_hold_with_much_trouble(
    explore: Explore, scenario: Scenario, budget: dict[str, int]
) -> None:
    explored = explore(scenario, budget, AT_LENGTH)
    assert explored.states > 5_000, "the world is too small to say anything"
    print(explored)


def test_a_claim_that_is_refused_everywhere_does_not_wander() -> None:
    """The pod's address has a row in another table, where nobody sees it: a slow, cheap wait."""
    held = Scenario("held", (pod("a", HERE),), {}, (), elsewhere=((HERE, 80),))
    worlds = Worlds(held, {})
    state, stored, sent = worlds.start, [], 0
    for _ in range(400):
        move = next(worlds.progress(state), None) or worlds.tick(state)
        stored += [e.request.verb for e in move.effects if isinstance(e, Stored)]
        sent += sum(isinstance(effect, Sent) for effect in move.effects)
        state = move.target
    assert stored == ["create", "spec", "status"], "claimed, moved once, said what is wrong"
    assert 0 < sent < 50
    (record,) = worlds.unpack(state).kube.records
    assert [condition.reason for condition in record.status.conditions] == ["TupleConflict"]

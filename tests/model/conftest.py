"""What tests of small worlds share: silence, and a count of what was explored."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from tests.model.explore import Explored, Explorer
from tests.model.world import Scenario

Explore = Callable[[Scenario, dict[str, int], int], Explored]


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """The program's log would tell of thousands of worlds at once."""
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=quiet)
    yield
    structlog.configure(**before)


@pytest.fixture
def explore(record_property: Callable[[str, object], None]) -> Iterator[Explore]:
    """Explores a scenario with a budget, up to so many states."""

    def run(scenario: Scenario, budget: dict[str, int], limit: int) -> Explored:
        explored = Explorer(scenario, budget).run(limit)
        record_property("states", explored.states)
        record_property("moves", explored.moves)
        record_property("worlds", 1)
        record_property("worlds explored to the end", int(explored.whole))
        return explored

    # Each step leaves a process behind whose parts know each other. Looked for as often as usual,
    # that garbage takes half the time; never, it takes 10 GB. A million objects are 200 MB.
    usual = gc.get_threshold()
    gc.set_threshold(1_000_000, 10, 1000)
    yield run
    gc.set_threshold(*usual)
    gc.collect()

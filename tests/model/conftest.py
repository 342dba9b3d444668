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

EXPLORED: pytest.StashKey[list[Explored]] = pytest.StashKey()


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """The program's log would tell of thousands of worlds at once."""
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=quiet)
    yield
    structlog.configure(**before)


@pytest.fixture
def explore(request: pytest.FixtureRequest) -> Iterator[Explore]:
    """Explores a scenario with a budget, up to so many states."""
    done = request.config.stash.setdefault(EXPLORED, [])

    def run(scenario: Scenario, budget: dict[str, int], limit: int) -> Explored:
        explored = Explorer(scenario, budget).run(limit)
        done.append(explored)
        return explored

    # Nothing of what is kept while exploring is garbage: looking for some takes half the time.
    gc.disable()
    yield run
    gc.enable()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how much was explored."""
    explored = config.stash.get(EXPLORED, [])
    if explored:
        states = sum(e.states for e in explored)
        moves = sum(e.moves for e in explored)
        whole = sum(e.whole for e in explored)
        terminalreporter.write_line(
            f"small worlds: {states:,} states and {moves:,} moves in {len(explored)} worlds, "
            f"{whole} of them explored to the end"
        )

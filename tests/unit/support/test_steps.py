"""What is counted is what was asked for, whatever else the interpreter does meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from tests.support.steps import calls, steps


def act() -> list[object]:
    return [[] for _ in range(50)]


@pytest.fixture
def collector() -> Iterator[list[str]]:
    """The garbage collector comes as often as it can, and calls back."""
    came: list[str] = []

    def called_back(phase: str, _info: dict[str, int]) -> None:
        came.append(phase)

    before = gc.get_threshold()
    gc.callbacks.append(called_back)
    gc.set_threshold(1)
    try:
        yield came
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(called_back)


@pytest.mark.parametrize("count", [steps, calls])
def test_the_garbage_collector_is_not_counted(
    count: Callable[[Callable[[], object]], int], collector: list[str]
) -> None:
    gc.disable()
    alone = count(act)
    assert not gc.isenabled()
    gc.enable()
    assert count(act) == alone
    assert gc.isenabled()
    act()
    assert collector, "the collector never came: the test shows nothing"


def test_lines_and_functions_are_counted() -> None:
    assert steps(lambda: [act(), act()]) - steps(act) >= steps(act)
    assert calls(lambda: [act(), act()]) == 1 + 2 * calls(act)

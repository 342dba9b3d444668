"""A stage for each test: faults are not to linger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import Stage, stage


@pytest.fixture
def it() -> Iterator[Stage]:
    """A stage with a controller at work that looks at everything again each second."""
    with stage(resync="1s") as running:
        running.start_controller()
        yield running


@pytest.fixture
def calm() -> Iterator[Stage]:
    """The same, but it looks again so seldom that only what it hears of can wake it."""
    with stage(resync="600s") as running:
        running.start_controller()
        yield running

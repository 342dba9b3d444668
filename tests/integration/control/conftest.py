"""One stage a module, a namespace a test: starting everything anew would be most of the time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.stage import Stage, stage

_number = count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """A stage with one gateway, two EIPs, and a controller at work."""
    with stage() as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


@pytest.fixture
def it(cluster: Stage) -> Iterator[Stage]:
    """The stage, in a namespace of the test's own; nothing may be left when the test is over."""
    cluster.move_to(f"test-{next(_number)}")
    yield cluster
    cluster.heal()
    cluster.clear_out()
    assert cluster.own_rows() == []
    cluster.assert_fair()

"""A cloud of one's own for every test: the emulator behind a socket, the real SDK before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl.cloud.client import Cloud
from dnatctl_sim.cloud import Cloud as Emulated
from dnatctl_sim.cloud import CloudServer
from tests.integration.cloud.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with CloudServer(Emulated()) as server:
        yield Bench(server)


@pytest.fixture
def cloud(bench: Bench) -> Cloud:
    return bench.connect()

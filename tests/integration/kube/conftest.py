"""A scripted server, an emulated one, and a client of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kubernetes.client import ApiClient, Configuration

from dnatctl.kube.client import KubeClient, OnRequest
from dnatctl_sim.kube import KubeServer, Settings
from tests.support.scripted import ScriptedServer


def client_of(url: str, observer: OnRequest | None = None) -> KubeClient:
    settings = Configuration(host=url)
    settings.connection_pool_maxsize = 8
    return KubeClient(ApiClient(configuration=settings), observer=observer)


@pytest.fixture
def server(no_leaked_threads: None) -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda exchange: exchange.answer(500)) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[KubeClient]:
    made = client_of(server.url)
    yield made
    made.close()


@pytest.fixture
def kube(no_leaked_threads: None) -> Iterator[KubeServer]:
    """The emulated API server, without anybody who changes objects by himself."""
    with KubeServer(settings=Settings(actors=False)) as running:
        yield running


@pytest.fixture
def wire(kube: KubeServer) -> Iterator[KubeClient]:
    """A client of it."""
    made = client_of(kube.url)
    yield made
    made.close()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for something to become true; fail after a while."""

    def wait(condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "did not happen in time"
            time.sleep(0.002)

    return wait

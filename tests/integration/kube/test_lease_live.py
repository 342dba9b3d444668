"""Electors as they run, threads and all, against the emulated API server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from dnatctl.clock import SystemClock
from dnatctl.kube.client import KubeClient
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector, LeaseSettings
from dnatctl.objects import Key
from dnatctl_sim.kube import KubeServer, Settings
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.integration.kube.conftest import client_of

# A connection that is accepted while the emulator goes down is neither served nor closed: as good
# as any half-open one to the client, but asyncio complains when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Until = Callable[[Callable[[], object]], None]

LEASE = Key("kube-system", "dnatctl")
QUICK = LeaseSettings(duration=2.0, renew_deadline=1.4, retry_period=0.1)
SURE = LeaseSettings(duration=8.0, renew_deadline=1.4, retry_period=0.1)
"""Whoever is cut off knows it early, whatever else the machine has to do meanwhile."""
STEADY = LeaseSettings(duration=60.0, renew_deadline=40.0, retry_period=20.0)
"""A busy machine loses nobody the lease, and has time for each request."""


class Replica:
    def __init__(self, client: KubeClient, name: str, settings: LeaseSettings = QUICK) -> None:
        self.started = threading.Event()
        self.lost = threading.Event()
        self.lost_at = 0.0
        self.inherited = ""
        self.state = f"{name}-0"
        self.durable: list[str] = []
        self.elector = LeaseElector(
            client,
            LEASE,
            name,
            LeaseCallbacks(self._on_started, self._on_lost, lambda: self.state, self._on_renewed),
            clock=SystemClock(),
            settings=settings,
        )

    def _on_started(self, inherited: str, _age: float) -> None:
        self.inherited = inherited
        self.started.set()

    def _on_lost(self) -> None:
        self.lost_at = time.monotonic()
        self.lost.set()

    def _on_renewed(self, state: str) -> None:
        self.durable.append(state)


@pytest.fixture
def kube(no_leaked_threads: None) -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False)) as server:
        yield server


@pytest.fixture
def replicas(kube: KubeServer) -> Iterator[Callable[..., Replica]]:
    made: list[Replica] = []
    clients: list[KubeClient] = []

    def make(name: str, settings: LeaseSettings = QUICK) -> Replica:
        clients.append(client_of(kube.url))
        made.append(Replica(clients[-1], name, settings))
        made[-1].elector.start()
        return made[-1]

    yield make
    kube.clear_faults()
    for replica in made:
        replica.elector.stop(release=False)
    for client in clients:
        client.close()


Make = Callable[..., Replica]


def test_a_stopped_leader_is_followed_at_once_by_one_that_knows_its_state(
    replicas: Make, until: Until
) -> None:
    first = replicas("a", STEADY)
    assert first.started.wait(60)
    second = replicas("b", STEADY)
    until(lambda: second.elector.leader() == "a")
    assert not second.elector.is_leader()
    first.state = "the last"
    first.elector.stop()
    assert not first.elector.is_leader()
    assert second.started.wait(60)
    assert second.inherited == "the last"
    assert not first.lost.is_set()


def test_a_dead_leader_is_followed_when_its_lease_is_over(replicas: Make) -> None:
    first = replicas("a")
    assert first.started.wait(60)
    second = replicas("b")
    first.elector.stop(release=False)
    assert second.started.wait(60)


@pytest.mark.parametrize("fails", ["hangs", "refuses"])
def test_a_leader_cut_off_is_told_before_another_leads(
    kube: KubeServer, replicas: Make, fails: str
) -> None:
    first = replicas("a", SURE)
    assert first.started.wait(60)
    cut_at = time.monotonic()
    if fails == "hangs":
        kube.pause()
    else:
        kube.go_offline()
    assert first.lost.wait(60)
    assert not first.elector.is_leader()
    assert first.lost_at - cut_at < SURE.duration
    if fails == "hangs":
        kube.resume()
    else:
        kube.go_online()
    second = replicas("b")
    assert second.started.wait(60)
    assert not first.elector.is_leader(), "a lost election stays lost"


def test_renew_soon_makes_a_state_durable_early(replicas: Make, until: Until) -> None:
    first = replicas("a", STEADY)
    assert first.started.wait(60)
    first.state = "urgent"
    asked = time.monotonic()
    for _ in range(50):
        first.elector.renew_soon()
    until(lambda: "urgent" in first.durable)
    assert time.monotonic() - asked < STEADY.retry_period


def test_hastened_renewals_keep_a_distance(replicas: Make, until: Until) -> None:
    began = time.monotonic()
    first = replicas("a", STEADY)
    assert first.started.wait(60)

    def hastened() -> bool:
        first.elector.renew_soon()
        return len(first.durable) >= 3

    until(hastened)
    assert 3 * 0.49 < time.monotonic() - began < STEADY.retry_period


def test_many_replicas_one_leader(replicas: Make, until: Until) -> None:
    all_of_them = [replicas(name, STEADY) for name in "abcde"]
    until(lambda: any(replica.elector.is_leader() for replica in all_of_them))
    deadline = time.monotonic() + 2
    seen = set()
    while time.monotonic() < deadline:
        leaders = [replica for replica in all_of_them if replica.elector.is_leader()]
        assert len(leaders) <= 1
        seen |= {leader.state for leader in leaders}
        time.sleep(0.005)
    assert len(seen) == 1, "and it stays"


def test_stop_is_prompt_for_who_waits(replicas: Make) -> None:
    replicas("a")
    second = replicas("b", STEADY)
    started = time.monotonic()
    second.elector.stop()
    assert time.monotonic() - started < 20, "sooner than its next try"


def test_a_server_that_takes_long_for_each_answer_has_a_leader(
    kube: KubeServer, replicas: Make, until: Until
) -> None:
    """Longer than from one renewal to the next: each request was broken off, and nobody led."""
    kube.faults.add(Fault(delay=0.6), Match(), times=None)
    slow = LeaseSettings(duration=60.0, renew_deadline=40.0, retry_period=0.2)
    first = replicas("a", slow)
    assert first.started.wait(60)
    until(lambda: len(first.durable) >= 3)
    assert not first.lost.is_set()

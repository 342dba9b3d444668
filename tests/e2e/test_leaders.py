"""Two replicas: one writes at a time, and the other takes over where it left off."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import groupby

import pytest

from tests.e2e.arena import WRITES, Arena, exposing
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.oracle import entries_of
from tests.e2e.replica import Replica
from tests.e2e.workloads import deployment
from tests.support.link import Link

LEASE_DURATION = 15.0
RETRY_PERIOD = 2.0
SLACK = 4.0
"""What a busy machine may add."""

FEW, MANY, ALL = 6, 24, 28
"""Pods with endpoints when the fault comes, asked for by then, and asked for after it."""


@pytest.fixture
def links(arena: Arena) -> Iterator[list[Link]]:
    """A line to the API server for each of two replicas."""
    with ExitStack() as stack:
        sources = ("127.0.0.2", "127.0.0.3")
        yield [stack.enter_context(Link(arena.control_plane.url, source)) for source in sources]


@pytest.fixture
def pair(arena: Arena, links: list[Link]) -> tuple[Replica, Replica]:
    """A leader at work and a standby that has read everything."""
    leader = arena.start(link=links[0])
    standby = arena.replica(link=links[1])
    standby.start()
    eventually(standby.is_ready, within=60)
    assert not standby.leads()
    return leader, standby


@pytest.fixture
def churning(arena: Arena, pair: tuple[Replica, Replica], kubelet: Kubelet, namespace: str) -> None:
    """A few pods have their endpoints, and many more have just been asked for."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    arena.api.create(path, deployment("web", FEW, annotations=exposing("80,443")))
    eventually(lambda: len(_ready(arena, namespace)) == FEW, within=60)
    _scale(arena, namespace, MANY)
    eventually(lambda: len(_ready(arena, namespace)) > FEW + 2, within=60)


def test_a_killed_leader_is_followed_within_the_lease_time(
    arena: Arena, pair: tuple[Replica, Replica], churning: None, links: list[Link], namespace: str
) -> None:
    """Guards the take-over of an expired Lease, and that all state is read anew.

    Shown to fail when a standby waited for the Lease to be given back (`LeaseElector._may_take`
    without its last line): a minute later there was no leader.
    """
    leader, standby = pair
    before = _ready(arena, namespace)
    leader.kill()
    took = _seconds_until(standby.leads)
    assert took < LEASE_DURATION + 2 * RETRY_PERIOD + SLACK
    _assert_nothing_lost(arena, namespace, before)
    _assert_one_writer(arena, links, pair)


def test_a_leader_that_is_told_to_end_hands_over_at_once(
    arena: Arena, pair: tuple[Replica, Replica], churning: None, links: list[Link], namespace: str
) -> None:
    """Guards the release of the Lease at the end of an orderly stop.

    Shown to fail when the Lease was not given back (`LeaseElector.stop` without its release): the
    standby led after 13.9 s, when it had expired, in place of 8 s at most.
    """
    leader, standby = pair
    before = _ready(arena, namespace)
    assert leader.stop() == 0
    assert _seconds_until(standby.leads) < 2 * RETRY_PERIOD + SLACK
    _assert_nothing_lost(arena, namespace, before)
    _assert_one_writer(arena, links, pair)


def test_a_leader_that_was_stopped_and_goes_on_writes_no_more(
    arena: Arena, pair: tuple[Replica, Replica], churning: None, links: list[Link], namespace: str
) -> None:
    """Guards the fence before each write and the end of a process that has lost its Lease.

    The end comes first, so each was switched off with it, and by itself (`_exit_at_once` did
    nothing: the process lived on, and had written nothing). Shown to fail then without the fence
    (`_may_write` returned True: 28 turns of the two at the cloud in place of two), and with
    Kubernetes outside of it (`KubeClient` not `fenced`: 184 turns at PodDNATs).
    """
    leader, standby = pair
    before = _ready(arena, namespace)
    leader.pause()
    assert _seconds_until(standby.leads) < LEASE_DURATION + 2 * RETRY_PERIOD + SLACK
    leader.resume()
    with suppress(AssertionError):  # what it does if it lives on is seen below
        eventually(lambda: leader.exit_status is not None, within=60)
    _assert_nothing_lost(arena, namespace, before)
    _assert_one_writer(arena, links, pair)
    assert leader.exit_status == 1


def test_a_leader_that_cannot_reach_the_api_server_stops_in_time(
    arena: Arena, pair: tuple[Replica, Replica], churning: None, links: list[Link], namespace: str
) -> None:
    """Guards the deadline of the renewals, which is earlier than the end of the Lease.

    Here the leader is cut off and its standby is not. Shown to fail when only a refused renewal
    counted as the loss of the Lease (`LeaseElector._watch` did nothing): when the standby led, the
    process of the first was still there.
    """
    leader, standby = pair
    before = _ready(arena, namespace)
    with links[0].closed():
        assert _seconds_until(standby.leads) < LEASE_DURATION + 2 * RETRY_PERIOD + SLACK
        assert leader.exit_status == 1
    _assert_nothing_lost(arena, namespace, before)
    _assert_one_writer(arena, links, pair)


def _ready(arena: Arena, namespace: str) -> dict[str, list[Object]]:
    """The usable entries by pod, of the pods that have both."""
    listed = {r["metadata"]["name"]: entries_of(r) for r in arena.records(namespace)}
    return {name: entries for name, entries in listed.items() if len(entries) == 2}


def _seconds_until(condition: Callable[[], bool]) -> float:
    started = time.monotonic()
    eventually(condition, within=60, every=0.1)
    return time.monotonic() - started


def _assert_nothing_lost(arena: Arena, namespace: str, before: dict[str, list[Object]]) -> None:
    """Everything settles, and what was there is there still, not made anew.

    What is asked for now is the second one's to write: the first may have done all the rest.
    """
    _scale(arena, namespace, ALL)
    eventually(lambda: len(_ready(arena, namespace)) == ALL, within=60)
    arena.settled()
    assert _ready(arena, namespace).items() >= before.items()
    creates = [call for call in arena.calls("CreateForwardEntry") if call.committed]
    assert len(creates) == len(arena.own_rows()) == ALL * 2


def _scale(arena: Arena, namespace: str, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    arena.api.patch(path, {"spec": {"replicas": replicas}})


def _assert_one_writer(arena: Arena, links: Sequence[Link], pair: tuple[Replica, Replica]) -> None:
    """Once the second has written, the first does so no more: to the cloud, and to PodDNATs."""
    keys = [replica.key for replica in pair]
    calls = [call.key for call in arena.calls(*WRITES)]
    assert _turns(calls) == keys
    sources = [link.source for link in links]
    requests = [e.source for e in arena.requests() if e.is_write and e.resource == "poddnats"]
    assert _turns(requests) == sources


def _turns(writers: Sequence[str]) -> list[str]:
    return [writer for writer, _ in groupby(writers)]

"""Faults of the control plane, while pods come and go: nothing is lost, doubled or misled."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.meddler import meddling
from tests.e2e.oracle import entries_of
from tests.e2e.workloads import deployment, pod
from tests.support.link import Link

FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io"
PORTS = exposing("80,443")
LASTING = {"lease": 60.0}
"""A Lease that outlives the start of an API server on a busy machine."""


@pytest.fixture
def link(arena: Arena) -> Iterator[Link]:
    """A line to the API server."""
    with Link(arena.control_plane.url) as link:
        yield link


def test_the_api_server_is_killed_and_comes_back(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    """Guards that lists, watches and writes are tried again after a broken connection.

    The leader stays: its Lease outlives the outage. Shown to fail when the thread of a watch ended
    with the watch (`SystemExit` in place of `Informer._watch_failed`): after the first restart
    nothing more was heard of, and ten pods never had their endpoints.
    """
    replica = arena.start(tuning=LASTING)
    _deploy(arena, namespace, 6)
    eventually(lambda: len(arena.records(namespace)) > 2, within=60)
    arena.control_plane.restart_apiserver()
    _scale(arena, namespace, 10)
    _wait_for(arena, namespace, 10)
    arena.control_plane.restart_apiserver()
    _scale(arena, namespace, 2)
    _wait_for(arena, namespace, 2)
    assert replica.exit_status is None
    arena.at_rest()


def test_the_api_server_is_away_for_longer_than_the_lease(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    """Guards that a leader who cannot renew ends, and that the next one goes on from what is there.

    Shown to fail when the loss of the Lease was not acted upon (`_exit_at_once` did nothing): the
    process was still there 20 s after the API server had gone.
    """
    replica = arena.start()
    _deploy(arena, namespace, 4)
    _wait_for(arena, namespace, 4)
    before = _entries(arena, namespace)
    arena.control_plane.stop_apiserver(kill=True)
    eventually(lambda: replica.exit_status is not None, within=60)
    assert replica.exit_status == 1
    replica.start()  # as its Deployment would, while there is no API server yet
    arena.control_plane.start_apiserver()
    _scale(arena, namespace, 6)
    replica.wait_leading(within=60)
    _wait_for(arena, namespace, 6)
    assert _entries(arena, namespace).items() >= before.items()


def test_what_happened_while_history_was_lost_is_noticed(
    arena: Arena, kubelet: Kubelet, namespace: str, link: Link
) -> None:
    """Guards the list that follows when a watch is answered 410 (`Expired`).

    Shown to fail when that was taken for any other failure (`Failure.EXPIRED` not in `_RELIST`):
    the watch was asked for again and again at a version that would never be served, and within a
    minute nobody had noticed which pods had gone.
    """
    replica = arena.start(link=link, tuning=LASTING)
    for name in ("stays", "goes", "returns"):
        arena.api.create(pods_path(namespace), pod(name, annotations=PORTS))
        arena.ready(namespace, name)
    before = _entries(arena, namespace)
    link.freeze()
    _delete(arena, namespace, "goes")
    _delete(arena, namespace, "returns")
    arena.api.create(pods_path(namespace), pod("returns", annotations=PORTS))
    kubelet.wait_running(namespace, "returns")
    arena.control_plane.expire_watches()
    link.cut()
    _wait_for(arena, namespace, 2)
    assert replica.exit_status is None
    assert any("Expired" in line.get("error", "") for line in replica.lines())
    after = _entries(arena, namespace)
    assert after["stays"] == before["stays"]
    assert after["returns"] != before["returns"]


def test_a_watch_that_hangs_is_given_up_for_a_new_one(
    arena: Arena, kubelet: Kubelet, namespace: str, link: Link
) -> None:
    """Guards the longest silence of a watch: its connection is open, and nothing will ever come.

    Shown to fail when a silent connection counted as a quiet cluster (`read_timeout` of a day):
    three pods had their endpoints and the two new ones never.
    """
    arena.start(link=link, tuning={"silence": 4.0})
    _deploy(arena, namespace, 3)
    _wait_for(arena, namespace, 3)
    link.freeze()
    _scale(arena, namespace, 5)
    _wait_for(arena, namespace, 5)


@pytest.mark.timeout(180)
def test_watches_that_hang_for_a_minute_go_on_as_if_nothing_had_been(
    arena: Arena, kubelet: Kubelet, namespace: str, link: Link
) -> None:
    """Guards that a hung connection holds up neither the Lease nor what follows the silence.

    In that minute a pod goes and another takes its name, and its IP goes to a third: all of it is
    told at once afterwards. Shown to fail when a request for the Lease waited for as long as it
    took (a `timeout` of a day in `LeaseElector._request`): within ten seconds there was no leader.
    """
    replica = arena.start(link=link)
    for name in ("stays", "returns"):
        arena.api.create(pods_path(namespace), pod(name, annotations=PORTS))
        arena.ready(namespace, name)
    before = _entries(arena, namespace)
    link.freeze()
    frozen = time.monotonic()
    _delete(arena, namespace, "returns")
    kubelet.addresses.offer(before["returns"][0]["internalIP"])
    arena.api.create(pods_path(namespace), pod("heir", annotations=PORTS))
    kubelet.wait_running(namespace, "heir")
    arena.api.create(pods_path(namespace), pod("returns", annotations=PORTS))
    kubelet.wait_running(namespace, "returns")
    while time.monotonic() < frozen + 60:
        assert replica.leads()
        time.sleep(1)
    link.thaw()
    _wait_for(arena, namespace, 3)
    assert _entries(arena, namespace)["stays"] == before["stays"]
    assert replica.exit_status is None
    arena.at_rest()


def test_conflicts_and_throttling_under_load_cost_time_and_nothing_else(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    """Guards that 409 and 429 are waited out and decided anew, as things that happen.

    Somebody else writes to every PodDNAT all the time, and the API server lets dnatctl have one
    request at once. Shown to fail when they counted as failures (`workers.EXPECTED` empty): all
    settled, with 113 in `controller_runtime_reconcile_errors_total`.
    """
    replica = arena.start()
    with _one_request_at_once(arena), meddling(arena, namespace):
        _deploy(arena, namespace, 12)
        eventually(lambda: _were_met(arena, namespace, 409, 429), within=60, every=1.0)
        eventually(lambda: len(_entries(arena, namespace)) == 12, within=60)
        _scale(arena, namespace, 4)
        eventually(lambda: len(arena.records(namespace)) == 4, within=60)
    _wait_for(arena, namespace, 4)
    assert replica.exit_status is None
    assert replica.total("controller_runtime_reconcile_errors_total") == 0
    assert replica.total("rest_client_requests_total", code="429") > 0
    arena.at_rest()


def _were_met(arena: Arena, namespace: str, *codes: int) -> bool:
    """Whether dnatctl has met these answers; if not, there is more to do for it, as whether two
    requests of it come at once is chance."""
    if set(codes) <= {request.code for request in arena.requests()}:
        return True
    for found in arena.api.items(pods_path(namespace))[:3]:
        arena.api.delete(f"{pods_path(namespace)}/{found['metadata']['name']}")
    return False


def _deploy(arena: Arena, namespace: str, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    arena.api.create(path, deployment("web", replicas, annotations=PORTS))


def _scale(arena: Arena, namespace: str, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    arena.api.patch(path, {"spec": {"replicas": replicas}})


def _wait_for(arena: Arena, namespace: str, count: int) -> None:
    """Wait until so many pods have their endpoints, and everything agrees."""
    arena.wait_until(lambda: len(_entries(arena, namespace)) == count)
    arena.settled()
    assert len(_entries(arena, namespace)) == count


def _entries(arena: Arena, namespace: str) -> dict[str, list[Object]]:
    """The usable entries by pod, of those that have both."""
    listed = {r["metadata"]["name"]: entries_of(r) for r in arena.records(namespace)}
    return {name: entries for name, entries in listed.items() if len(entries) == 2}


def _delete(arena: Arena, namespace: str, name: str) -> None:
    path = f"{pods_path(namespace)}/{name}"
    arena.api.delete(path)
    eventually(lambda: arena.api.find(path) is None)


@contextmanager
def _one_request_at_once(arena: Arena) -> Iterator[None]:
    """The API server carries out one request of dnatctl's at a time, and answers others 429.

    Its concurrency is shared out among priority levels: the one for dnatctl gets one share, and
    one that nobody uses gets thousands.
    """
    version = arena.api.get(FLOW_CONTROL)["preferredVersion"]["version"]
    path = f"{FLOW_CONTROL}/{version}"
    levels, schemas = f"{path}/prioritylevelconfigurations", f"{path}/flowschemas"
    arena.api.create(levels, _level("dnatctl-test", 1, version))
    arena.api.create(levels, _level("dnatctl-test-greedy", 100_000, version))
    arena.api.create(schemas, _schema("dnatctl-test"))
    try:
        yield
    finally:
        arena.api.delete(f"{schemas}/dnatctl-test")
        arena.api.delete(f"{levels}/dnatctl-test")
        arena.api.delete(f"{levels}/dnatctl-test-greedy")


def _level(name: str, shares: int, version: str) -> Object:
    """Levels may borrow from each other since v1beta3, which also renamed the shares."""
    older = version in ("v1beta1", "v1beta2")
    limited: Object = {"limitResponse": {"type": "Reject"}}
    if older:
        limited["assuredConcurrencyShares"] = shares
    else:
        limited |= {"nominalConcurrencyShares": shares, "borrowingLimitPercent": 0}
    return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}


def _schema(level: str) -> Object:
    account = {"name": "dnatctl", "namespace": "dnatctl-system"}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    return {
        "metadata": {"name": level},
        "spec": {
            "priorityLevelConfiguration": {"name": level},
            "matchingPrecedence": 2,
            "rules": [
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                    "resourceRules": [everything | {"clusterScope": True}],
                }
            ],
        },
    }

"""Worlds that are not as one expects: nothing true is taken away, nothing is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from dnatctl_sim.cloud import Scenario
from tests.support.stage import Object, Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        running.start_controller()
        yield running


def address(it: Stage, name: str) -> str:
    """The pod's IP, once it has one."""

    def found() -> str:
        pod = it.kube.store.get("pods", it.ns, name)
        return str((pod or {}).get("status", {}).get("podIP", ""))

    ip: str = eventually(found)
    return ip


def readdress(it: Stage, name: str, ip: str) -> None:
    """The pod comes back with another IP."""
    status = {"status": {"podIP": ip, "podIPs": [{"ip": ip}]}}
    it.kube.store.patch("pods", it.ns, name, status, subresource="status")


@contextmanager
def around(
    it: Stage, api: str, happening: Callable[[Any], AbstractContextManager[None]]
) -> Iterator[None]:
    """Something happens around each answer of the cloud to such calls."""
    served = it.cloud.serve

    def serve(request: Any) -> Any:
        if request.headers.get("x-acs-action") != api:
            return (yield from served(request))
        with happening(request):
            return (yield from served(request))

    it.cloud.serve = serve  # type: ignore[method-assign]
    yield
    it.cloud.serve = served  # type: ignore[method-assign]


@pytest.mark.parametrize("gone", [False, True], ids=["its pod lives", "its pod is gone"])
def test_a_row_that_the_first_reading_misses_is_not_taken_for_gone(gone: bool) -> None:
    """Somebody deletes a row of the first page before the second is read: ours, the first of the
    second page, moves to the page that has been read already."""
    with stage(Scenario(knobs=fast(quota=500, newest_first=False))) as it:
        where = (GATEWAY, "203.0.113.1")
        ids = [
            it.acts.create_entry(*where, str(2000 + n), f"10.0.9.{n + 1}", "80", name="other")
            for n in range(50)
        ]
        it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.quiet()  # whoever is told to stop leaves what is left to be told to the next
        it.stop_controllers()
        if gone:
            it.delete_pod("web", grace=0)
        others, before = ids[:1], it.writes()

        @contextmanager
        def shift(request: Any) -> Iterator[None]:
            if "PageNumber=2" in request.query and others:
                it.acts.delete_entry(others.pop(0))
            yield

        with around(it, "DescribeForwardTableEntries", shift):
            it.start_controller()
            if gone:
                it.gone("web")
                assert it.own_rows() == []
            else:
                it.quiet()
                assert (it.entries("web"), it.writes()) == ([entry], before)
        assert others == [], "the page did shift"
        it.assert_at_rest()


def test_gateways_that_are_not_described_for_a_while_keep_their_entries(it: Stage) -> None:
    """The cloud answers with an empty list, as it does to the key of another account."""
    for name in "abc":
        it.pod(name)
        it.ready(name)
    before = {name: it.entries(name) for name in "abc"}
    writes = it.writes()[1]
    gateways = it.cloud.world.gateways
    answers = []

    @contextmanager
    def hidden(request: Any) -> Iterator[None]:
        gateway = gateways.pop(GATEWAY)
        try:
            yield
        finally:
            gateways[GATEWAY] = gateway
            answers.append(request)

    controller = it.running[0].controller
    with around(it, "DescribeNatGateways", hidden):
        controller.parts.gateways.describe_soon()
        eventually(lambda: len(answers) >= 3)
    controller.parts.gateways.describe_soon()
    it.pod("later")
    it.ready("later")
    assert {name: it.entries(name) for name in "abc"} == before
    assert it.writes()[1] == writes + 1, "nothing but the entry of the pod that came later"


def test_two_pods_come_back_with_each_others_address(it: Stage) -> None:
    """A node was started anew. The cloud allows no two rows to one address, not for a moment."""
    for name in "ab":
        it.pod(name)
        it.ready(name)
    it.stop_controllers()
    addresses = {name: address(it, name) for name in "ab"}
    readdress(it, "a", addresses["b"])
    readdress(it, "b", addresses["a"])
    it.start_controller()
    it.settled()
    for name, other in ("ab", "ba"):
        assert [e["internalIP"] for e in it.ready(name)] == [addresses[other]]
    it.assert_at_rest()


def test_a_row_that_cannot_follow_its_pod_does_not_stay_on_anothers_address(it: Stage) -> None:
    """A foreign row has the pod's new address; a third pod has its old one."""
    it.pod("moved")
    it.ready("moved")
    old, new = address(it, "moved"), "10.0.0.77"
    foreign = it.acts.create_entry(GATEWAY, "203.0.113.2", "3000", new, "80", name="terraform")
    readdress(it, "moved", new)
    it.pod("other")
    address(it, "other")
    readdress(it, "other", old)

    def reached() -> list[Object]:
        return [e for e in it.entries("other") if e["internalIP"] == old]

    eventually(reached)
    eventually(lambda: it.entries("moved") == [])
    assert foreign in it.told("moved", "TupleConflict")
    leading = [row["entry_id"] for row in it.own_rows() if row["internal_ip"] == old]
    assert leading == [reached()[0]["forwardEntryId"]]


def test_a_port_outside_the_pool_is_not_had_while_the_gateway_is_in_trouble() -> None:
    """What its EIPs are cannot be looked up then, but which ports are offered is known."""
    with stage(resync="1s") as it:
        running = it.start_controller()
        it.pod("web")
        it.ready("web")
        it.referee.forged.add((it.ns, "web"))
        it.acts.set_gateway(GATEWAY, status="Modifying")
        running.controller.parts.gateways.describe_soon()
        eventually(lambda: running.controller.parts.views.pool.problem(GATEWAY))
        ports = [{"externalPort": "22", "internalPort": "80"}]
        spec = {"spec": {"portMapping": ports}}
        it.kube.store.patch("poddnats.alibabacloud.com", it.ns, "web", spec)
        eventually(lambda: not it.entries("web"))
        it.acts.set_gateway(GATEWAY, status="Available")
        (entry,) = it.ready("web")
        assert 512 <= int(entry["externalPort"]) <= 1024
        assert all(call.external.rpartition(":")[2] != "22" for call in it.calls())

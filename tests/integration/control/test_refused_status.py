"""A status that the API server does not store: what people are told, and where rows lead then."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match, Write
from dnatctl_sim.kube.wire.faults import Stage as When
from tests.support.stage import RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

REFUSALS = {
    "a webhook that is down": Fault(
        500, 'Internal error occurred: failed calling webhook "policy.example.com": no endpoints'
    ),
    "a webhook that says no": Fault(
        403, 'admission webhook "policy.example.com" denied the request: not here'
    ),
    "a webhook that answers nonsense": Fault(
        500, "Internal error occurred: add operation does not apply: doc is missing path"
    ),
    "a request that is given up": Fault(504, "the server was unable to return a response in time"),
    "a leave that is missing": Fault(403, "cannot patch resource poddnats/status"),
    "a definition without status": Fault(404, "the server could not find the requested resource"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    with stage(quarantine="1s") as running:
        running.start_controller()
        yield running


def refuse(it: Stage, name: str, fault: Fault) -> None:
    it.referee.mute.add((it.ns, name))
    it.kube.faults.add(fault, Match("patch", RECORDS, "status", namespace=it.ns), times=None)


@pytest.mark.parametrize("why", REFUSALS)
def test_the_next_holder_of_the_ip_is_not_reached_by_the_old_endpoint(it: Stage, why: str) -> None:
    it.pod("web")
    it.ready("web")
    refuse(it, "web", REFUSALS[why])
    it.delete_pod("web", grace=0)
    eventually(lambda: not it.own_rows("web"), what="the row goes")
    assert it.record("web"), "and the claim is kept until its end can be told"
    it.kube.faults.clear()
    it.gone("web")


def test_neither_is_that_of_a_fixed_pod_that_is_away(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful(it.ns))
    before = it.ready("db-0")
    refuse(it, "db-0", REFUSALS["a webhook that is down"])
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 0}})
    eventually(lambda: not it.own_rows("db-0"), what="the row goes")
    it.kube.faults.clear()
    eventually(lambda: not it.entries("db-0"))
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 1}})
    after = it.ready("db-0")
    assert [e["externalPort"] for e in after] == [e["externalPort"] for e in before]


def test_nor_is_it_where_the_api_server_never_answers(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook may hang for longer than a write is waited for."""
    it.pod("web")
    it.ready("web")
    with monkeypatch.context() as patch:  # a write that ends well may take its time
        patch.setattr("dnatctl.kube.poddnats.WRITE_S", 0.5)
        refuse(it, "web", Fault(500, "failed calling webhook: deadline exceeded", delay=1.0))
        it.delete_pod("web", grace=0)
        eventually(lambda: not it.own_rows("web"), what="the row goes")
        eventually(lambda: "does not say whether" in it.events("web").get("PodDNATRefused", ""))
        it.kube.faults.clear()
    it.gone("web")


def test_nor_is_it_where_the_api_server_has_too_many_requests_for_long(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    refuse(it, "web", Fault(429, retry_after=1))
    it.delete_pod("web", grace=0)
    eventually(lambda: not it.own_rows("web"), what="the row goes")
    it.kube.faults.clear()
    it.gone("web")


def test_nor_where_it_cannot_be_noted_whose_endpoint_it_is(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful(it.ns))
    it.ready("db-0")

    def notes_refused(write: Write) -> Fault | None:
        if write.resource == "configmaps" and b"dnatctl-parked" in write.body + write.name.encode():
            return REFUSALS["a webhook that answers nonsense"]
        return it.gate.on_kube_write(write)

    it.kube.faults.on_write = notes_refused
    it.referee.mute.add((it.ns, "db-0"))
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 0}})
    eventually(lambda: not it.own_rows("db-0"), what="the row goes")
    it.heal()
    eventually(lambda: not it.entries("db-0"))


def test_a_pod_that_has_its_ip_keeps_what_is_listed_until_that_can_be_withdrawn(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    refuse(it, "web", REFUSALS["a webhook that says no"])
    it.annotate("web", switch="false")
    it.told("web", "PodDNATRefused")
    assert it.own_rows("web")
    it.kube.faults.clear()
    it.gone("web")


@pytest.mark.parametrize("why", REFUSALS)
def test_it_is_told_on_the_pod_until_it_is_over(it: Stage, why: str) -> None:
    refused = Match("patch", RECORDS, "status", namespace=it.ns)
    it.kube.faults.add(REFUSALS[why], refused, times=None)
    it.pod("web")
    assert REFUSALS[why].message in it.told("web", "PodDNATRefused")
    it.kube.faults.clear()
    it.ready("web")
    eventually(lambda: it.condition("web")["status"] == "True")


@pytest.mark.parametrize("why", ["a webhook that says no", "a webhook that answers nonsense"])
def test_that_a_poddnat_may_not_be_let_go_is_told_on_it(it: Stage, why: str) -> None:
    it.pod("web")
    it.ready("web")

    def metadata_refused(write: Write) -> Fault | None:
        if (write.resource, write.subresource, write.verb) == (RECORDS, "", "patch"):
            return REFUSALS[why]
        return it.gate.on_kube_write(write)

    it.kube.faults.on_write = metadata_refused
    it.delete_pod("web", grace=0)
    eventually(lambda: REFUSALS[why].message in it.events("web").get("PodDNATRefused", ""))
    it.heal()
    it.gone("web")


def test_one_namespace_where_each_refusal_takes_long_holds_up_no_other(it: Stage) -> None:
    crowd = it.ns
    slow = Fault(500, REFUSALS["a webhook that is down"].message, delay=10.0)
    refused = Match("patch", RECORDS, "status", namespace=crowd)
    rule = it.kube.faults.add(slow, refused, times=None)
    for n in range(60):
        it.pod(f"web-{n}")
    eventually(lambda: rule.hits >= 4, what="all workers are held up")
    it.move_to(f"{crowd}-other")
    before = rule.hits
    it.pod("late")
    it.ready("late", seconds=90.0)
    assert rule.hits - before < 40, "all 60 go first, more than once, where it has to queue up"
    it.kube.faults.clear()
    for n in range(60):
        it.delete_pod(f"web-{n}", crowd, grace=0)
    eventually(lambda: not it.records(crowd))


def test_nor_is_it_where_the_poddnat_changes_before_each_write(
    it: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes to it without end: each try found that the cache had been behind."""
    monkeypatch.setattr("dnatctl.control.state.refusals.REFUSED_AFTER_S", 1.0)
    it.pod("web")
    it.ready("web")
    it.referee.mute.add((it.ns, "web"))
    store, times = it.kube.store, count()

    def touch(write: Write) -> None:
        if (write.stage, write.resource, write.subresource) == (When.BEFORE, RECORDS, "status"):
            change = {"metadata": {"annotations": {"touched": str(next(times))}}}
            store.patch(RECORDS, it.ns, "web", change)

    monkeypatch.setattr(it.kube.faults, "on_write", touch)
    it.delete_pod("web", grace=0)
    eventually(lambda: not it.own_rows("web"), what="the row goes")
    monkeypatch.undo()
    it.gone("web")

"""A PodDNAT that the API server does not store costs nobody else an endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match, Write
from tests.support.stage import RECORDS, Stage, eventually, fast, stage

QUARANTINE = "1800s"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    with stage(Scenario(knobs=fast(quota=2000)), quarantine=QUARANTINE) as running:
        running.start_controller()
        yield running


WEBHOOK = 'Internal error occurred: failed calling webhook "policy.example.com": no endpoints'
REFUSALS = {
    "a ResourceQuota": Fault(403, 'poddnats "web" is forbidden: exceeded quota: objects, limited'),
    "a namespace that is going": Fault(403, "namespace is being terminated"),
    "a webhook that says no": Fault(
        409, 'admission webhook "policy.example.com" denied the request: not here'
    ),
    "a webhook that says no such thing": Fault(
        404, 'admission webhook "policy.example.com" denied the request: not here'
    ),
    "a webhook that is down": Fault(500, WEBHOOK),
    "a conflict that is none": Fault(409, "Operation cannot be fulfilled on resourcequotas"),
    "a schema": Fault(422, "spec.portMapping: Too many: must have at most 10 items"),
    "no CRD": Fault(404, "the server could not find the requested resource"),
}


def resting(it: Stage) -> int:
    return len(it.running[0].controller.parts.views.quarantined())


def claimed(it: Stage) -> int:
    """Endpoints that are taken, asked for included."""
    return sum(len(spec.ports) for spec in it.claims().values())


def taken(it: Stage) -> tuple[int, int]:
    """How many endpoints rest and are claimed, when all is quiet."""
    it.quiet()
    return resting(it), claimed(it)


def creates(it: Stage) -> int:
    return len(
        it.kube.requests.all(
            lambda r: r.verb == "create" and r.resource == RECORDS and r.namespace == it.ns
        )
    )


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_for_certain_rests_nothing_and_is_told(it: Stage, why: str) -> None:
    fault = REFUSALS[why]
    before = taken(it)
    it.kube.faults.add(fault, Match("create", RECORDS, namespace=it.ns), times=None)
    it.pod("web", "1-10")
    said = it.told("web", "PodDNATRefused")
    assert fault.message in said
    eventually(lambda: creates(it) >= 4, what="it is tried again")
    it.kube.faults.clear()
    it.ready("web", 10)
    assert taken(it) == (before[0], before[1] + 10)
    eventually(lambda: it.condition("web")["status"] == "True")


def test_a_change_of_a_claim_that_is_refused_rests_nothing_either(it: Stage) -> None:
    it.pod("web", "80")
    it.ready("web")
    before = taken(it)
    it.kube.faults.add(
        Fault(403, "no more of it"), Match("patch", RECORDS, namespace=it.ns), times=None
    )
    it.annotate("web", **{"expose-port": "80,1-20"})
    assert "no more of it" in it.told("web", "PodDNATRefused")
    assert it.entries("web"), "what it has is not touched"
    it.kube.faults.clear()
    it.ready("web", 21)
    assert taken(it) == (before[0], before[1] + 20)


@pytest.mark.parametrize("fault", [Fault(500), Fault(504), Fault(drop=True)])
def test_of_a_pod_in_doubt_one_set_of_endpoints_is_taken_at_most(it: Stage, fault: Fault) -> None:
    """It is asked for again with the same ones."""
    before = taken(it)
    it.kube.faults.add(fault, Match("create", RECORDS, namespace=it.ns), times=6)
    it.pod("web", "1-10")
    eventually(lambda: creates(it) >= 6)
    it.ready("web", 10)
    assert taken(it) == (before[0], before[1] + 10)


def test_what_is_in_doubt_rests_when_its_pod_is_gone(it: Stage) -> None:
    before, _ = taken(it)
    fault = Fault(500)
    it.kube.faults.add(fault, Match("create", RECORDS, namespace=it.ns), times=None)
    it.pod("web", "1-10")
    eventually(lambda: creates(it) >= 2)
    it.delete_pod("web", grace=0)
    eventually(lambda: resting(it) == before + 10)


def test_neighbours_of_a_refused_namespace_are_served(it: Stage) -> None:
    """Eight pods whose tries take new endpoints each time would empty the pool at once."""
    names = [f"web-{n}" for n in range(8)]
    refused = it.ns
    match = Match("create", RECORDS, namespace=refused)
    it.kube.faults.add(Fault(403, "exceeded quota"), match, times=None)
    for name in names:
        it.pod(name, "1-12")
    for name in names:
        it.told(name, "PodDNATRefused")
    it.move_to("neighbours")
    it.pod("other", "1-12")
    it.ready("other", 12)
    it.delete_pod("other", grace=0)
    it.gone("other")
    for name in names[3:]:
        it.delete_pod(name, refused, grace=0)
    it.kube.faults.clear()
    for name in names[:3]:
        it.ready(name, 12, refused)
    for name in names[:3]:
        it.delete_pod(name, refused, grace=0)
        it.gone(name, refused)


def test_neighbours_of_a_namespace_whose_claims_are_not_answered_are_served(it: Stage) -> None:
    """What is asked for may be stored yet, and stays taken: of all pods it would be the pool."""
    names = [f"web-{n}" for n in range(8)]
    silent, (_, before) = it.ns, taken(it)
    it.kube.faults.add(Fault(drop=True), Match("create", RECORDS, namespace=silent), times=None)
    for name in names:
        it.pod(name, "1-12")

    def told() -> list[str]:
        said = [it.condition(name, silent).get("message", "") for name in names]
        return [each for each in said if "does not say whether it stores" in each]

    eventually(lambda: len(told()) >= 4, what=told)
    it.move_to("others")
    it.pod("other", "1-12")
    it.ready("other", 12)
    for name in names:
        it.delete_pod(name, silent, grace=0)
    eventually(lambda: claimed(it) == before + 12, what="nothing is kept for pods that are gone")
    it.kube.faults.clear()


def test_one_refused_pod_does_not_hold_up_its_neighbours(it: Stage) -> None:
    not_this_one = Fault(422, "not this one")

    def refuse(write: Write) -> Fault | None:
        bad = (write.verb, write.resource) == ("create", RECORDS) and b'"bad"' in write.body
        return not_this_one if bad else it.gate.on_kube_write(write)

    it.kube.faults.on_write = refuse
    it.pod("bad", "80")
    it.told("bad", "PodDNATRefused")
    for n in range(4):
        it.pod(f"good-{n}", "80")
    for n in range(4):
        it.ready(f"good-{n}")
    assert not it.record("bad")
    it.heal()
    it.ready("bad")

"""A PodDNAT that the API server does not let go: its endpoints are others' to have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Write
from tests.integration.control.test_herds import POOL
from tests.support.stage import RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

NO = Fault(403, 'admission webhook "policy.example.com" denied the request: not here')
BROKEN = Fault(500, "etcdserver: request is too large")

KEPT = {
    "deletion": (NO, ("delete",), ("",)),
    "finalizers": (NO, ("patch",), ("",)),
    "finalizers, and for no reason that is known": (BROKEN, ("patch",), ("",)),
    "status and finalizers": (NO, ("patch",), ("", "status")),
}
"""What is answered to which verbs, for which subresources."""


@pytest.fixture
def cluster() -> Iterator[Stage]:
    """Four endpoints in all."""
    with stage(networkController=POOL, quarantine="1s") as it:
        it.start_controller()
        yield it


def refuse(it: Stage, what: str) -> None:
    """From now on, for the PodDNATs that there are here."""
    fault, verbs, subresources = KEPT[what]
    here = it.ns
    it.referee.kept |= {record["metadata"]["uid"] for record in it.records(here)}
    it.referee.mute |= {(here, record["metadata"]["name"]) for record in it.records(here)}

    def refused(write: Write) -> Fault | None:
        of_these = (write.namespace, write.resource) == (here, RECORDS)
        if of_these and write.verb in verbs and write.subresource in subresources:
            return fault
        return it.gate.on_kube_write(write)

    it.kube.faults.on_write = refused


def crowd_is_gone(it: Stage, names: list[str], what: str) -> None:
    """Its pods are gone, and their rows; their PodDNATs are not.

    Where deletions are refused the pods stay and ask no more: nobody refuses anything to the
    emulated garbage collector.
    """
    for name in names:
        if what == "deletion":
            it.annotate(name, switch="false")
        else:
            it.delete_pod(name, grace=0)
    eventually(lambda: not any(it.own_rows(name) for name in names), what="the rows go")
    assert len(it.records(it.ns)) == len(names)


def back_to(it: Stage, namespace: str) -> None:
    it.heal()
    it.clear_out()
    it.ns = namespace


@pytest.mark.parametrize("what", KEPT)
def test_another_namespace_gets_what_they_claim(it: Stage, what: str) -> None:
    crowd = it.ns
    names = [f"web-{n}" for n in range(4)]
    for name in names:
        it.pod(name)
        it.ready(name)
    refuse(it, what)
    crowd_is_gone(it, names, what)
    it.move_to(f"{crowd}-other")
    it.pod("late")
    before = it.ready("late")
    it.heal()
    eventually(lambda: not it.records(crowd), what="the PodDNATs go when they may")
    assert it.entries("late") == before
    back_to(it, crowd)


def test_a_restart_does_not_believe_them(it: Stage) -> None:
    crowd = it.ns
    names = [f"web-{n}" for n in range(4)]
    for name in names:
        it.pod(name)
        it.ready(name)
    refuse(it, "finalizers")
    crowd_is_gone(it, names, "finalizers")
    it.move_to(f"{crowd}-other")
    it.kube.store.create("statefulsets.apps", stateful(it.ns, replicas=4))
    before = [it.ready(f"db-{n}") for n in range(4)]
    it.stop_controllers()
    it.start_controller()
    it.quiet()
    assert [it.entries(f"db-{n}") for n in range(4)] == before
    back_to(it, crowd)


def test_a_pod_that_asks_again_gets_other_endpoints(it: Stage) -> None:
    crowd = it.ns
    it.pod("web")
    first = it.ready("web")[0]["externalPort"]
    refuse(it, "deletion")
    it.annotate("web", switch="false")
    eventually(lambda: not it.own_rows("web"))
    it.move_to(f"{crowd}-other")
    for n in range(4):
        it.pod(f"late-{n}")
    served = [it.ready(f"late-{n}")[0]["externalPort"] for n in range(4)]
    assert first in served
    it.annotate("web", crowd, switch="")
    it.told("web", "PoolExhausted", crowd)
    gone = next(n for n, port in enumerate(served) if port != first)
    it.delete_pod(f"late-{gone}", grace=0)
    assert it.ready("web", namespace=crowd)[0]["externalPort"] == served[gone]
    back_to(it, crowd)

"""The program as a whole: told to stop in every phase, its Lease lost, two that want to lead."""

from __future__ import annotations

import os
from typing import Any

import pytest

from dnatctl_sim.cloud import Fault as CloudFault
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.process import PATIENT_LEASE, Program
from tests.support.stage import NAMESPACE, PATIENCE_S, Stage, eventually, stage

LEASES = "leases.coordination.k8s.io"
GRACE_S = 30.0
AT_LENGTH = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def holder(it: Stage) -> str:
    """Who holds the Lease."""
    lease: dict[str, Any] = it.kube.store.get(LEASES, NAMESPACE, "dnatctl") or {}
    return str(lease.get("spec", {}).get("holderIdentity", ""))


def starting(it: Stage, program: Program) -> None:
    """It has just begun."""
    eventually(lambda: b"starting" in program.log.read_bytes())


def in_the_middle(it: Stage, program: Program) -> None:
    """It has much to do."""
    for n in range(40):
        it.pod(f"web-{n}", "80,443")
    eventually(lambda: len(it.own_rows()) > 5)


def at_rest(it: Stage, program: Program) -> None:
    """It has nothing to do."""
    it.pod("web")
    it.ready("web")


def without_kubernetes(it: Stage, program: Program) -> None:
    """The API server has just gone."""
    at_rest(it, program)
    it.kube.go_offline()


def without_cloud(it: Stage, program: Program) -> None:
    """The cloud hangs, with a write under way."""
    at_rest(it, program)
    it.cloud.add_fault(CloudFault(action="delay", stage="before", seconds=60, times=None))
    it.pod("next")
    eventually(lambda: it.calls("CreateForwardEntry")[-1].replied == 0)


PHASES = (starting, in_the_middle, at_rest, without_kubernetes, without_cloud)


@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_in_each_phase_ends_in_time_and_in_order(phase: Any) -> None:
    with stage() as it:
        gives_back = phase in (in_the_middle, at_rest)
        program = Program(it, elect=True, before=PATIENT_LEASE if gives_back else "")
        program.start()
        try:
            phase(it, program)
            assert program.end(GRACE_S) < GRACE_S
            if gives_back:
                assert holder(it) == "", "the Lease is given back"
            program.start()  # the next one finishes the work, or finds it done
            if phase is without_kubernetes:
                it.kube.go_online()
            it.cloud.clear_faults()
            it.settled()
        finally:
            program.kill()


def test_a_standby_takes_over_at_once_when_the_leader_stops() -> None:
    with stage() as it:
        first = it.start_controller()
        second = it.start_controller(wait=False)
        it.pod("web")
        it.ready("web")
        assert not second.controller.parts.standing.working
        first.stop.set()
        eventually(lambda: second.controller.parts.standing.working)
        it.pod("next")
        it.ready("next")
        it.running.remove(first)
        first.thread.join(PATIENCE_S)
        it.assert_at_rest()


def test_a_leader_that_cannot_renew_stops_before_another_starts() -> None:
    """Two leaders for a moment: the old one's writes end before the new one's begin."""
    with stage() as it:
        first = it.start_controller(identity="first")
        second = it.start_controller(wait=False, identity="second")
        it.pod("web")
        it.ready("web")
        cut = Match(verb="update", resource=LEASES)
        it.kube.faults.add(Fault(code=500), cut, times=None)
        eventually(lambda: not first.controller.parts.may_write())
        it.pod("in-between")
        eventually(first.stop.is_set)
        assert it.record("in-between") is None  # nor has it claimed anything in these seconds
        it.kube.faults.clear()
        it.heal()
        eventually(lambda: second.controller.parts.standing.working)
        it.ready("in-between")
        first.thread.join(PATIENCE_S)
        it.running.remove(first)
        it.assert_at_rest()
        assert it.cloud.counters()["overlaps"] == 0


@pytest.mark.skipif(not AT_LENGTH, reason="takes 40 s; make prove does it")
def test_a_leader_suspended_beyond_its_lease_writes_nothing_when_it_wakes() -> None:
    """A long pause (a suspended machine, a slow collection): the clock that counts is monotonic."""
    with stage() as it:
        program = Program(it, elect=True)
        program.start()
        try:
            it.pod("web")
            it.ready("web")
            program.suspend()
            it.start_controller(wait=False)
            eventually(lambda: it.running[0].controller.parts.standing.working)
            for n in range(20):
                it.pod(f"web-{n}")
            program.resume()
            eventually(program.ended)
            for n in range(20):
                it.ready(f"web-{n}")
            it.assert_at_rest()
            assert it.cloud.counters()["overlaps"] == 0
        finally:
            program.kill()

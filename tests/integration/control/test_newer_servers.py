"""What API servers of today say and write that those of 1.20 did not."""

from __future__ import annotations

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, stage

INITIALIZING = Fault(code=429, message="storage is (re)initializing", retry_after=1)
"""What a server says of a resource after it started, or after its definition was established:
https://github.com/kubernetes/kubernetes/blob/v1.33.0/staging/src/k8s.io/apiserver/pkg/storage/cacher/cacher.go
"""
REJECTED = Fault(code=429, message="Too many requests, please try again later.", retry_after=1)
"""What API Priority and Fairness says."""

NEW_SPEC = {
    "hostUsers": False,
    "initContainers": [
        {"name": "proxy", "image": "envoy", "restartPolicy": "Always"},
        {"name": "setup", "image": "busybox"},
    ],
    "containers": [
        {
            "name": "main",
            "image": "game",
            "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        }
    ],
    "schedulingGates": [],
}


@pytest.mark.parametrize("refusal", [INITIALIZING, REJECTED], ids=["initializing", "busy"])
def test_a_server_that_is_not_ready_yet_is_waited_for(refusal: Fault) -> None:
    with stage() as it:
        for resource in ("pods", RECORDS, "nodes", "leases.coordination.k8s.io", "configmaps"):
            it.kube.faults.add(refusal, Match(resource=resource), times=2)
        it.start_controller()
        for verb in ("create", "patch"):
            it.kube.faults.add(refusal, Match(resource=RECORDS, verb=verb), times=1)
        it.pod("web")
        it.ready("web")
        it.kube.faults.add(refusal, Match(verb="watch"), times=3)
        it.kube.watches.close()
        it.delete_pod("web")
        it.gone("web")
        it.assert_at_rest()


def test_a_pod_with_what_servers_of_today_take(it: Stage) -> None:
    it.pod("new", "80,53/udp", spec=NEW_SPEC)
    it.ready("new", 2)
    it.delete_pod("new")
    it.gone("new")

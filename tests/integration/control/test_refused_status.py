"""A status that the API server does not store, and what people are told of it."""

from __future__ import annotations

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, eventually

REFUSALS = {
    "a webhook that is down": Fault(
        500, 'Internal error occurred: failed calling webhook "policy.example.com": no endpoints'
    ),
    "a webhook that says no": Fault(
        403, 'admission webhook "policy.example.com" denied the request: not here'
    ),
    "a leave that is missing": Fault(403, "cannot patch resource poddnats/status"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_it_is_told_on_the_pod_until_it_is_over(it: Stage, why: str) -> None:
    refused = Match("patch", RECORDS, "status", namespace=it.ns)
    it.kube.faults.add(REFUSALS[why], refused, times=None)
    it.pod("web")
    assert REFUSALS[why].message in it.told("web", "PodDNATRefused")
    it.kube.faults.clear()
    it.ready("web")
    eventually(lambda: it.condition("web")["status"] == "True")

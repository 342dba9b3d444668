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


def test_one_namespace_where_each_refusal_takes_long_holds_up_no_other(it: Stage) -> None:
    crowd = it.ns
    slow = Fault(500, REFUSALS["a webhook that is down"].message, delay=2.0)
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
    eventually(lambda: not it.records(crowd), seconds=60.0)

"""Several things may be wrong at once: which is told does not depend on what is looked at first."""

import pytest

from dnatctl.plan.exposure import Problem
from dnatctl.plan.policy import DELETION_HELD
from dnatctl.plan.values import Allowance, Policy
from dnatctl.table.writes import Refused
from tests.unit.plan.made import EIP, OTHER, POD_IP, Scene, mine, new_row, pod, record, refused, row

TWO = record((600, 80), (601, 443))
STRAY = mine("fwd-3", f"{EIP}:605", f"{POD_IP}:8080")
INTERNAL = {"600": "80", "601": "443"}


def foreign(internal: int):
    """Somebody else's row for a port of the pod."""
    return row("fwd-9", f"{EIP}:700", f"{POD_IP}:{internal}")


def rejected(*external: str) -> dict:
    """The cloud refused rows for these external ports."""
    found: dict = {}
    for port in external:
        found |= refused(new_row(port, INTERNAL[port]), Refused.REJECTED)
    return found


def told(scene: Scene, **seen: object) -> str:
    problem = scene.plan(**seen).problem
    return problem.reason if problem else ""


@pytest.mark.parametrize("internal", [80, 443])
def test_a_row_in_the_way_is_told_before_a_refusal_of_whichever_port(internal):
    scene = Scene(foreign(internal), record=TWO, pod=pod("80,443"))
    assert told(scene, refusals=rejected("600", "601")) == "TupleConflict"


def test_a_row_in_the_way_is_told_before_one_that_the_policy_keeps():
    scene = Scene(foreign(443), STRAY, record=TWO, pod=pod("80,443"))
    assert told(scene, policy=Policy(upsert_only=True)) == "TupleConflict"


def test_what_the_policy_keeps_is_told_before_what_the_cloud_refuses():
    scene = Scene(STRAY, record=TWO, pod=pod("80,443"), refusals=rejected("600"))
    assert told(scene, policy=Policy(upsert_only=True)) == DELETION_HELD.reason
    assert told(scene) == "CloudRejected"


def test_what_the_cloud_refuses_is_told_before_what_a_gateway_lacks():
    scene = Scene(record=TWO, pod=pod("80,443"), refusals=rejected("600"))
    scene.pool.describe("ngw-1", scene.pool.eips("ngw-1"), "it is being modified")
    assert told(scene) == "CloudRejected"
    assert told(scene, refusals={}) == "GatewayUnusable"


def test_why_there_are_no_more_endpoints_is_told_before_rows_that_are_in_the_way():
    withheld = Allowance(0, Problem("NamespaceQuota", "no more"), 7.0)
    scene = Scene(foreign(80), record=record((600, 80)), pod=pod("80,443"))
    made = scene.plan(allowance=withheld)
    assert made.problem == withheld.problem
    assert made.retry_in == 7.0


def test_an_external_ip_that_forwards_nothing_is_told_before_all_else():
    scene = Scene(foreign(80), record=TWO, pod=pod("nonsense"), refusals=rejected("601"))
    assert told(scene, outage="it has no shared bandwidth") == "GatewayUnusable"
    assert told(scene) == "InvalidAnnotation"


def test_what_is_only_supposed_is_told_last():
    scene = Scene(record=TWO, pod=pod("80,443"), no_interface=True)
    assert told(scene) == "NoInterface"
    assert told(scene, refusals=rejected("600")) == "CloudRejected"


def test_all_that_is_waited_for_is_waited_for():
    """Not only what was thought of last."""
    other = row("fwd-9", f"{EIP}:700", f"{POD_IP}:80", owner=OTHER)
    withheld = Allowance(0, Problem("NamespaceQuota", "no more"), 2.0)
    scene = Scene(other, record=record((600, 80)), pod=pod("80,443"), stated_for=1.0)
    assert scene.plan(allowance=withheld).retry_in == 2.0
    assert scene.plan().retry_in == 4.0

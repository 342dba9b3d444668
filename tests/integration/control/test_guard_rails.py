"""Who may expose what: denied ports, denied namespaces, gateways reserved for namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.integration.control.test_gateways import FIRST, SECOND, gateway_of, pool, two
from tests.integration.control.test_handwritten import write
from tests.support.stage import POD_READY, Stage, eventually, fast, stage


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(Scenario(knobs=fast())) as it:
        yield it


def test_a_denied_port_gets_nothing_however_it_is_asked_for(it: Stage) -> None:
    it.start_controller()
    it.pod("web", ports="80,10250")
    assert "deniedPorts in the controller's configuration has 10250" in it.told("web", "PortDenied")
    write(it, "web", [(900, 10250)])
    it.quiet()
    assert not it.own_rows()
    it.annotate("web", expose_port="80")
    (entry,) = it.ready("web")
    assert entry["internalPort"] == "80"


def test_a_namespace_that_is_denied_loses_what_it_has_after_the_grace(it: Stage) -> None:
    it.start_controller()
    it.move_to("casino")
    it.pod("web")
    it.pod("fixed", fixed="")
    it.ready("web")
    it.pod("neighbour", namespace="default")
    it.ready("neighbour", namespace="default")
    it.stop_controllers()
    it.config["namespaces"] = {"deny": ["casino"], "grace": "15s"}
    it.start_controller()
    said = it.told("web", "NamespaceDenied")
    assert "namespaces.deny has casino" in said
    assert "released at" in it.events("web")["NamespaceDenied"]
    it.gone("web")
    it.gone("fixed")
    eventually(lambda: it.condition("web")["status"] == "False")
    assert {row["internal_port"] for row in it.own_rows()} == {"80"}
    assert len(it.own_rows()) == 1, "the neighbour's"
    it.assert_at_rest(but=[("casino", "web"), ("casino", "fixed")])


LABELLED = {"selector": "dnat=allowed", "allow": ["default"], "grace": "1s"}


def label(it: Stage, **labels: str | None) -> None:
    """Label the namespace that we are in; None takes a label away."""
    it.kube.store.patch("namespaces", "", it.ns, {"metadata": {"labels": labels}})


def test_labels_of_a_namespace_let_its_pods_in_and_out_as_they_change(it: Stage) -> None:
    it.config |= {"namespaces": LABELLED, "resync": "1h"}
    it.start_controller()
    it.move_to("games")
    it.pod("web")
    assert "namespaces.selector is dnat=allowed" in it.told("web", "NamespaceDenied")
    assert not it.own_rows()
    label(it, dnat="allowed")
    it.ready("web")
    it.pod("neighbour", namespace="default")
    it.ready("neighbour", namespace="default")
    label(it, dnat=None)
    it.gone("web")
    assert "released at" in it.events("web")["NamespaceDenied"]
    eventually(lambda: len(it.own_rows()) == 1, what="the neighbour's, by name")
    it.assert_at_rest(but=[("games", "web")])


def test_a_pod_of_a_namespace_that_was_just_made_is_let_in(it: Stage) -> None:
    """However late the watch of namespaces is: it is never said to be denied first."""
    it.config["namespaces"] = LABELLED
    it.start_controller()
    it.kube.faults.watches.swallow("namespaces", 50)
    it.move_to("games")
    label(it, dnat="allowed")
    it.pod("web")
    it.ready("web")
    assert "NamespaceDenied" not in it.events("web")


def test_labels_count_from_when_the_configuration_names_them(it: Stage) -> None:
    it.start_controller()
    it.move_to("games")
    it.pod("web")
    it.ready("web")
    it.reload(namespaces=LABELLED)
    it.gone("web")
    label(it, dnat="allowed")
    it.ready("web")


def test_without_leave_to_list_namespaces_it_says_what_it_waits_for(it: Stage) -> None:
    it.config["namespaces"] = LABELLED
    no = Fault(403, 'namespaces is forbidden: cannot list resource "namespaces"')
    it.kube.faults.add(no, Match("list", "namespaces"), times=None)
    running = it.start_controller(wait=False)
    standing = running.controller.parts.standing
    eventually(lambda: "namespace-selector" in standing.check_caches())
    assert not standing.working
    it.heal()
    eventually(lambda: standing.working)


def test_a_reserved_gateway_is_for_its_namespaces_only() -> None:
    whole = pool(FIRST, SECOND)
    whole["natGwPool"][1] |= {"namespaces": ["vip-*"]}
    whole["natGwPool"][0] |= {"portRangeEnd": 512}
    with stage(two(), networkController=whole) as it:
        it.start_controller()
        it.pod("shop")
        assert gateway_of(it, "shop") == FIRST
        it.pod("late")
        assert f"{SECOND}: is reserved for namespaces vip-*" in it.told("late", "PoolExhausted")
        there = it.cloud.scenario.gateways[1].eips[0]
        write(it, "late", [(600, 80)], SECOND, there)
        it.quiet()
        assert not it.own_rows("late")
        it.move_to("vip-1")
        it.pod("game")
        assert gateway_of(it, "game") == SECOND


GATED = {"readinessGates": [{"conditionType": POD_READY}]}


NO_LEAVE = Fault(403, 'pods "web" is forbidden: cannot patch resource "pods/status"')
TOLD = Match("patch", "pods", "status")


@pytest.mark.parametrize("asked", [None, False])
def test_by_default_pods_are_told_in_events_alone_and_nothing_complains(asked: bool | None) -> None:
    with stage(publish={"condition": asked}) as it:
        it.kube.faults.add(NO_LEAVE, TOLD, times=None)
        it.start_controller()
        it.pod("one")
        it.pod("gated", spec=GATED)
        it.pod("wrong", ports="99999")
        it.ready("one")
        it.ready("gated")
        eventually(lambda: "ReadinessGateShut" in it.events("gated"))
        eventually(lambda: "InvalidAnnotation" in it.events("wrong"))
        it.quiet()
        assert "ReadinessGateShut" not in it.events("one")
        assert it.condition("one") == it.condition("gated") == it.condition("wrong") == {}
        tries = it.kube.requests.all(lambda r: r.verb == "patch" and r.resource == "pods/status")
        assert len(tries) <= (0 if asked is False else 4), "one worker each at most, then believed"
        assert it.running[0].controller.parts.report.notes() == []


def test_where_there_is_leave_the_condition_is_set_unless_it_is_not_wanted() -> None:
    with stage(publish={"condition": None}) as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        eventually(lambda: it.condition("web").get("status") == "True")


def test_without_leave_to_tell_pods_it_is_said_once_and_the_rest_goes_on(it: Stage) -> None:
    """Where the configuration asks for it and the role of manifests/pod-condition is left out."""
    it.kube.faults.add(NO_LEAVE, TOLD, times=None)
    it.start_controller()
    for name in ("one", "two", "three"):
        it.pod(name, spec=GATED if name == "one" else None)
        it.ready(name)
    eventually(lambda: "ReadinessGateShut" in it.events("one"))
    it.quiet()
    (note,) = it.running[0].controller.parts.report.notes()
    assert 'cannot patch resource "pods/status"' in note
    tries = it.kube.requests.all(lambda r: r.verb == "patch" and r.resource == "pods/status")
    by_controller = [request for request in tries if request.code == 403]
    assert 1 <= len(by_controller) < 3
    assert it.condition("one") == {}

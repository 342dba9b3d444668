"""The configuration changes under a controller at work, and nobody who is served feels it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dnatctl.control.people.inventory import Inventory
from dnatctl.control.people.reload import REFUSED
from dnatctl.model import Protocol
from dnatctl.objects import ENDPOINTS
from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import NAMESPACE, POD_READY, Object, Stage, eventually, fast, stage
from tests.support.workloads import stateful

FIRST, SECOND = "ngw-bp1emulated0001", "ngw-bp1emulated0002"


def pool(*gateways: str, **more: Any) -> Object:
    base = {"portRangeStart": 512, "portRangeEnd": 520}
    return {"natGwPool": [{"natgwId": g} | base | more for g in gateways]}


@pytest.fixture
def two() -> Iterator[Stage]:
    """Two gateways of one EIP each, of which the first is in the pool."""
    scenario = Scenario.many(2, eips=1, knobs=fast())
    with stage(scenario, networkController=pool(FIRST)) as it:
        it.start_controller()
        yield it


def exposed(it: Stage, *names: str) -> list[Object]:
    for name in names:
        it.pod(name)
    return [it.ready(name)[0] for name in names]


def port_of(entry: Object) -> int:
    return int(entry["externalPort"])


def endpoint_of(entry: Object) -> tuple[str, int]:
    return str(entry["externalIP"]), port_of(entry)


def gateways_of(it: Stage) -> set[str]:
    return {row["gateway"] for row in it.own_rows()}


def shown(it: Stage) -> dict[str, int]:
    """What leaves the pool as `status` shows it, by gateway."""
    status = it.running[0].controller.parts.board.status()
    return {gateway.id: gateway.leaving for gateway in status.gateways}


class TestRange:
    def test_no_row_of_a_living_pod_is_touched_when_it_shrinks(self, two: Stage) -> None:
        exposed(two, "a", "b", "c", "d")
        two.quiet()
        rows, written = two.own_rows(), two.writes()

        two.reload(networkController=pool(FIRST, portRangeEnd=513))
        two.quiet()

        assert (two.own_rows(), two.writes()) == (rows, written)
        assert shown(two) == {FIRST: 2}
        two.assert_at_rest()

    def test_what_is_cut_off_is_repaired_and_released_and_not_handed_out_again(
        self, two: Stage
    ) -> None:
        exposed(two, "a", "b")
        kept = {name: two.entries(name)[0] for name in ("a", "b")}
        two.reload(networkController=pool(FIRST, portRangeStart=515))

        two.delete_row(kept["a"]["forwardEntryId"])
        eventually(lambda: two.entries("a") != [kept["a"]])
        assert port_of(two.ready("a")[0]) == port_of(kept["a"])

        two.delete_pod("b", grace=0)
        two.gone("b")
        assert port_of(exposed(two, "c")[0]) == 515
        assert shown(two) == {FIRST: 1}
        two.assert_at_rest()

    def test_who_found_no_port_gets_one_when_it_grows(self, two: Stage) -> None:
        two.reload(networkController=pool(FIRST, portRangeEnd=512))
        exposed(two, "a")
        two.pod("b")
        two.told("b", "PoolExhausted")

        two.reload(networkController=pool(FIRST, portRangeEnd=513))

        assert port_of(two.ready("b")[0]) == 513


class TestGateway:
    def test_one_that_comes_serves_who_waits(self, two: Stage) -> None:
        two.reload(networkController=pool(FIRST, portRangeEnd=512))
        exposed(two, "a")
        two.pod("b")
        two.told("b", "PoolExhausted")

        two.reload(networkController=pool(FIRST, SECOND, portRangeEnd=512))

        two.ready("b")
        assert gateways_of(two) == {FIRST, SECOND}
        two.assert_at_rest()

    def test_one_that_leaves_is_drained_to_the_end(self, two: Stage) -> None:
        exposed(two, "a", "b")
        rows = two.own_rows()

        two.reload(networkController=pool(SECOND))
        exposed(two, "c")

        assert [row for row in two.own_rows() if row["gateway"] == FIRST] == rows
        assert shown(two) == {SECOND: 0, FIRST: 2}
        two.delete_row(two.entries("a")[0]["forwardEntryId"])
        eventually(lambda: len(two.own_rows("a")) == 1 and two.entries("a"))
        assert two.own_rows("a")[0]["gateway"] == FIRST
        for name in ("a", "b"):
            two.delete_pod(name, grace=0)
            two.gone(name)
        parts = two.running[0].controller.parts
        eventually(lambda: (parts.gateways.describe_soon(), FIRST not in shown(two))[1])
        assert parts.gateways.fleet.poller(FIRST) is None
        assert gateways_of(two) == {SECOND}

    def test_one_that_left_and_comes_back_serves_again(self, two: Stage) -> None:
        exposed(two, "a")
        two.reload(networkController=pool(SECOND))
        two.delete_pod("a", grace=0)
        two.gone("a")
        parts = two.running[0].controller.parts
        eventually(lambda: (parts.gateways.describe_soon(), FIRST not in shown(two))[1])

        two.reload(networkController=pool(FIRST))

        exposed(two, "b")
        assert gateways_of(two) == {FIRST}

    def test_an_eip_that_leaves_keeps_its_pods(self) -> None:
        with stage(networkController=pool(FIRST)) as it:
            it.start_controller()
            entries = exposed(it, "a", "b")
            ips = [entry["externalIP"] for entry in entries]
            assert len(set(ips)) == 2

            it.reload(networkController=pool(FIRST, eips=[ips[0]]))

            assert {entry["externalIP"] for entry in exposed(it, "c", "d")} == {ips[0]}
            assert [it.entries("a")[0], it.entries("b")[0]] == entries
            it.assert_at_rest()


RESERVED = {"natGwPool": pool(FIRST, namespaces=["games"])["natGwPool"] + pool(SECOND)["natGwPool"]}


class TestReservation:
    """The only gateway in use is reserved for a namespace that nobody is in."""

    @pytest.mark.parametrize("restarted", [False, True])
    def test_what_is_lost_of_a_living_pod_is_mended_where_it_was(
        self, two: Stage, restarted: bool
    ) -> None:
        (had,) = exposed(two, "a")
        two.reload(networkController=RESERVED)
        if restarted:
            two.stop_controllers()
            two.start_controller()
        two.quiet()

        two.delete_row(had["forwardEntryId"])

        assert endpoint_of(eventually(lambda: other(two, "a", had))) == endpoint_of(had)
        assert shown(two) == {FIRST: 1, SECOND: 0}
        exposed(two, "b")
        assert gateways_of(two) == {FIRST, SECOND}
        two.assert_at_rest()

    @pytest.mark.parametrize("restarted", [False, True])
    def test_a_fixed_pod_that_is_away_comes_back_to_what_it_had(
        self, two: Stage, restarted: bool
    ) -> None:
        two.kube.store.create("statefulsets.apps", stateful(two.ns, "db", fixed=""))
        (had,) = two.ready("db-0")
        two.reload(networkController=RESERVED)
        two.kube.store.patch("statefulsets.apps", two.ns, "db", {"spec": {"replicas": 0}})
        eventually(lambda: not two.own_rows())
        two.quiet()
        if restarted:
            two.stop_controllers()
            two.start_controller()

        two.kube.store.patch("statefulsets.apps", two.ns, "db", {"spec": {"replicas": 1}})

        assert endpoint_of(two.ready("db-0")[0]) == endpoint_of(had)
        two.assert_at_rest()


LEAVES = {
    "the range shrinks": {"networkController": pool(FIRST, portRangeEnd=513)},
    "the range moves": {"networkController": pool(FIRST, portRangeStart=600, portRangeEnd=700)},
    "the EIP leaves": {"networkController": pool(FIRST, eips=["203.0.113.2"])},
    "the gateway leaves": {"networkController": pool(SECOND)},
}


@dataclass(frozen=True)
class Midway:
    """A stage, and the entries and rows of before."""

    it: Stage
    entries: dict[str, list[Object]]
    rows: list[Object]


class TestRestart:
    """What leaves is known from PodDNATs and rows: a controller that starts in between knows it."""

    @contextmanager
    def midway(self, change: str, **config: Any) -> Iterator[Midway]:
        """Four pods are exposed, some of which the pool offers no more, when it starts again."""
        scenario = Scenario.many(2, eips=2, knobs=fast())
        with stage(scenario, networkController=pool(FIRST), **config) as it:
            it.start_controller()
            exposed(it, *"abcd")
            before = Midway(it, {name: it.entries(name) for name in "abcd"}, it.own_rows())
            it.reload(**LEAVES[change])
            it.quiet()
            it.stop_controllers()
            it.start_controller()
            yield before

    @pytest.mark.parametrize("change", LEAVES)
    def test_living_endpoints_stay_and_end_with_their_pods(self, change: str) -> None:
        with self.midway(change) as before:
            it = before.it
            it.assert_at_rest()

            assert {name: it.entries(name) for name in "abcd"} == before.entries
            assert it.own_rows() == before.rows
            for name in "abcd":
                it.delete_pod(name, grace=0)
            for name in "abcd":
                it.gone(name)
            assert it.own_rows() == []

    @pytest.mark.parametrize("change", ["the range moves", "the EIP leaves"])
    def test_they_are_mended_where_they_are(self, change: str) -> None:
        """By a controller that never offered them: their rows prove that another one did."""
        with self.midway(change) as before:
            it = before.it
            lost = {name: entries[0] for name, entries in before.entries.items()}
            for entry in lost.values():
                it.delete_row(entry["forwardEntryId"])

            for name, entry in lost.items():
                mended = eventually(lambda name=name, entry=entry: other(it, name, entry))
                assert endpoint_of(mended) == endpoint_of(entry)
            assert shown(it)[FIRST] > 0
            it.assert_at_rest()

    @pytest.mark.parametrize("change", LEAVES)
    def test_they_rest_though_they_were_not_offered_since_the_start(self, change: str) -> None:
        """The referee sees to it that nobody gets one before its time."""
        with self.midway(change, quarantine="120s") as before:
            it = before.it
            had = {endpoint_of(entries[0]) for entries in before.entries.values()}
            for name in "abcd":
                it.delete_pod(name, grace=0)
            for name in "abcd":
                it.gone(name)

            it.reload(networkController=pool(FIRST))

            assert not had & {endpoint_of(entry) for entry in exposed(it, *"efgh")}

    def test_what_rests_when_it_starts_does_so_though_it_is_not_offered(self) -> None:
        with stage(networkController=pool(FIRST), quarantine="120s") as it:
            it.start_controller()
            (had,) = exposed(it, "a")
            it.delete_pod("a", grace=0)
            it.gone("a")
            it.stop_controllers()
            it.config["networkController"] = pool(FIRST, portRangeStart=515)
            it.start_controller()

            it.reload(networkController=pool(FIRST, eips=[had["externalIP"]]))

            assert endpoint_of(exposed(it, "b")[0]) != endpoint_of(had)


def other(it: Stage, name: str, entry: Object) -> Object | None:
    """The pod's entry, if it is another one than that."""
    return next(
        (e for e in it.entries(name) if e["forwardEntryId"] != entry["forwardEntryId"]), None
    )


GATED = {"readinessGates": [{"conditionType": POD_READY}]}


def marked(it: Stage, name: str) -> bool:
    """Whether the pod carries its endpoints in an annotation."""
    pod = it.kube.store.get("pods", it.ns, name) or {}
    return ENDPOINTS in pod["metadata"]["annotations"]


class TestRules:
    def test_who_may_and_how_much_changes_at_once(self, two: Stage) -> None:
        two.reload(namespaces={"deny": ["default"]})
        two.pod("a")
        two.told("a", "NamespaceDenied")
        two.reload(namespaces={"quota": 1})
        two.ready("a")
        two.pod("b")
        two.told("b", "NamespaceQuota")
        two.reload(namespaces={})
        two.ready("b")
        two.pod("many", "80,81,82")
        two.ready("many", 3)
        two.reload(maxPortsPerPod=1)
        two.pod("more", "80,81")
        eventually(lambda: two.condition("more"))
        assert two.record("more") is None

    def test_a_pod_is_told_of_a_rule_whose_text_is_a_part_of_the_one_before(
        self, two: Stage
    ) -> None:
        two.reload(deniedPorts=["80-90"])
        two.pod("a")
        assert two.told("a", "PortDenied").endswith("has 80-90")
        two.reload(deniedPorts=["80"])
        eventually(lambda: two.condition("a")["message"].endswith("has 80"))

    def test_a_pod_is_told_anew_when_its_grace_ends_if_that_is_sooner(self, two: Stage) -> None:
        exposed(two, "a")
        two.reload(namespaces={"deny": ["default"], "grace": "2h"})
        first = two.told("a", "NamespaceDenied")
        two.reload(namespaces={"deny": ["default"], "grace": "1h"})
        eventually(lambda: two.condition("a")["message"] != first)
        second = two.condition("a")["message"]
        assert "released at" in second
        eventually(lambda: two.events("a")["NamespaceDenied"] == second)
        two.assert_at_rest(but=[("default", "a")])

    def test_policy_upsert_only_keeps_entries_until_it_is_sync_again(self, two: Stage) -> None:
        exposed(two, "a")
        two.reload(policy="upsert-only")
        two.delete_pod("a", grace=0)
        eventually(lambda: "DeletionHeldByPolicy" in str(two.record("a")))
        assert len(two.own_rows()) == 1
        two.reload(policy="sync")
        two.gone("a")
        assert two.own_rows() == []

    def test_what_is_published_changes(self, two: Stage) -> None:
        exposed(two, "a")
        two.reload(publish={"annotation": True})
        eventually(lambda: marked(two, "a"))

    def test_what_is_published_no_longer_is_taken_off_once(self, two: Stage) -> None:
        """It would say for ever how the pod stood then, and hold its readiness gate open."""
        two.reload(publish={"annotation": True})
        two.pod("a", spec=GATED)
        two.ready("a")
        eventually(lambda: two.condition("a").get("status") == "True" and marked(two, "a"))

        two.reload(publish={"condition": False})

        eventually(lambda: not two.condition("a") and not marked(two, "a"))
        eventually(lambda: "ReadinessGateShut" in two.events("a"))
        two.assert_at_rest()
        two.reload(publish={"condition": True, "annotation": True})
        eventually(lambda: two.condition("a").get("status") == "True" and marked(two, "a"))

    def test_so_it_is_after_a_restart_unless_there_is_no_leave(self, two: Stage) -> None:
        exposed(two, "a", "b", "c")
        for name in "abc":
            eventually(lambda name=name: two.condition(name).get("status") == "True")
        two.stop_controllers()
        two.config["publish"] = {"condition": False}
        told = Match("patch", "pods", "status")
        no_leave = two.kube.faults.add(Fault(403, "cannot patch pods/status"), told, times=None)
        two.start_controller()
        eventually(lambda: no_leave.hits)
        two.quiet()
        tries = no_leave.hits
        two.running[0].controller.parts.signals.resync()
        two.quiet()
        assert no_leave.hits == tries, "it is believed"
        assert two.condition("a")["status"] == "True"
        assert two.running[0].controller.parts.report.notes() == []
        two.stop_controllers()
        no_leave.cancel()
        two.start_controller()
        eventually(lambda: not any(two.condition(name) for name in "abc"))
        two.assert_at_rest()

    def test_take_over_begins_with_the_file_that_asks_for_it_and_ends_with_it(
        self, two: Stage
    ) -> None:
        identity = two.running[0].controller.parts.identity
        assert identity.migrating_since() is None
        two.reload(takeOver=True)
        eventually(identity.migrating_since)
        two.reload(takeOver=False)
        assert identity.migrating_since() is None


class TestRefused:
    def test_what_needs_a_restart_is_told_and_nothing_of_the_file_is_taken(
        self, two: Stage
    ) -> None:
        exposed(two, "a")
        parts = two.running[0].controller.parts

        two.reload(networkController=pool(SECOND), vpcID="vpc-other")

        why = "vpcID: a change here needs a restart"
        assert any(why in note for note in parts.standing.notes())
        assert any(why in note for note in parts.board.status().notes)
        eventually(lambda: why in two.events("dnatctl", NAMESPACE).get(REFUSED, ""))
        exposed(two, "b")
        assert gateways_of(two) == {FIRST}

    def test_it_is_over_when_the_file_is_mended(self, two: Stage) -> None:
        parts = two.running[0].controller.parts
        parts.reloader.refuse(["line 3: nonsense"])
        assert any("line 3: nonsense" in note for note in parts.standing.notes())
        two.reload()
        assert not any("nonsense" in note for note in parts.standing.notes())


def test_what_is_free_does_not_depend_on_what_was_handed_out_of_another_range() -> None:
    """The critical alert of a full pool fired while nothing of the new range was in use."""
    one = Scenario.many(1, eips=1, knobs=fast())
    used = pool(FIRST, portRangeStart=512, portRangeEnd=517)
    with stage(one, networkController=used, quarantine="600s") as it:
        parts = it.start_controller().controller.parts
        counts = Inventory(parts.views, parts.gateways, parts.settings)

        def free() -> int:
            return next(count.free for count in counts.ips() if count.protocol == Protocol.TCP)

        exposed(it, *(f"web-{n}" for n in range(6)))
        assert free() == 0
        it.reload(networkController=pool(FIRST, portRangeStart=600, portRangeEnd=605))
        eventually(lambda: free() == 6)
        it.delete_pod("web-0", grace=0)
        it.gone("web-0")
        assert exposed(it, "new")[0]["externalPort"] == "600"
        assert free() == 5

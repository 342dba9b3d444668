"""Gateways and EIPs that cannot be used, come, go, fill up: trouble stays where it is."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl_sim.cloud import DOCUMENTED_POLICY, Scenario
from dnatctl_sim.cloud.spec import EntrySpec, GatewaySpec, VpcSpec, VSwitchSpec
from tests.support.gate import Passing
from tests.support.stage import RECORDS, Object, Stage, eventually, fast, stage

FIRST, SECOND = "ngw-bp1emulated0001", "ngw-bp1emulated0002"
OFTEN = {"resync": "1s"}
"""Gateways are described anew every second."""


def two(**knobs: Any) -> Scenario:
    """Two gateways of one EIP each, in zones j and k."""
    return Scenario.many(2, eips=1, knobs=fast(**knobs))


def pool(*gateways: str, **more: Any) -> Object:
    """The configuration of a pool of these gateways."""
    base = {"zoneId": "cn-hangzhou-j", "portRangeStart": 512, "portRangeEnd": 1024}
    return {"natGwPool": [{"natgwId": g} | base | more for g in gateways]}


def gateway_of(it: Stage, name: str) -> str:
    """The gateway that a pod's entry is on, once it has one."""
    it.ready(name)
    return str(it.own_rows(name)[0]["gateway"])


# --- gateways that cannot be used


def test_an_absent_gateway_stops_nobody_else() -> None:
    with stage(Scenario.many(1, knobs=fast()), networkController=pool("ngw-gone", FIRST)) as it:
        it.start_controller()
        it.pod("web")
        assert gateway_of(it, "web") == FIRST
        it.assert_at_rest()


def test_pods_are_told_when_no_gateway_can_be_used() -> None:
    with stage(networkController=pool("ngw-gone")) as it:
        it.start_controller()
        it.pod("web")
        assert "ngw-gone" in it.told("web", "PoolExhausted")
        assert it.records() == []


def test_a_gateway_of_another_vpc_is_not_used() -> None:
    home = VpcSpec(vswitches=[VSwitchSpec(id="vsw-1", cidr="10.0.0.0/17", zone="cn-hangzhou-j")])
    away = VpcSpec(id="vpc-other", cidrs=("192.168.0.0/16",))
    scenario = Scenario(
        vpcs=[home, away],
        gateways=[
            GatewaySpec(id=FIRST, vpc="vpc-other", eips=["203.0.113.1"]),
            GatewaySpec(id=SECOND, vswitch="vsw-1", eips=["203.0.113.2"]),
        ],
        knobs=fast(),
    )
    with stage(scenario, networkController=pool(FIRST, SECOND)) as it:
        it.start_controller()
        it.pod("web")
        assert gateway_of(it, "web") == SECOND


def test_a_vpc_nat_gateway_is_not_used() -> None:
    inner = GatewaySpec(id=FIRST, network_type="intranet", nat_ips=["10.0.0.5"])
    outer = GatewaySpec(id=SECOND, eips=["203.0.113.2"])
    with stage(Scenario(gateways=[inner, outer], knobs=fast())) as it:
        it.start_controller()
        it.pod("web")
        assert gateway_of(it, "web") == SECOND


def test_a_word_that_nobody_documents_keeps_new_pods_away_and_costs_nobody_his_address() -> None:
    with stage(two(), networkController=pool(FIRST, SECOND), **OFTEN) as it:
        it.start_controller()
        it.pod("web")
        before = it.ready("web")
        first = gateway_of(it, "web")
        it.acts.set_gateway(first, business_status="Unheard")
        it.acts.set_eip(before[0]["externalIP"], business_status="Unheard")
        described = len(it.calls("DescribeNatGateways"))
        eventually(lambda: len(it.calls("DescribeNatGateways")) >= described + 4)
        it.pod("later")
        assert gateway_of(it, "later") != first
        assert it.ready("web") == before
        it.assert_at_rest()


@pytest.mark.parametrize(
    "trouble", [{"status": "Modifying"}, {"business_status": "FinancialLocked"}]
)
def test_a_gateway_in_trouble_is_passed_over_and_used_again_afterwards(
    trouble: dict[str, str],
) -> None:
    with stage(two(), networkController=pool(FIRST, SECOND), **OFTEN) as it:
        it.acts.set_gateway(FIRST, **trouble)
        it.start_controller()
        for n in range(3):
            it.pod(f"web-{n}")
            assert gateway_of(it, f"web-{n}") == SECOND
        it.acts.set_gateway(FIRST, status="Available", business_status="Normal")
        it.pod("later-0")
        eventually(lambda: it.controller_eips(FIRST))
        it.pod("later-1")
        assert gateway_of(it, "later-1") == FIRST
        it.assert_at_rest()


def test_a_gateway_that_falls_ill_keeps_its_pods_and_releases_them_when_it_is_well() -> None:
    with stage(two(), networkController=pool(FIRST), **OFTEN) as it:
        it.start_controller()
        it.pod("stays")
        it.pod("goes")
        it.ready("stays")
        it.ready("goes")
        it.acts.set_gateway(FIRST, status="Modifying")
        it.delete_pod("goes")
        eventually(lambda: not it.entries("goes"))
        assert it.record("goes"), "its row is still there"
        it.acts.set_gateway(FIRST, status="Available")
        it.gone("goes")
        it.assert_at_rest()


def test_a_gateway_deleted_by_hand_does_not_hold_its_pods_for_ever() -> None:
    with stage(two(), networkController=pool(FIRST, SECOND), **OFTEN) as it:
        it.start_controller()
        it.pod("stays")
        it.pod("goes")
        names = [name for name in ("stays", "goes") if gateway_of(it, name) == FIRST]
        it.acts.delete_gateway(FIRST)
        for name in names:
            it.referee.meddled |= {e["forwardEntryId"] for e in it.entries(name)}
        it.delete_pod("goes")
        it.gone("goes")
        eventually(lambda: [r["gateway"] for r in it.own_rows("stays")] == [SECOND])
        it.ready("stays")


def test_a_table_that_never_settles_holds_up_its_own_gateway_only() -> None:
    with stage(two(), networkController=pool(FIRST, SECOND)) as it:
        row = it.acts.create_entry(FIRST, "203.0.113.1", "9", "10.0.50.1", "9", name="terraform")
        it.acts.hold_entry(row)
        it.start_controller()
        for n in range(8):
            it.pod(f"web-{n}")
        eventually(lambda: len(it.records()) == 8)
        lucky = [r for r in it.records() if r["spec"]["tableId"] == SECOND]
        assert len(lucky) >= 3
        for record in lucky:
            it.ready(record["metadata"]["name"])
        assert {row["gateway"] for row in it.own_rows()} == {SECOND}
        it.acts.release_entry(row)
        for n in range(8):
            it.ready(f"web-{n}")
        it.assert_at_rest()


def test_a_gateway_that_was_taken_out_of_the_configuration_still_releases() -> None:
    with stage(two(), networkController=pool(FIRST)) as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        it.stop_controllers()
        it.config["networkController"] = pool(SECOND)
        it.start_controller()
        it.assert_at_rest()
        it.delete_pod("web")
        it.gone("web")
        assert it.own_rows() == []


# --- EIPs


def test_an_eip_bound_later_is_used_and_heals_exhaustion() -> None:
    scenario = Scenario(gateways=[GatewaySpec(id=FIRST)], eips=["203.0.113.9"], knobs=fast())
    with stage(scenario, **OFTEN) as it:
        it.start_controller()
        it.pod("web")
        it.told("web", "PoolExhausted")
        parts = it.running[0].controller.parts
        line = f"gateway {FIRST}: no EIP is bound to it"
        assert f"[!]{line}" in parts.standing.notes()
        assert line in parts.board.status().notes
        it.acts.bind_eip("203.0.113.9", FIRST, seconds=0.5)
        assert it.ready("web")[0]["externalIP"] == "203.0.113.9"
        eventually(lambda: it.condition("web")["reason"] == "EntriesAvailable")
        assert f"[!]{line}" not in parts.standing.notes()


def test_an_eip_that_is_unbound_is_not_handed_out_any_more() -> None:
    with stage(**OFTEN) as it:
        it.start_controller()
        it.acts.unbind_eip("203.0.113.1")
        eventually(lambda: it.controller_eips(FIRST) == {"203.0.113.2"})
        for n in range(4):
            it.pod(f"web-{n}")
        assert {it.ready(f"web-{n}")[0]["externalIP"] for n in range(4)} == {"203.0.113.2"}


def test_an_eip_unbound_by_force_costs_its_pods_their_address_and_no_other() -> None:
    with stage(**OFTEN) as it:
        it.start_controller()
        for n in range(4):
            it.pod(f"web-{n}")
        before = {n: it.ready(f"web-{n}")[0] for n in range(4)}
        hit = {n for n, entry in before.items() if entry["externalIP"] == "203.0.113.1"}
        assert 0 < len(hit) < 4
        it.acts.unbind_eip("203.0.113.1", force=True)
        eventually(lambda: it.controller_eips(FIRST) == {"203.0.113.2"})
        for n in set(before) - hit:
            assert it.entries(f"web-{n}") == [before[n]]
        it.acts.bind_eip("203.0.113.1", FIRST)
        it.assert_at_rest()


@pytest.mark.parametrize("gone", ["moved", "with its gateway", "while nobody looked"])
def test_an_eip_that_is_bound_to_another_gateway_takes_its_claims_along(gone: str) -> None:
    """What players were told stays true, and no two rows lead from one endpoint."""
    with stage(Scenario.many(2, eips=1, knobs=fast()), **OFTEN) as it:
        it.start_controller()
        for n in range(4):
            it.pod(f"web-{n}", "80,53/udp")
        before = {n: places(it.ready(f"web-{n}", 2)) for n in range(4)}
        assert len({ip for each in before.values() for ip, _ in each}) == 2
        if gone == "while nobody looked":
            it.stop_controllers()
        it.acts.unbind_eip("203.0.113.1", force=True)
        it.acts.bind_eip("203.0.113.1", SECOND)
        if gone == "with its gateway":
            it.acts.delete_gateway(FIRST)
        if gone == "while nobody looked":
            it.start_controller()
        eventually(lambda: {row["gateway"] for row in it.own_rows()} == {SECOND})
        assert {n: places(it.ready(f"web-{n}", 2)) for n in range(4)} == before
        it.assert_at_rest()


def places(entries: list[Object]) -> set[tuple[str, str]]:
    """External IPs and ports of status entries."""
    return {(entry["externalIP"], entry["externalPort"]) for entry in entries}


def test_a_locked_eip_gets_no_new_pods() -> None:
    with stage(**OFTEN) as it:
        it.acts.set_eip("203.0.113.1", business_status="FinancialLocked")
        it.start_controller()
        for n in range(3):
            it.pod(f"web-{n}")
        assert {it.ready(f"web-{n}")[0]["externalIP"] for n in range(3)} == {"203.0.113.2"}


def test_ports_above_1024_on_an_eip_that_serves_snat() -> None:
    gateway = GatewaySpec(id=FIRST, eips=["203.0.113.1"], snat_eips=["203.0.113.1"])
    high = {"portRangeStart": 2000, "portRangeEnd": 2100}
    with stage(Scenario(gateways=[gateway], knobs=fast()), pool=high) as it:
        it.start_controller()
        it.pod("web", "80,53/udp")
        assert {e["externalPort"] for e in it.ready("web", 2)} == {"2000"}
        it.assert_at_rest()


# --- room


def test_a_full_table_sends_pods_to_the_next_gateway() -> None:
    with stage(two(quota=3), networkController=pool(FIRST, SECOND)) as it:
        it.start_controller()
        for n in range(6):
            it.pod(f"web-{n}")
        for n in range(6):
            it.ready(f"web-{n}")
        assert sorted(row["gateway"] for row in it.own_rows()) == [FIRST] * 3 + [SECOND] * 3
        it.assert_at_rest()


def test_exhaustion_is_told_and_heals_as_soon_as_something_is_freed() -> None:
    only = {"portRangeStart": 600, "portRangeEnd": 601}
    scenario = Scenario.many(1, eips=1, knobs=fast())
    with stage(scenario, pool=only, quarantine="0s") as it:
        it.start_controller()
        it.pod("one")
        it.pod("two")
        it.ready("one")
        it.ready("two")
        it.pod("three")
        assert FIRST in it.told("three", "PoolExhausted")
        it.assert_at_rest(but=[("default", "three")])
        it.delete_pod("one")
        it.ready("three")
        eventually(lambda: it.condition("three")["reason"] == "EntriesAvailable")
        it.assert_at_rest()


def test_exhaustion_heals_when_a_quarantine_ends() -> None:
    only = {"portRangeStart": 600, "portRangeEnd": 600}
    scenario = Scenario.many(1, eips=1, knobs=fast())
    with stage(scenario, pool=only, quarantine="20s") as it:
        it.start_controller()
        it.pod("one")
        it.ready("one")
        it.delete_pod("one")
        it.gone("one")
        it.pod("two")
        it.told("two", "PoolExhausted")
        it.ready("two")


@pytest.mark.parametrize("killed", [False, True])
def test_a_quarantine_outlives_the_process(killed: bool) -> None:
    """The referee sees to it that nobody gets the endpoint before its time."""
    only = {"portRangeStart": 600, "portRangeEnd": 600}
    scenario = Scenario.many(1, eips=1, knobs=fast())
    with stage(scenario, pool=only, quarantine="20s") as it:
        it.start_controller(leader_elect=False)
        it.pod("one")
        it.ready("one")
        it.delete_pod("one")
        it.gone("one")
        if killed:
            it.gate.watcher = lambda _: True
        it.stop_controllers()
        it.gate.open()
        it.start_controller(leader_elect=False)
        it.pod("two")
        it.told("two", "PoolExhausted")
        it.ready("two")
        it.assert_at_rest()


def test_exhaustion_heals_when_a_foreign_row_goes() -> None:
    scenario = Scenario.many(1, eips=1, knobs=fast(quota=2))
    with stage(scenario, pool={"maxEntries": 2}, **OFTEN) as it:
        foreign = it.acts.create_entry(FIRST, "203.0.113.1", "9", "10.0.50.1", "9", name="tf")
        it.start_controller()
        it.pod("one")
        it.ready("one")
        it.pod("two")
        assert "full" in it.told("two", "PoolExhausted")
        it.acts.delete_entry(foreign)
        it.ready("two")


@pytest.fixture
def not_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused is not tried again because time has passed."""
    monkeypatch.setattr("dnatctl.table.backlog.REFUSED_RETRY_S", (3600.0, 3600.0))
    monkeypatch.setattr("dnatctl.control.gateway.outcomes.QUOTA_BELIEVED_S", 3600.0)


@pytest.mark.usefixtures("not_by_itself")
def test_a_quota_raised_in_the_cloud_is_found_out() -> None:
    with stage(Scenario.many(1, eips=1, knobs=fast(quota=1)), resync="1h") as it:
        it.start_controller()
        it.pod("one")
        it.ready("one")
        it.pod("two")
        eventually(lambda: it.condition("two").get("status") == "False")
        it.cloud.set_knobs(quota=10)
        it.delete_pod("one")
        it.ready("two")


def test_what_a_refusal_showed_is_still_told_when_it_is_time_to_try_again() -> None:
    with stage(Scenario.many(1, eips=1)) as it:
        it.start_controller()
        it.pod("one")
        it.ready("one")
        parts = it.running[0].controller.parts
        gateway_id = it.cloud.scenario.gateways[0].id
        parts.views.pool.learn_limit(gateway_id, 1, until=0.0)
        assert parts.views.pool.limit(gateway_id, parts.views.clock.monotonic()) is None

        assert parts.board.status().gateways[0].table.limit == 1


@pytest.mark.usefixtures("not_by_itself")
def test_a_pod_refused_for_quota_is_served_as_soon_as_a_row_is_freed() -> None:
    with stage(Scenario.many(1, eips=1, knobs=fast(quota=1)), resync="1h") as it:
        it.start_controller()
        it.pod("one")
        it.ready("one")
        it.pod("two")
        eventually(lambda: it.calls("CreateForwardEntry", code="QuotaExceeded"))
        it.delete_pod("one")
        it.ready("two")
        it.assert_at_rest()


# --- choice


def test_a_pod_gets_a_gateway_of_its_zone() -> None:
    zones = pool(FIRST, SECOND)
    zones["natGwPool"][1]["zoneId"] = "cn-hangzhou-k"
    with stage(two(), networkController=zones) as it:
        it.start_controller()
        for n in range(3):
            it.pod(f"j-{n}", spec={"nodeName": "node-1"})
            it.pod(f"k-{n}", spec={"nodeName": "node-2"})
        for n in range(3):
            assert gateway_of(it, f"j-{n}") == FIRST
            assert gateway_of(it, f"k-{n}") == SECOND


def test_a_pod_gets_another_zone_when_its_own_is_full() -> None:
    zones = pool(FIRST, SECOND)
    zones["natGwPool"][1]["zoneId"] = "cn-hangzhou-k"
    with stage(two(quota=1), networkController=zones) as it:
        it.start_controller()
        it.pod("one", spec={"nodeName": "node-1"})
        it.ready("one")
        it.pod("two", spec={"nodeName": "node-1"})
        assert gateway_of(it, "two") == SECOND


def test_pods_are_spread_over_gateways_of_one_zone() -> None:
    with stage(two(), networkController=pool(FIRST, SECOND)) as it:
        it.start_controller()
        for n in range(6):
            it.pod(f"web-{n}")
        for n in range(6):
            it.ready(f"web-{n}")
        assert sorted(row["gateway"] for row in it.own_rows()) == [FIRST] * 3 + [SECOND] * 3


# --- packed ports


def test_neighbouring_ports_share_a_row_when_packing() -> None:
    with stage(pool={"packPortRanges": True}) as it:
        it.start_controller()
        it.pod("game", "7000-7003/udp,80")
        entries = it.ready("game", 5)
        assert len({e["forwardEntryId"] for e in entries}) == 2
        assert sorted(r["internal_port"] for r in it.own_rows()) == ["7000/7003", "80"]
        it.assert_at_rest()
        ip = it.kube.kubelet.restart("default", "game")
        eventually(lambda: {e["internalIP"] for e in it.entries("game")} == {ip})
        it.ready("game", 5)
        it.assert_at_rest()


def test_a_packed_row_that_loses_a_port_is_made_anew_without_it() -> None:
    with stage(pool={"packPortRanges": True}) as it:
        it.start_controller()
        it.pod("game", "7000-7003/udp")
        before = it.ready("game", 4)
        it.annotate("game", **{"expose-port": "7000/udp,7001/udp,7003/udp"})
        after = it.ready("game", 3)
        kept = [e["externalPort"] for e in before if e["internalPort"] != "7002"]
        assert [e["externalPort"] for e in after] == kept
        it.assert_at_rest()


# --- rows of others


def foreign_rows() -> list[EntrySpec]:
    """Somebody else's rows over much of the pool: single ports, a range."""
    return [
        EntrySpec(
            external_ip="203.0.113.1", external_port="512", internal_ip="10.0.60.1",
            internal_port="80", name="dnatctl_c11ba338192xxxxxxx",
        ),
        EntrySpec(
            external_ip="203.0.113.1", external_port="513/520", internal_ip="10.0.60.2",
            internal_port="513/520", protocol="udp", name="terraform",
        ),
        EntrySpec(
            external_ip="203.0.113.2", external_port="Any", internal_ip="10.0.60.3",
            internal_port="Any", protocol="Any", name="dnatctl_c11ba338192xxxxxxx2_a_b",
        ),
    ]  # fmt: skip


def test_endpoints_that_others_use_are_not_handed_out() -> None:
    gateway = GatewaySpec(id=FIRST, eips=["203.0.113.1", "203.0.113.2"], entries=foreign_rows())
    with stage(Scenario(gateways=[gateway], knobs=fast())) as it:
        before = it.rows()
        it.start_controller()
        it.pod("web", "80/tcp,53/udp")
        tcp, udp = it.ready("web", 2)
        assert (tcp["externalIP"], tcp["externalPort"]) == ("203.0.113.1", "513")
        assert (udp["externalIP"], udp["externalPort"]) == ("203.0.113.1", "512")
        it.pod("udp", "53/udp")
        assert it.ready("udp")[0]["externalPort"] == "521"
        it.assert_at_rest()
        assert [row for row in it.rows() if row in before] == before


@pytest.mark.parametrize("code", ["OperationUnsupported.DuplicatedForwardEntry", "Duplicate", ""])
def test_an_endpoint_taken_by_another_a_moment_ago_costs_one_try(code: str) -> None:
    knobs = {"duplicate_external_code": code} if code else {}
    with stage(Scenario.many(1, eips=1, knobs=fast(**knobs))) as it:
        foreign: list[str] = []

        def is_taken(passing: Passing) -> bool:
            if not foreign and passing.what.startswith("CreateForwardEntry"):
                where = (FIRST, "203.0.113.1", "512", "10.0.60.1", "80")
                foreign.append(it.acts.create_entry(*where, name="terraform"))
            return False

        it.gate.watcher = is_taken
        it.start_controller()
        it.pod("web")
        it.ready("web")
        assert len(it.calls("CreateForwardEntry")) == 2
        it.assert_at_rest()


def test_a_foreign_row_to_the_same_pod_port_is_told_and_heals() -> None:
    with stage(**OFTEN) as it:
        it.start_controller()
        foreign = it.acts.create_entry(FIRST, "203.0.113.1", "9", "10.0.0.10", "80", name="tf")
        it.pod("web", "80,443")
        assert foreign in it.told("web", "TupleConflict")
        it.ready("web", 1)  # the other port is exposed
        it.acts.delete_entry(foreign)
        it.ready("web", 2)
        it.assert_at_rest()


# --- what the cloud lets us do


def test_without_leave_to_modify_entries_are_replaced() -> None:
    knobs = {"allowed": DOCUMENTED_POLICY}
    with stage(Scenario(knobs=fast(**knobs))) as it:
        it.start_controller()
        it.pod("web", "80,443")
        before = it.ready("web", 2)
        ip = it.kube.kubelet.restart("default", "web")
        eventually(lambda: {e["internalIP"] for e in it.entries("web")} == {ip})
        after = it.ready("web", 2)
        ports = [e["externalPort"] for e in before]
        assert [e["externalPort"] for e in after] == ports
        it.assert_at_rest()


def test_a_relaxed_table_and_slow_answers() -> None:
    knobs = fast(mode="relaxed", write_latency=0.03, read_latency=0.03, read_lag=0.2)
    with stage(Scenario(knobs=knobs)) as it:
        it.start_controller()
        for n in range(6):
            it.pod(f"web-{n}", "80,443")
        for n in range(6):
            it.ready(f"web-{n}", 2)
        for n in range(3):
            it.delete_pod(f"web-{n}")
        it.assert_at_rest()
        assert it.cloud.counters()["overlaps"] == 0


def test_one_gateway_in_trouble_costs_no_calls_about_the_others() -> None:
    with stage(Scenario.many(5, eips=1, knobs=fast()), resync="600s") as it:
        it.acts.set_gateway(FIRST, status="Modifying")
        it.start_controller()
        before = len(it.calls("DescribeNatGateways"))
        eventually(lambda: len(it.calls("DescribeNatGateways")) > before)
        it.acts.set_gateway(FIRST, status="Available")
        eventually(lambda: not it.running[0].controller.parts.views.pool.problem(FIRST))
        looks = len(it.calls("DescribeNatGateways"))
        assert len(it.calls("DescribeEipAddresses")) == 5 + (looks - 1)


def test_gateways_that_somebody_invents_cost_little_and_hold_up_nobody() -> None:
    """IDs of no gateway, and that of one that is not ours, in PodDNATs written by hand."""
    with stage(Scenario.many(2, eips=1, knobs=fast()), resync="1s") as it:
        configuration = it.configuration()
        pool = configuration["networkController"]["natGwPool"]
        foreign = pool.pop()["natgwId"]
        it.config["networkController"] = {"natGwPool": pool}
        ip = it.cloud.scenario.gateways[1].eips[0]
        row = it.acts.create_entry(foreign, ip, "700", "10.0.88.88", "80", name="terraform")
        running = it.start_controller()
        names = [f"odd-{n}" for n in range(40)]
        for n, name in enumerate(names):
            it.referee.forged.add((it.ns, name))
            place = {"tableId": foreign if n == 0 else f"ngw-invented{n:04}", "externalIP": ip}
            ports = [{"externalPort": "700", "internalPort": "80"}]
            body = {
                "apiVersion": "alibabacloud.com/v1beta1",
                "kind": "PodDNAT",
                "metadata": {
                    "name": name,
                    "namespace": it.ns,
                    "finalizers": ["natgw-controller"],
                },
                "spec": {"protocol": "tcp", **place, "portMapping": ports},
            }
            it.kube.store.create(RECORDS, body)
        it.pod("web")
        it.ready("web")
        eventually(lambda: not [r for r in it.records() if r["metadata"]["name"] in names])
        gateways = running.controller.parts.gateways
        assert gateways.fleet.writer(foreign) is None
        assert not [note for note in gateways.notes() if "invented" in note]
        eventually(lambda: set(running.controller.parts.views.gateways) == {pool[0]["natgwId"]})
        assert row in {r["entry_id"] for r in it.rows()}


def test_a_restart_tells_nobody_of_tables_that_it_has_not_read_yet() -> None:
    gateways = [gateway.id for gateway in Scenario.many(3, eips=1).gateways]
    scenario = Scenario.many(3, eips=1, knobs=fast(read_latency=0.4))
    with stage(scenario, networkController=pool(*gateways)) as it:
        it.start_controller()
        for n in range(6):
            it.pod(f"web-{n}")
        assert {gateway_of(it, f"web-{n}") for n in range(6)} == set(gateways)
        it.assert_at_rest()
        before = it.writes()
        it.stop_controllers()
        it.start_controller()
        it.assert_at_rest()
        assert it.writes() == before

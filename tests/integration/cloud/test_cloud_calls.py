"""Every call over real HTTP: what the emulated cloud then holds, and what comes back from it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dnatctl.cloud.api import PAGE_SIZE, CloudApi
from dnatctl.cloud.client import Cloud
from dnatctl.cloud.eni import EniCache
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.model import EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl_sim.cloud import Cloud as Emulated
from dnatctl_sim.cloud import CloudServer, Scenario, Settle, rows
from dnatctl_sim.cloud.spec import GATEWAY_ID, VPC_ID, GatewaySpec, VpcSpec
from tests.integration.cloud.bench import TABLE_ID, Bench, new_entry, token
from tests.support.clock import FakeClock, ManualClock


def settled(cloud: Cloud, entry_id: str) -> ForwardEntry | None:
    deadline = time.monotonic() + 60
    entry = cloud.read_entry(TABLE_ID, entry_id)
    while entry is not None and entry.status is not EntryStatus.AVAILABLE:
        assert time.monotonic() < deadline, "did not settle in time"
        time.sleep(0.01)
        entry = cloud.read_entry(TABLE_ID, entry_id)
    return entry


def test_the_client_is_what_control_asks_for(cloud: Cloud) -> None:
    api: CloudApi = cloud
    assert api.read_page(TABLE_ID, 1).total == 0


def test_the_life_of_an_entry() -> None:
    clock = ManualClock()
    with CloudServer(Emulated(clock=clock)) as server:
        bench = Bench(server)
        cloud = bench.connect()
        new = new_entry(port_break=True)
        entry_id = cloud.create_entry(TABLE_ID, new, token("create"))
        first = cloud.read_entry(TABLE_ID, entry_id)
        assert first is not None
        assert first.status is EntryStatus.PENDING
        clock.advance(1)
        assert cloud.read_entry(TABLE_ID, entry_id) == ForwardEntry(
            entry_id, new.external_ip, new.external_ports, new.internal_ip, new.internal_ports,
            new.protocol, new.name, EntryStatus.AVAILABLE,
        )  # fmt: skip

        cloud.modify_entry(TABLE_ID, entry_id, new_entry(ip="172.16.0.10"), token("modify"))
        clock.advance(1)
        moved = cloud.read_entry(TABLE_ID, entry_id)
        assert moved is not None
        assert moved.status is EntryStatus.AVAILABLE
        assert (moved.internal_ip, moved.external_ports) == ("172.16.0.10", new.external_ports)

        cloud.delete_entry(TABLE_ID, entry_id, token("delete"))
        clock.advance(1)
        assert cloud.read_entry(TABLE_ID, entry_id) is None
        assert rows(bench.emulated) == []


def test_port_ranges_and_udp(cloud: Cloud) -> None:
    new = new_entry(
        external_ports=PortRange(600, 603), internal_ports=PortRange(7000, 7003),
        protocol=Protocol.UDP,
    )  # fmt: skip
    entry = settled(cloud, cloud.create_entry(TABLE_ID, new, token(1)))
    assert entry is not None
    assert (entry.external_ports, entry.internal_ports, entry.protocol) == (
        PortRange(600, 603), PortRange(7000, 7003), Protocol.UDP,
    )  # fmt: skip


@pytest.mark.parametrize("knobs", [{}, {"ports_as_numbers": True, "protocol_case": "upper"}])
def test_a_table_is_read_in_pages(bench: Bench, cloud: Cloud, knobs: dict[str, object]) -> None:
    bench.emulated.set_knobs(**knobs)
    for port in range(1, 121):
        bench.acts.create_entry(TABLE_ID, "203.0.113.1", str(port), "172.16.1.1", str(port))
    pages = [cloud.read_page(TABLE_ID, number) for number in (1, 2, 3, 4)]
    assert [page.total for page in pages] == [120] * 4
    assert [len(page.entries) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 20, 0]
    seen = {entry.external_ports.first for page in pages for entry in page.entries}
    assert seen == set(range(1, 121))


def test_a_row_that_is_not_there_is_none(cloud: Cloud) -> None:
    assert cloud.read_entry(TABLE_ID, "fwd-nothing") is None


def test_an_empty_table_and_an_absent_one_differ(cloud: Cloud) -> None:
    assert cloud.read_page(TABLE_ID, 1).entries == ()
    with pytest.raises(CloudError) as caught:
        cloud.read_page("ftb-absent", 1)
    assert caught.value.kind is ErrorKind.GATEWAY


def test_the_same_token_creates_once(bench: Bench, cloud: Cloud) -> None:
    ids = {cloud.create_entry(TABLE_ID, new_entry(), token("same")) for _ in range(3)}
    assert len(ids) == len(rows(bench.emulated)) == 1


def test_a_token_used_for_something_else_is_told(cloud: Cloud) -> None:
    cloud.create_entry(TABLE_ID, new_entry(), token("same"))
    with pytest.raises(CloudError) as caught:
        cloud.create_entry(TABLE_ID, new_entry(port=513), token("same"))
    assert caught.value.kind is ErrorKind.MISMATCH


def test_gateways_are_described_with_their_eips(cloud: Cloud) -> None:
    [gateway] = cloud.describe_gateways()
    assert (gateway.gateway_id, gateway.table_id, gateway.vpc_id, gateway.problem) == (
        GATEWAY_ID, TABLE_ID, VPC_ID, "",
    )  # fmt: skip
    assert [(eip.ip, eip.usable) for eip in gateway.eips] == [
        ("203.0.113.1", True), ("203.0.113.2", True),
    ]  # fmt: skip


def test_more_gateways_and_eips_than_fit_on_a_page() -> None:
    scenario = Scenario.many(60, eips=2)
    scenario.gateways[0].eips += [f"192.0.2.{i}" for i in range(1, 120)]
    with CloudServer(Emulated(scenario)) as server:
        gateways = Bench(server).connect().describe_gateways()
    assert len(gateways) == 60
    assert sorted({len(gateway.eips) for gateway in gateways}) == [2, 121]


def test_an_eip_that_comes_and_goes_is_followed(bench: Bench, cloud: Cloud) -> None:
    def eips() -> dict[str, bool]:
        [gateway] = cloud.describe_gateways()
        return {eip.ip: eip.usable for eip in gateway.eips}

    bench.acts.bind_eip("203.0.113.9", GATEWAY_ID, seconds=3600)
    assert eips() == {"203.0.113.1": True, "203.0.113.2": True, "203.0.113.9": False}
    bench.acts.unbind_eip("203.0.113.2")
    assert not eips().get("203.0.113.2", False)
    bench.acts.set_eip("203.0.113.1", business_status="FinancialLocked")
    assert not eips()["203.0.113.1"]


def test_eips_that_serve_snat_are_told(bench: Bench, cloud: Cloud) -> None:
    bench.acts.set_eip("203.0.113.2", serves_snat=True)
    [gateway] = cloud.describe_gateways()
    assert [eip.serves_snat for eip in gateway.eips] == [False, True]


def test_wanted_gateways_that_cannot_be_used_say_why(bench: Bench) -> None:
    scenario = Scenario(
        vpcs=[VpcSpec(), VpcSpec(id="vpc-other")],
        gateways=[
            GatewaySpec(id="ngw-good", eips=["203.0.113.1"]),
            GatewaySpec(id="ngw-unwanted"),
            GatewaySpec(id="ngw-busy", status="Modifying"),
            GatewaySpec(id="ngw-inside", network_type="intranet"),
            GatewaySpec(id="ngw-elsewhere", vpc="vpc-other"),
        ],
    )
    wanted = ["ngw-good", "ngw-busy", "ngw-inside", "ngw-elsewhere", "ngw-nowhere"]
    with CloudServer(Emulated(scenario)) as server:
        found = Bench(server).connect().describe_gateways(wanted)
    assert [gateway.gateway_id for gateway in found] == wanted
    assert [bool(gateway.problem) for gateway in found] == [False, True, True, True, True]
    assert [gateway.absent for gateway in found] == [False, False, False, False, True]
    assert "vpc-other" in found[3].problem


@pytest.mark.parametrize("matches_primary", [True, False])
def test_interfaces_are_found_by_any_of_their_addresses(
    bench: Bench, cloud: Cloud, matches_primary: bool
) -> None:
    bench.emulated.set_knobs(filter_matches_primary=matches_primary, synthesize_enis=False)
    zone, vswitch = "cn-hangzhou-j", "vsw-bp1pods0"
    for i in range(130):
        ips = [f"172.16.{i}.1", f"172.16.{i}.2"]
        public = {"172.16.5.2": "203.0.113.77"} if i == 5 else {}
        bench.acts.add_eni(id=f"eni-{i}", vswitch=vswitch, zone=zone, ips=ips, public_ips=public)
    secondary = [f"172.16.{i}.2" for i in range(130)]
    found = cloud.find_enis([*secondary, "172.16.0.1", "172.16.1.1", "172.16.200.1"])
    assert {found[ip].eni_id for ip in secondary} == {f"eni-{i}" for i in range(130)}
    assert found["172.16.0.1"].eni_id == "eni-0"
    assert "172.16.200.1" not in found
    assert found["172.16.5.2"].public_ip == "203.0.113.77"
    assert found["172.16.5.1"].public_ip == ""
    assert (found["172.16.5.1"].vswitch_id, found["172.16.5.1"].zone_id) == (vswitch, zone)


@pytest.mark.parametrize(("matches_primary", "calls_for_strangers"), [(True, 1), (False, 6)])
def test_primary_addresses_are_asked_for_one_by_one_only_where_needed(
    bench: Bench, cloud: Cloud, matches_primary: bool, calls_for_strangers: int
) -> None:
    bench.emulated.set_knobs(filter_matches_primary=matches_primary, synthesize_enis=False)
    bench.acts.add_eni(
        id="eni-1", vswitch="vsw-bp1pods0", zone="cn-hangzhou-j", ips=["172.16.0.1", "172.16.0.2"]
    )
    assert "172.16.0.1" in cloud.find_enis(["172.16.0.1", "172.16.9.1"])
    before = bench.calls("DescribeNetworkInterfaces")
    cloud.find_enis([f"172.16.9.{i}" for i in range(10)])
    assert bench.calls("DescribeNetworkInterfaces") - before == calls_for_strangers


def test_a_primary_address_found_by_its_neighbour_is_not_taken_for_found_by_itself(
    bench: Bench, cloud: Cloud
) -> None:
    bench.emulated.set_knobs(filter_matches_primary=False, synthesize_enis=False)
    vswitch, zone = "vsw-bp1pods0", "cn-hangzhou-j"
    bench.acts.add_eni(id="eni-1", vswitch=vswitch, zone=zone, ips=["172.16.0.1", "172.16.0.2"])
    bench.acts.add_eni(id="eni-2", vswitch=vswitch, zone=zone, ips=["172.16.0.3"])
    assert "172.16.0.1" in cloud.find_enis(["172.16.0.1", "172.16.0.2"])
    assert cloud.find_enis(["172.16.0.3"])["172.16.0.3"].eni_id == "eni-2"


@pytest.mark.parametrize("matches_primary", [True, False])
def test_an_interface_that_goes_before_it_is_asked_for_settles_nothing(
    bench: Bench, cloud: Cloud, matches_primary: bool
) -> None:
    bench.emulated.set_knobs(filter_matches_primary=matches_primary, synthesize_enis=False)
    vswitch, zone = "vsw-bp1pods0", "cn-hangzhou-j"
    bench.acts.add_eni(id="eni-1", vswitch=vswitch, zone=zone, ips=["172.16.0.1", "172.16.0.2"])
    assert cloud.find_enis(["172.16.0.2"])
    with bench.emulated.lock:
        bench.emulated.world.enis.clear()
    bench.acts.add_eni(id="eni-2", vswitch=vswitch, zone=zone, ips=["172.16.0.3"])
    for _ in range(2):
        assert "172.16.0.3" in cloud.find_enis(["172.16.0.3", "172.16.9.1"])


@pytest.mark.parametrize(("matches_primary", "a_minute"), [(True, 1), (False, 10)])
def test_addresses_that_no_interface_lists_cost_few_calls_at_rest(
    bench: Bench, cloud: Cloud, matches_primary: bool, a_minute: float
) -> None:
    """Pods in blocks of addresses, of which the interfaces list none by itself."""
    knobs = {"filter_matches_primary": matches_primary, "limits": {}, "default_limit": 0}
    bench.emulated.set_knobs(synthesize_enis=False, **knobs)
    bench.acts.add_eni(
        id="eni-node", vswitch="vsw-bp1pods0", zone="cn-hangzhou-j", ips=["172.16.250.1"]
    )
    clock = FakeClock()
    enis = EniCache(clock, lambda _ip: None)
    before = 0
    for second in range(3000):
        if second == 1800:
            before = bench.calls("DescribeNetworkInterfaces")
        if second % 300 == 0:  # every pod is looked at
            for i in range(200):
                enis.want(f"172.16.9.{i}")
        while enis.wait_for_work(0):
            enis.resolve_pending(cloud)
        clock.advance(1)
    assert (bench.calls("DescribeNetworkInterfaces") - before) / 20 <= a_minute
    assert all(enis.missing(f"172.16.9.{i}") for i in range(200))


def test_threads_share_a_client(bench: Bench, cloud: Cloud) -> None:
    bench.emulated.set_knobs(mode="relaxed", settle=Settle.all(0.0), limits={}, default_limit=0)
    gate = threading.Barrier(16)

    def create(i: int) -> str:
        gate.wait(60)
        new = new_entry(port=600 + i, ip=f"172.16.2.{i + 1}")
        while True:
            try:
                return cloud.create_entry(TABLE_ID, new, token("thread", i))
            except CloudError as error:
                assert error.kind is ErrorKind.BUSY  # noqa: PT017 - all others are failures

    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(create, range(16)))
    assert len(set(ids)) == len(rows(bench.emulated)) == 16

"""The reads: filters, paging, spelling, lag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_vpc20160428 import models

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.cloud.scenario import eip_id
from dnatctl_sim.cloud.spec import REGION, VPC_ID, GatewaySpec, VpcSpec
from tests.integration.sim.cloud_support import (
    EIP,
    GATEWAY,
    OTHER_EIP,
    OTHER_GATEWAY,
    OTHER_TABLE,
    SECOND_EIP,
    TABLE,
    Site,
    refused,
)


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


def _fill(site: Site, count: int) -> list[str]:
    return [
        site.acts.create_entry(
            TABLE, EIP, str(1000 + n), f"172.16.{n // 200}.{n % 200}", "80", name=f"row{n}"
        )
        for n in range(count)
    ]


def _ids(rows: list[Any]) -> list[str]:
    return [row.forward_entry_id for row in rows]


class TestForwardEntries:
    def test_pages(self, site: Site) -> None:
        ids = _fill(site, 123)
        pages = [site.listed(page_size=50, page_number=n) for n in (1, 2, 3, 4)]
        rows = [_ids(page.forward_table_entries.forward_table_entry) for page in pages]
        assert [len(page) for page in rows] == [50, 50, 23, 0]
        assert [one for page in rows for one in page] == ids[::-1]
        assert {page.total_count for page in pages} == {123}
        assert [page.page_number for page in pages] == [1, 2, 3, 4]

    @pytest.mark.parametrize(("asked", "given"), [(None, 10), (51, 50), (1000, 50), (7, 7), (0, 1)])
    def test_page_sizes_are_clamped(self, site: Site, asked: int | None, given: int) -> None:
        _fill(site, 60)
        body = site.listed(page_size=asked)
        assert len(body.forward_table_entries.forward_table_entry) == body.page_size == given

    def test_oldest_first_if_told_so(self, site: Site) -> None:
        site.cloud.set_knobs(newest_first=False)
        ids = _fill(site, 12)
        assert _ids(site.entries()) == ids[:10]
        assert _ids(site.entries(external_ip=EIP)) == ids[:10]

    def test_pages_shift_under_churn(self, site: Site) -> None:
        ids = _fill(site, 4)
        first = _ids(site.entries(page_size=2, page_number=1))
        assert first == [ids[3], ids[2]]
        site.acts.create_entry(TABLE, EIP, "2000", "172.16.9.1", "80")
        assert _ids(site.entries(page_size=2, page_number=2))[0] == ids[2]
        site.acts.delete_entry(ids[3])
        site.acts.delete_entry(ids[2])
        assert ids[1] not in _ids(site.entries(page_size=2, page_number=2))

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"forward_entry_name": "row3"}, {3}),
            ({"external_port": "1004"}, {4}),
            ({"internal_ip": "172.16.0.5"}, {5}),
            ({"internal_ip": "172.16.0.5", "external_port": "1004"}, set()),
            ({"ip_protocol": "TCP"}, set(range(6))),
            ({"external_ip": SECOND_EIP}, set()),
            ({"internal_port": "81"}, set()),
        ],
    )
    def test_filters(self, site: Site, filters: dict[str, str], found: set[int]) -> None:
        ids = _fill(site, 6)
        body = site.listed(**filters)
        got = set(_ids(body.forward_table_entries.forward_table_entry))
        assert got == {ids[n] for n in found}
        assert body.total_count == len(found)

    def test_by_entry_id_or_gateway(self, site: Site) -> None:
        ids = _fill(site, 3)
        other = site.acts.create_entry(OTHER_TABLE, OTHER_EIP, "1000", "172.16.0.1", "80")
        assert _ids(site.entries(forward_entry_id=ids[1])) == [ids[1]]
        assert site.entries(forward_entry_id=other) == []
        by_gateway = site.entries(forward_table_id=None, nat_gateway_id=OTHER_GATEWAY)
        assert _ids(by_gateway) == [other]

    def test_needs_a_table_or_a_gateway(self, site: Site) -> None:
        with refused("DESCRIBE_FORWARD_PARAM_INVALID", 400):
            site.listed(forward_table_id=None)
        with refused("InvalidForwardTableId.NotFound", 404):
            site.listed(forward_table_id="ftb-none")
        with refused("InvalidForwardTableId.NotFound", 404):
            site.listed(forward_table_id=TABLE, nat_gateway_id=OTHER_GATEWAY)

    def test_fields(self, site: Site) -> None:
        entry_id = site.create(forward_entry_name="name-1")
        (row,) = site.entries()
        assert row.to_map() == {
            "ForwardEntryId": entry_id,
            "ForwardTableId": TABLE,
            "NatGatewayId": GATEWAY,
            "ExternalIp": EIP,
            "ExternalPort": "512",
            "InternalIp": "172.16.0.5",
            "InternalPort": "80",
            "IpProtocol": "tcp",
            "ForwardEntryName": "name-1",
            "Status": "Pending",
        }

    def test_ports_may_be_numbers(self, site: Site) -> None:
        site.cloud.set_knobs(ports_as_numbers=True)
        site.created(512, "172.16.0.1")
        site.created("600/601", "172.16.0.2", "80/81")
        wide, single = site.entries()
        assert (single.external_port, single.internal_port) == (512, 80)
        assert (wide.external_port, wide.internal_port) == ("600/601", "80/81")

    @pytest.mark.parametrize(
        ("case", "shown"),
        [("echo", {"Tcp", "Any"}), ("lower", {"tcp", "any"}), ("upper", {"TCP", "Any"})],
    )
    def test_protocol_case(self, site: Site, case: str, shown: set[str]) -> None:
        site.cloud.set_knobs(protocol_case=case)
        site.created(ip_protocol="Tcp")
        site.created("Any", "172.16.0.9", "Any", ip_protocol="Any", external_ip=SECOND_EIP)
        assert {row.ip_protocol for row in site.entries()} == shown

    def test_lists_may_lag_behind(self, site: Site) -> None:
        site.cloud.set_knobs(read_lag=5)
        entry_id = site.created()
        assert site.entries() == []
        assert site.listed().total_count == 0
        assert site.entries(forward_entry_id=entry_id) == []
        assert len(site.rows()) == 1
        site.clock.advance(5)
        assert _ids(site.entries()) == [entry_id]


class TestGateways:
    def list(self, site: Site, **more: Any) -> list[Any]:
        request = models.DescribeNatGatewaysRequest(**({"region_id": REGION} | more))
        return list(site.vpc.describe_nat_gateways(request).body.nat_gateways.nat_gateway)

    def test_fields(self, site: Site) -> None:
        site.acts.set_eip(SECOND_EIP, serves_snat=True)
        site.create()
        gateway, other = self.list(site, vpc_id=VPC_ID)
        assert (gateway.nat_gateway_id, other.nat_gateway_id) == (GATEWAY, OTHER_GATEWAY)
        assert gateway.forward_table_ids.forward_table_id == [TABLE]
        assert gateway.nat_gateway_private_info.iz_no == "cn-hangzhou-j"
        assert other.nat_gateway_private_info.iz_no == "cn-hangzhou-k"
        assert (gateway.status, gateway.business_status) == ("Available", "Normal")
        assert (gateway.nat_type, gateway.network_type) == ("Enhanced", "internet")
        eips = [(ip.ip_address, ip.using_status) for ip in gateway.ip_lists.ip_list]
        assert eips == [(EIP, "UsedByForwardTable"), (SECOND_EIP, "UsedBySnatTable")]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"nat_gateway_id": OTHER_GATEWAY}, [OTHER_GATEWAY]),
            ({"vpc_id": "vpc-none"}, []),
            ({"network_type": "intranet"}, []),
            ({"status": "Modifying"}, [GATEWAY]),
            ({"zone_id": "cn-hangzhou-k"}, [OTHER_GATEWAY]),
            ({"page_size": 1, "page_number": 2}, [OTHER_GATEWAY]),
        ],
    )
    def test_filters(self, site: Site, filters: dict[str, Any], found: list[str]) -> None:
        site.acts.set_gateway(GATEWAY, status="Modifying")
        assert [g.nat_gateway_id for g in self.list(site, **filters)] == found

    def test_follows_eips_as_they_come_and_go(self, site: Site) -> None:
        site.acts.bind_eip("203.0.113.77", GATEWAY)
        site.acts.unbind_eip(EIP)
        (gateway,) = self.list(site, nat_gateway_id=GATEWAY)
        assert [ip.ip_address for ip in gateway.ip_lists.ip_list] == [SECOND_EIP, "203.0.113.77"]

    def test_shows_eips_that_are_being_bound(self, site: Site) -> None:
        site.acts.bind_eip("203.0.113.77", GATEWAY, seconds=5)
        (gateway,) = self.list(site, nat_gateway_id=GATEWAY)
        assert "203.0.113.77" in [ip.ip_address for ip in gateway.ip_lists.ip_list]

    def test_pages_are_of_50(self) -> None:
        with Site(Scenario.many(60, eips=1)) as crowd:
            assert len(self.list(crowd, page_size=100)) == 50
            assert len(self.list(crowd)) == 10

    def test_a_normal_gateway_has_no_zone(self, site: Site) -> None:
        site.acts.set_gateway(GATEWAY, nat_type="Normal")
        (gateway,) = self.list(site, nat_gateway_id=GATEWAY)
        assert gateway.nat_gateway_private_info is None


class TestEips:
    def list(self, site: Site, **more: Any) -> list[Any]:
        request = models.DescribeEipAddressesRequest(**({"region_id": REGION} | more))
        return list(site.vpc.describe_eip_addresses(request).body.eip_addresses.eip_address)

    def test_fields(self, site: Site) -> None:
        eip, *_ = self.list(site)
        assert (eip.ip_address, eip.status, eip.business_status) == (EIP, "InUse", "Normal")
        assert (eip.instance_type, eip.instance_id) == ("Nat", GATEWAY)
        assert eip.bandwidth == "5"

    def test_lists_of_addresses_and_ids(self, site: Site) -> None:
        both = self.list(site, eip_address=f"{EIP},{OTHER_EIP}")
        assert [eip.ip_address for eip in both] == [EIP, OTHER_EIP]
        assert len(self.list(site, allocation_id=eip_id(EIP))) == 1
        with refused("InvalidParameter", 400):
            self.list(site, eip_address=",".join(f"192.0.2.{n}" for n in range(51)))

    def test_by_instance(self, site: Site) -> None:
        found = self.list(
            site, associated_instance_type="Nat", associated_instance_id=OTHER_GATEWAY
        )
        assert {eip.instance_id for eip in found} == {OTHER_GATEWAY}
        assert len(found) == 2
        with refused("InvalidIAssociatedInstanceType.ValueNotSupported", 400):
            self.list(site, associated_instance_type="Toaster")

    def test_binding_and_locks_show(self, site: Site) -> None:
        site.acts.bind_eip("203.0.113.77", GATEWAY, seconds=5)
        site.acts.unbind_eip(EIP, seconds=3)
        site.acts.set_eip(SECOND_EIP, business_status="FinancialLocked")
        shown = {eip.ip_address: eip for eip in self.list(site)}
        assert shown["203.0.113.77"].status == "Associating"
        assert shown[EIP].status == "Unassociating"
        assert shown[SECOND_EIP].business_status == "FinancialLocked"
        assert shown[SECOND_EIP].operation_locks.lock_reason[0].lock_reason == "financial"
        site.clock.advance(5)
        shown = {eip.ip_address: eip for eip in self.list(site)}
        assert shown["203.0.113.77"].status == "InUse"
        assert (shown[EIP].status, shown[EIP].instance_id) == ("Available", "")

    def test_pages_are_of_100(self) -> None:
        with Site(Scenario.many(8, eips=20)) as crowd:
            assert len(self.list(crowd, page_size=200)) == 100
            assert len(self.list(crowd, page_size=200, page_number=2)) == 60

    def test_dry_run(self, site: Site) -> None:
        with refused("DryRunOperation"):
            self.list(site, dry_run=True)


class TestRegions:
    @pytest.fixture
    def two(self) -> Iterator[Site]:
        here = VpcSpec()
        there = VpcSpec(id="vpc-there", region="cn-beijing")
        gateways = [
            GatewaySpec(id=GATEWAY, eips=[EIP]),
            GatewaySpec(id="ngw-there", vpc="vpc-there", eips=[OTHER_EIP]),
        ]
        with Site(Scenario(vpcs=[here, there], gateways=gateways)) as site:
            yield site

    def test_each_shows_its_own(self, two: Site) -> None:
        gateways, eips = TestGateways(), TestEips()
        for region, gateway, eip in (
            (REGION, GATEWAY, EIP),
            ("cn-beijing", "ngw-there", OTHER_EIP),
        ):
            assert [g.nat_gateway_id for g in gateways.list(two, region_id=region)] == [gateway]
            assert [e.ip_address for e in eips.list(two, region_id=region)] == [eip]

    def test_tables_and_eips_do_not_exist_elsewhere(self, two: Site) -> None:
        there = {"region_id": "cn-beijing", "forward_table_id": "ftb-there"}
        two.created(external_ip=OTHER_EIP, **there)
        with refused("InvalidForwardTableId.NotFound", 404):
            two.entries(forward_table_id="ftb-there")
        with refused("InvalidForwardTableId.NotFound", 404):
            two.entries(forward_table_id=None, nat_gateway_id="ngw-there")
        with refused("InvalidExternalIp.NotFound", 404):
            two.create(513, external_ip=EIP, **there)

    def test_limits_are_by_region(self, two: Site) -> None:
        two.cloud.set_knobs(default_limit=1)
        two.entries()
        two.entries(region_id="cn-beijing", forward_table_id="ftb-there")
        with refused("Throttling.User"):
            two.entries()

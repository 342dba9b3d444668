"""The writes to a forward table, by the vendor's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from dnatctl_sim.cloud import DOCUMENTED_POLICY, Scenario
from dnatctl_sim.cloud.spec import ACCESS_KEY, GatewaySpec
from dnatctl_sim.cloud.wire import Request
from tests.integration.sim.cloud_support import (
    EIP,
    GATEWAY,
    OTHER_EIP,
    OTHER_TABLE,
    SECOND_EIP,
    SETTLE,
    TABLE,
    Site,
    refused,
)

BUSY = "IncorretForwardEntryStatus"
DUPLICATE = "OperationUnsupported.DuplicatedForwardEntry"


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


class TestLife:
    def test_a_new_entry_is_pending_until_it_settles(self, site: Site) -> None:
        entry_id = site.create(forward_entry_name="dnatctl_c1")
        assert site.statuses() == ["Pending"]
        site.clock.advance(SETTLE * 0.99)
        assert site.statuses() == ["Pending"]
        site.clock.advance(SETTLE * 0.02)
        (row,) = site.rows()
        assert row["status"] == "Available"
        assert row["entry_id"] == entry_id
        assert (row["external_ip"], row["external_port"]) == (EIP, "512")
        assert (row["internal_ip"], row["internal_port"]) == ("172.16.0.5", "80")
        assert row["name"] == "dnatctl_c1"
        assert row["works"]

    def test_a_deleted_entry_is_deleting_then_absent(self, site: Site) -> None:
        site.delete(site.created())
        assert site.statuses() == ["Deleting"]
        site.settle()
        assert site.rows() == []

    def test_a_modified_entry_keeps_its_id_and_what_is_not_given(self, site: Site) -> None:
        entry_id = site.created(forward_entry_name="before")
        site.modify(entry_id, internal_ip="172.16.0.6")
        (row,) = site.rows()
        assert row["status"] == "Pending"
        site.settle()
        (row,) = site.rows()
        assert (row["entry_id"], row["status"], row["name"]) == (entry_id, "Available", "before")
        assert (row["internal_ip"], row["external_port"]) == ("172.16.0.6", "512")

    def test_a_rename_puts_the_row_in_flux(self, site: Site) -> None:
        entry_id = site.created()
        site.modify(entry_id, forward_entry_name="after")
        assert [(row["name"], row["status"]) for row in site.rows()] == [("after", "Pending")]

    def test_settle_times_differ_by_write_and_gateway(self, site: Site) -> None:
        site.cloud.set_knobs(
            settle={"create": 1, "modify": 2, "delete": 3},
            gateway_settle={"ngw-bp1emulated0002": {"create": 5}},
        )
        entry_id = site.create()
        site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)
        site.clock.advance(1)
        site.modify(entry_id, internal_port="81")
        site.clock.advance(1.5)
        assert site.statuses() == ["Pending"]
        site.clock.advance(0.5)
        site.delete(entry_id)
        site.clock.advance(1.9)
        assert site.statuses() == ["Deleting"]
        assert site.statuses(OTHER_TABLE) == ["Pending"]
        site.clock.advance(1.1)
        assert site.statuses() == []
        assert site.statuses(OTHER_TABLE) == ["Available"]

    def test_random_settle_times_stay_in_their_bounds_and_repeat(self, site: Site) -> None:
        def draw() -> list[float]:
            site.cloud.reset()
            site.cloud.set_knobs(settle={"create": (1, 3)}, mode="relaxed")
            now = site.clock.monotonic()
            ids = [site.create(600 + i, f"172.16.1.{i}") for i in range(20)]
            table = site.cloud.world.gateways[GATEWAY].table
            return [round(table.rows[entry_id].settles_at - now, 6) for entry_id in ids]

        first = draw()
        assert all(1 <= seconds <= 3 for seconds in first)
        assert len(set(first)) > 10
        assert draw() == first


class TestGate:
    @pytest.mark.parametrize("flux", ["create", "modify", "delete"])
    def test_a_row_in_flux_blocks_every_write_to_its_table(self, site: Site, flux: str) -> None:
        steady, other = site.created(600, "172.16.0.1"), site.created(601, "172.16.0.2")
        match flux:
            case "create":
                site.create(602, "172.16.0.3")
            case "modify":
                site.modify(other, internal_port="81")
            case "delete":
                site.delete(other)
        before = site.rows()
        with refused(BUSY, 400):
            site.create(603, "172.16.0.4")
        with refused(BUSY, 400):
            site.modify(steady, internal_port="82")
        with refused(BUSY, 400):
            site.delete(steady)
        assert site.rows() == before
        site.settle()
        site.create(603, "172.16.0.4")

    def test_tables_do_not_block_each_other(self, site: Site) -> None:
        site.create()
        site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)
        assert site.statuses() == site.statuses(OTHER_TABLE) == ["Pending"]

    def test_deleting_rows_need_not_block(self, site: Site) -> None:
        site.cloud.set_knobs(deleting_blocks=False)
        site.delete(site.created(600, "172.16.0.1"))
        site.create(601, "172.16.0.2")
        assert sorted(site.statuses()) == ["Deleting", "Pending"]

    def test_relaxed_lets_writes_meet_rows_in_flux_but_not_their_own(self, site: Site) -> None:
        site.cloud.set_knobs(mode="relaxed")
        first = site.create(600, "172.16.0.1")
        site.create(601, "172.16.0.2")
        assert site.statuses() == ["Pending", "Pending"]
        with refused(BUSY, 400):
            site.delete(first)
        with refused(BUSY, 400):
            site.modify(first, internal_port="81")

    @pytest.mark.parametrize("mode", ["strict", "relaxed"])
    def test_overlapping_writes_conflict_and_are_seen(self, site: Site, mode: str) -> None:
        site.cloud.set_knobs(mode=mode, write_latency=0.4)
        slow_create = site.under_way(lambda: site.create(600, "172.16.0.1"))
        with slow_create as slow, refused("OperationConflict", 409):
            site.create(601, "172.16.0.2")
        slow.result()
        first, second = site.cloud.calls()
        assert first.overlapped
        assert second.overlapped
        assert site.cloud.counters()["overlaps"] == 2
        assert len(site.rows()) == 1

    def test_writes_one_after_another_do_not_overlap(self, site: Site) -> None:
        site.cloud.set_knobs(mode="relaxed", write_latency=0.01)
        for port in range(600, 603):
            site.create(port, f"172.16.1.{port - 600}")
        assert site.cloud.counters()["overlaps"] == 0


class TestLatency:
    """The time the server works on a call, without a server."""

    def waits(self, site: Site, api: str, **params: str) -> list[float]:
        site.cloud.set_knobs(verify_signature=False)
        key = f"Credential={ACCESS_KEY},SignedHeaders=host,Signature={'0' * 64}"
        headers = {
            "x-acs-action": api,
            "x-acs-version": "2016-04-28",
            "authorization": f"ACS3-HMAC-SHA256 {key}",
        }
        query = {"RegionId": "cn-hangzhou", "ForwardTableId": TABLE} | params
        return list(site.cloud.serve(Request("POST", "/", urlencode(query), headers)))

    def test_a_write_has_its_effect_half_way(self, site: Site) -> None:
        site.cloud.set_knobs(write_latency=0.4, read_latency=3)
        entry_id = site.acts.create_entry(TABLE, EIP, "600", "172.16.0.1", "80")
        assert self.waits(site, "DeleteForwardEntry", ForwardEntryId=entry_id) == [0.2, 0.2]

    def test_a_refusal_takes_as_long(self, site: Site) -> None:
        site.create()
        site.cloud.set_knobs(write_latency=0.4)
        entry_id = site.acts.create_entry(TABLE, EIP, "600", "172.16.0.1", "80")
        assert self.waits(site, "DeleteForwardEntry", ForwardEntryId=entry_id) == [0.4]

    def test_a_read_is_true_of_its_middle(self, site: Site) -> None:
        site.cloud.set_knobs(write_latency=3, read_latency=0.4)
        assert self.waits(site, "DescribeForwardTableEntries") == [0.2, 0.2]

    def test_it_may_be_random(self, site: Site) -> None:
        site.cloud.set_knobs(read_latency=(1, 3))
        totals = [sum(self.waits(site, "DescribeForwardTableEntries")) for _ in range(20)]
        assert all(1 <= total <= 3 for total in totals)
        assert len(set(totals)) > 10


class TestEndpoints:
    @pytest.mark.parametrize(
        ("there", "new"),
        [
            (("512", "80", "tcp"), ("512", "81", "tcp")),
            (("512", "80", "tcp"), ("512", "81", "TCP")),
            (("512/520", "80/88", "tcp"), ("516", "90", "tcp")),
            (("516", "90", "tcp"), ("512/520", "80/88", "tcp")),
            (("512/520", "80/88", "udp"), ("520/521", "90/91", "udp")),
            (("Any", "Any", "Any"), ("512", "81", "udp")),
            (("512", "81", "udp"), ("Any", "Any", "Any")),
        ],
    )
    def test_no_two_rows_share_one(self, site: Site, there: str, new: str) -> None:
        site.created(there[0], "172.16.0.1", there[1], ip_protocol=there[2])
        with refused(DUPLICATE, 400):
            site.create(new[0], "172.16.0.2", new[1], ip_protocol=new[2])
        assert len(site.rows()) == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"external_port": "513"},
            {"ip_protocol": "udp"},
            {"external_ip": SECOND_EIP},
            {"external_port": "513/514", "internal_port": "80/81"},
        ],
    )
    def test_different_ones_go_together(self, site: Site, other: dict[str, str]) -> None:
        site.created(512, "172.16.0.1")
        site.create(ip="172.16.0.2", **other)
        assert len(site.rows()) == 2

    def test_one_is_taken_until_its_row_is_gone(self, site: Site) -> None:
        site.cloud.set_knobs(mode="relaxed")
        site.delete(site.created(512, "172.16.0.1"))
        with refused(DUPLICATE):
            site.create(512, "172.16.0.2")
        site.settle()
        site.create(512, "172.16.0.2")

    def test_the_code_for_a_taken_one_varies(self, site: Site) -> None:
        site.cloud.set_knobs(duplicate_external_code="Some.Other.Code")
        site.created(512, "172.16.0.1")
        with refused("Some.Other.Code", 400):
            site.create(512, "172.16.0.2")

    def test_a_row_may_be_modified_onto_itself_but_not_onto_another(self, site: Site) -> None:
        first, second = site.created(512, "172.16.0.1"), site.created(513, "172.16.0.2")
        site.modify(first, external_port="512", internal_port="81")
        site.settle()
        with refused(DUPLICATE):
            site.modify(second, external_port="512")

    def test_a_modified_row_frees_what_it_had(self, site: Site) -> None:
        site.modify(site.created(512, "172.16.0.1"), external_port="513")
        site.settle()
        site.created(512, "172.16.0.2")
        with refused(DUPLICATE):
            site.create(513, "172.16.0.3")


class TestInside:
    @pytest.mark.parametrize(
        ("there", "new"),
        [(("512", "80"), ("513", "80")), (("512/513", "80/81"), ("514", "81"))],
    )
    def test_a_pod_port_has_one_row(self, site: Site, there: str, new: str) -> None:
        site.created(there[0], "172.16.0.1", there[1])
        with refused("OperationUnsupported.ForwardEntry", 400):
            site.create(new[0], "172.16.0.1", new[1])
        site.create(new[0], "172.16.0.1", new[1], ip_protocol="udp")

    @pytest.mark.parametrize(
        ("scope", "refusal"), [("table", ""), ("vpc", "OperationUnsupported.ForwardEntry")]
    )
    def test_it_is_unique_in_the_table_or_in_the_vpc(
        self, site: Site, scope: str, refusal: str
    ) -> None:
        site.cloud.set_knobs(internal_scope=scope)
        site.created()
        if refusal:
            with refused(refusal):
                site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)
        else:
            site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)

    @pytest.mark.parametrize(
        "code", ["Forbidden.DestnationIpOutOfVpcCIDR", "Forbidden.InternalIpOutOfVpcCIDR"]
    )
    def test_it_must_lie_in_the_vpc(self, site: Site, code: str) -> None:
        site.cloud.set_knobs(out_of_cidr_code=code)
        with refused(code, 400):
            site.create(ip="192.168.0.1")

    def test_a_secondary_cidr_counts(self, site: Site) -> None:
        site.create(ip="10.0.3.4")
        assert len(site.rows()) == 1

    def test_a_target_with_an_eip_of_its_own_is_refused(self, site: Site) -> None:
        site.acts.set_public_ip("172.16.0.5", "198.51.100.77")
        with refused("Forbindden", 400):
            site.create()
        site.acts.set_public_ip("172.16.0.5", "")
        site.create()

    def test_an_address_nobody_owns_is_accepted_but_does_not_work(self, site: Site) -> None:
        site.acts.set_unknown_ip("172.16.0.5")
        site.created()
        (row,) = site.rows()
        assert (row["status"], row["works"]) == ("Available", False)


class TestEips:
    def test_unknown(self, site: Site) -> None:
        with refused("InvalidExternalIp.NotFound", 404):
            site.create(external_ip="203.0.113.99")

    def test_of_another_gateway(self, site: Site) -> None:
        with refused("InvalidIp.NotInNatgw", 400):
            site.create(external_ip=OTHER_EIP)

    def test_being_bound(self, site: Site) -> None:
        site.acts.bind_eip("203.0.113.50", GATEWAY, seconds=5)
        with refused("OperationUnsupported.EipInBinding", 400):
            site.create(external_ip="203.0.113.50")
        site.clock.advance(5)
        site.create(external_ip="203.0.113.50")

    def test_unbound(self, site: Site) -> None:
        site.acts.unbind_eip(EIP, seconds=5)
        with refused("InvalidIp.NotInNatgw"):
            site.create()

    def test_one_that_serves_snat_needs_port_break_above_1024(self, site: Site) -> None:
        site.acts.set_eip(EIP, serves_snat=True)
        site.created(1024, "172.16.0.1")
        with refused("OperationUnsupported.PortBreak", 400):
            site.create(1025, "172.16.0.2")
        with refused("OperationUnsupported.PortBreak", 400):
            site.create("1020/1030", "172.16.0.2", "20/30")
        entry_id = site.created(1025, "172.16.0.2", port_break=True)
        site.modify(entry_id, internal_ip="172.16.0.3")

    def test_one_that_serves_snat_takes_no_ip_mapping(self, site: Site) -> None:
        site.acts.set_eip(EIP, serves_snat=True)
        with refused("Forbidden.ExternalIp.UsedInSnatTable", 400):
            site.create("Any", inside="Any", ip_protocol="Any", port_break=True)

    def test_a_normal_gateway_does_not_share_with_snat(self, site: Site) -> None:
        site.acts.set_gateway(GATEWAY, nat_type="Normal")
        site.acts.set_eip(EIP, serves_snat=True)
        with refused("Forbidden.ExternalIp.UsedInSnatTable", 400):
            site.create()


class TestGateways:
    @pytest.mark.parametrize("status", ["Creating", "Modifying", "Converting", "Deleting"])
    def test_only_available_ones_are_written_to(self, site: Site, status: str) -> None:
        entry_id = site.created(600, "172.16.0.1")
        site.acts.set_gateway(GATEWAY, status=status)
        with refused("IncorrectStatus.NATGW", 400):
            site.create()
        with refused("IncorrectStatus.NATGW", 400):
            site.delete(entry_id)
        with refused("IncorrectStatus.NATGW", 400):
            site.modify(entry_id, internal_port="81")
        site.acts.set_gateway(GATEWAY, status="Available")
        site.create()

    def test_a_locked_one_is_not_written_to(self, site: Site) -> None:
        site.acts.set_gateway(GATEWAY, business_status="FinancialLocked")
        with refused("IncorrectStatus.NATGW"):
            site.create()

    def test_a_deleted_one_takes_its_table_along(self, site: Site) -> None:
        entry_id = site.created()
        site.acts.delete_gateway(GATEWAY)
        with refused("InvalidForwardTableId.NotFound", 404):
            site.create()
        with refused("InvalidForwardTableId.NotFound", 404):
            site.delete(entry_id)

    def test_quota_counts_rows_in_flux(self, site: Site) -> None:
        site.cloud.set_knobs(quota=2, mode="relaxed")
        entry_id = site.created(600, "172.16.0.1")
        site.create(601, "172.16.0.2")
        with refused("QuotaExceeded", 400):
            site.create(602, "172.16.0.3")
        site.delete(entry_id)
        with refused("QuotaExceeded", 400):
            site.create(602, "172.16.0.3")
        site.settle()
        site.create(602, "172.16.0.3")

    def test_quota_of_one_table(self, site: Site) -> None:
        site.cloud.set_knobs(table_quota={TABLE: 0})
        with refused("QuotaExceeded"):
            site.create()
        site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)

    def test_the_default_quota_is_100(self, site: Site) -> None:
        for port in range(100):
            site.acts.create_entry(TABLE, EIP, str(600 + port), f"172.16.2.{port}", "80")
        with refused("QuotaExceeded"):
            site.create()


class TestVpcGateways:
    @pytest.fixture
    def intranet(self) -> Iterator[Site]:
        private = GatewaySpec(id="ngw-private", network_type="intranet", nat_ips=["172.16.8.8"])
        with Site(Scenario(gateways=[private])) as site:
            yield site

    def test_forward_from_their_own_nat_ips(self, intranet: Site) -> None:
        where = {"forward_table_id": "ftb-private", "external_ip": "172.16.8.8"}
        intranet.create(**where)
        assert len(intranet.rows("ftb-private")) == 1
        intranet.clock.advance(1)
        with refused("InvalidIp.NotInNatgw"):
            intranet.create(forward_table_id="ftb-private", ip="172.16.0.6")
        with refused("InvalidExternalPort.Malformed"):
            intranet.create("600/601", "172.16.0.6", "80/81", **where)


class TestParameters:
    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"external_ip": "203.0.113"}, "InvalidExternalIp.Malformed"),
            ({"internal_ip": "fd00::1"}, "InvalidInternalIp.Malformed"),
            ({"external_port": "0"}, "InvalidExternalPort.Malformed"),
            ({"external_port": "65536"}, "InvalidExternalPort.Malformed"),
            ({"external_port": "080"}, "InvalidExternalPort.Malformed"),
            ({"external_port": "90/80", "internal_port": "80/90"}, "InvalidExternalPort.Malformed"),
            ({"internal_port": "x"}, "InvalidInternalPort.Malformed"),
            ({"external_port": "512/514"}, "InvalidInternalPort.Malformed"),
            ({"external_port": "Any"}, "InvalidExternalPort.Malformed"),
            ({"ip_protocol": "Any", "external_port": "Any"}, "InvalidInternalPort.Malformed"),
            ({"ip_protocol": "Any"}, "InvalidExternalPort.Malformed"),
            ({"ip_protocol": "sctp"}, "InvalidProtocal.ValueNotSupported"),
            ({"forward_entry_name": "1st"}, "InvalidParameter.Name.Malformed"),
            ({"forward_entry_name": "x"}, "InvalidParameter.Name.Malformed"),
            ({"forward_entry_name": "x" * 129}, "InvalidParameter.Name.Malformed"),
            ({"forward_entry_name": "http://x"}, "InvalidParameter.Name.Malformed"),
        ],
    )
    def test_malformed(self, site: Site, wrong: dict[str, str], code: str) -> None:
        with refused(code, 400):
            site.create(**wrong)
        assert site.rows() == []

    @pytest.mark.parametrize(
        "name",
        ["forward_table_id", "external_ip", "external_port", "internal_ip", "internal_port",
         "ip_protocol", "region_id"],
    )  # fmt: skip
    def test_missing(self, site: Site, name: str) -> None:
        with refused("MissingParameter", 400):
            site.create(**{name: None})

    def test_the_longest_name(self, site: Site) -> None:
        site.create(forward_entry_name="x" * 128)
        assert site.rows()[0]["name"] == "x" * 128

    def test_external_and_internal_ip_differ(self, site: Site) -> None:
        site.acts.bind_eip("172.16.9.9", GATEWAY)
        with refused("InvalidInternalIp.Malformed"):
            site.create(external_ip="172.16.9.9", ip="172.16.9.9")

    def test_unknown_region_and_table(self, site: Site) -> None:
        with refused("InvalidRegionId.NotFound", 404):
            site.create(region_id="cn-nowhere")
        with refused("InvalidForwardTableId.NotFound", 404):
            site.create(forward_table_id="ftb-none")

    def test_a_dry_run_says_what_would_happen_and_does_nothing(self, site: Site) -> None:
        with refused("DryRunOperation", 400):
            site.create(dry_run=True)
        assert site.rows() == []
        site.created(512, "172.16.0.1")
        with refused(DUPLICATE):
            site.create(512, "172.16.0.2", dry_run=True)
        site.create(513, "172.16.0.2")
        assert [call.committed for call in site.cloud.calls()] == [False, True, False, True]


class TestGone:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("InvalidForwardEntryId.NotFound", 404),
            ("ResourceNotFound.ForwardEntry", 404),
            ("IncorretForwardEntryStatus", 400),
        ],
    )
    def test_deleting_what_is_gone_is_refused_in_three_ways(
        self, site: Site, code: str, status: int
    ) -> None:
        site.cloud.set_knobs(gone_code=code)
        entry_id = site.created()
        site.delete(entry_id)
        site.settle()
        with refused(code, status) as caught:
            site.delete(entry_id)
        assert "not exist" in caught[0].message

    def test_modifying_what_is_gone(self, site: Site) -> None:
        with refused("InvalidForwardEntryId.NotFound", 404):
            site.modify("fwd-none", internal_port="81")

    def test_a_row_that_goes_while_its_delete_waits(self, site: Site) -> None:
        entry_id = site.created()
        site.cloud.set_knobs(write_latency=0.4)
        with site.under_way(lambda: site.delete(entry_id)) as deletion:
            site.acts.delete_entry(entry_id)
        with refused("InvalidForwardEntryId.NotFound"):
            deletion.result()


def test_what_the_role_may_not_do_is_forbidden_with_a_reason(site: Site) -> None:
    entry_id = site.created()
    site.cloud.set_knobs(allowed=DOCUMENTED_POLICY)
    with refused("Forbidden.RAM", 403) as caught:
        site.modify(entry_id, internal_port="81")
    assert caught[0].error.access_denied_detail["AuthAction"] == "vpc:ModifyForwardEntry"
    site.delete(entry_id)

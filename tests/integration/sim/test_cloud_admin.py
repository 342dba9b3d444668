"""The admin API, the scenario file, the program, and HTTP itself."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import urllib3
from darabonba.exceptions import UnretryableException

from dnatctl_sim.cloud import (
    AdminError,
    CloudAdmin,
    CloudServer,
    Fault,
    Knobs,
    Scenario,
    Settle,
    truth,
)
from dnatctl_sim.cloud.spec import ACCESS_KEY
from tests.integration.sim.cloud_support import EIP, GATEWAY, SETTLE, TABLE, Site, refused


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


@pytest.fixture
def admin(site: Site) -> CloudAdmin:
    return CloudAdmin(site.server.endpoint)


class TestAdmin:
    def test_truth(self, site: Site, admin: CloudAdmin) -> None:
        site.created()
        assert admin.truth() == truth(site.cloud)
        assert admin.rows() == admin.rows(TABLE) == site.rows()
        assert len(site.rows()) == 1
        assert admin.rows("ftb-none") == []

    def test_calls_and_counters(self, site: Site, admin: CloudAdmin) -> None:
        entry_id = site.create(forward_entry_name="mine", client_token="t1")
        with refused():
            site.create(513, "172.16.0.6")
        made, failed = admin.calls()
        assert (made.api, made.table, made.entry_id) == ("CreateForwardEntry", TABLE, entry_id)
        assert (made.external, made.internal) == (f"{EIP}:512", "172.16.0.5:80")
        assert (made.protocol, made.name, made.token) == ("tcp", "mine", "t1")
        assert made.key == ACCESS_KEY
        assert (made.status, made.code, made.committed) == (200, "", True)
        assert (failed.status, failed.code) == (400, "IncorretForwardEntryStatus")
        assert not failed.committed
        assert admin.calls(since=made.seq) == [failed]
        assert admin.counters() == {
            "calls": {"CreateForwardEntry": 2},
            "codes": {"IncorretForwardEntryStatus": 1},
            "overlaps": 0,
            "replays": 0,
            "throttled": 0,
            "peak_unsettled": {TABLE: 1, "ftb-bp1emulated0002": 0},
        }

    def test_the_log_keeps_the_last_calls(self) -> None:
        with Site(Scenario(knobs=Knobs(log_size=3))) as small:
            for _ in range(5):
                small.entries()
            assert [call.seq for call in small.cloud.calls()] == [3, 4, 5]
            assert [call.seq for call in small.cloud.calls(since=4)] == [5]
            assert small.cloud.counters()["calls"] == {"DescribeForwardTableEntries": 5}

    def test_knobs(self, site: Site, admin: CloudAdmin) -> None:
        got = admin.set_knobs(settle=Settle(create=(0.5, 3)), quota=7, mode="relaxed")
        assert got == admin.knobs() == site.cloud.knobs
        assert (got.settle.create, got.quota, got.mode) == ((0.5, 3.0), 7, "relaxed")
        assert got.token_ttl == Knobs().token_ttl

    @pytest.mark.parametrize(
        "wrong",
        [
            {"quotas": 1},
            {"quota": -1},
            {"mode": "lenient"},
            {"settle": {"create": -1}},
            {"settle": {"create": [3, 1]}},
            {"write_latency": -0.1},
        ],
    )
    def test_wrong_knobs_change_nothing(
        self, site: Site, admin: CloudAdmin, wrong: dict[str, object]
    ) -> None:
        before = admin.knobs()
        with pytest.raises(AdminError, match="400"):
            admin.set_knobs(**wrong)
        assert admin.knobs() == before

    def test_faults(self, site: Site, admin: CloudAdmin) -> None:
        fault = Fault(action="error", code="TaskConflict", times=2, seconds=(0, 0.01))
        admin.add_fault(fault)
        assert admin.faults() == [fault]
        with refused("TaskConflict"):
            site.entries()
        assert admin.faults()[0].times == 1
        admin.clear_faults()
        site.entries()
        assert admin.faults() == []

    def test_reset_goes_back_to_the_start(self, site: Site, admin: CloudAdmin) -> None:
        site.create()
        admin.set_knobs(quota=1)
        admin.add_fault(Fault(action="error"))
        admin.act("set_gateway", gateway=GATEWAY, status="Modifying")
        admin.reset()
        assert admin.rows() == []
        assert admin.calls() == []
        assert admin.faults() == []
        assert admin.knobs().settle == Settle.all(SETTLE)
        site.create(client_token="t1")

    def test_what_is_not_there(self, admin: CloudAdmin) -> None:
        with pytest.raises(AdminError, match="404"):
            admin.act("fly")
        with pytest.raises(AdminError, match="404"):
            admin.act("_row", entry_id="x")
        with pytest.raises(AdminError, match="404"):
            admin.act("delete_entry", entry_id="fwd-none")
        with pytest.raises(AdminError, match="400"):
            admin.act("delete_entry", wrong="x")


class TestActs:
    def test_rows_made_changed_and_removed_by_others(self, site: Site, admin: CloudAdmin) -> None:
        entry_id = admin.act(
            "create_entry", table=TABLE, external_ip=EIP, external_port="700",
            internal_ip="172.16.7.7", internal_port="80", name="theirs",
        )  # fmt: skip
        (row,) = site.rows()
        assert (row["entry_id"], row["origin"], row["status"]) == (
            entry_id, "third-party", "Available",
        )  # fmt: skip
        with refused("OperationUnsupported.DuplicatedForwardEntry"):
            site.create(700)
        admin.act("edit_entry", entry_id=entry_id, external_port="701", name="renamed")
        (row,) = site.rows()
        assert (row["external_port"], row["name"], row["status"]) == ("701", "renamed", "Available")
        site.created(700)
        with pytest.raises(AdminError, match="409"):
            admin.act("edit_entry", entry_id=entry_id, external_port="700")
        admin.act("delete_entry", entry_id=entry_id)
        assert [row["external_port"] for row in site.rows()] == ["700"]
        assert site.cloud.counters()["calls"] == {"CreateForwardEntry": 2}

    def test_a_held_row_stays_in_flux(self, site: Site, admin: CloudAdmin) -> None:
        entry_id = site.created()
        admin.act("hold_entry", entry_id=entry_id)
        site.clock.advance(10_000)
        assert site.statuses() == ["Pending"]
        with refused("IncorretForwardEntryStatus"):
            site.create(513, "172.16.0.6")
        admin.act("release_entry", entry_id=entry_id)
        assert site.statuses() == ["Available"]
        admin.act("hold_entry", entry_id=entry_id, status="Deleting")
        site.clock.advance(10_000)
        assert site.statuses() == ["Deleting"]
        admin.act("release_entry", entry_id=entry_id)
        assert site.statuses() == []

    def test_an_eip_in_use_is_not_unbound_unless_forced(
        self, site: Site, admin: CloudAdmin
    ) -> None:
        site.created()
        with pytest.raises(AdminError, match="HasBeenUsedByForwardEntry"):
            admin.act("unbind_eip", ip=EIP)
        assert site.rows()[0]["works"]
        admin.act("unbind_eip", ip=EIP, force=True)
        assert not site.rows()[0]["works"]

    @pytest.mark.parametrize(
        ("act", "arguments"),
        [
            ("set_gateway", {"gateway": GATEWAY, "business_status": "FinancialLocked"}),
            ("set_eip", {"ip": EIP, "business_status": "FinancialLocked"}),
            ("set_public_ip", {"ip": "172.16.0.5", "public_ip": "198.51.100.9"}),
            ("set_unknown_ip", {"ip": "172.16.0.5"}),
        ],
    )
    def test_what_keeps_a_row_from_working(
        self, site: Site, admin: CloudAdmin, act: str, arguments: dict[str, str]
    ) -> None:
        site.created()
        assert site.rows()[0]["works"]
        admin.act(act, **arguments)
        (row,) = site.rows()
        assert (row["status"], row["works"]) == ("Available", False)
        assert row["why_not"]

    def test_keys(self, site: Site, admin: CloudAdmin) -> None:
        from alibabacloud_vpc20160428 import models
        from alibabacloud_vpc20160428.client import Client

        admin.act("add_key", key_id="LTAI-second", secret="s2")
        client = Client(site.config(access_key_id="LTAI-second", access_key_secret="s2"))
        request = models.DescribeNatGatewaysRequest(region_id="cn-hangzhou")
        assert client.describe_nat_gateways(request).body.total_count == 2
        admin.act("revoke_key", key_id="LTAI-second")
        with refused("InvalidAccessKeyId.NotFound", 404):
            client.describe_nat_gateways(request)


SCENARIO = """
account: "42"
vpcs:
  - id: vpc-file
    region: cn-beijing
    cidrs: [10.8.0.0/16]
    vswitches: [{id: vsw-file, cidr: 10.8.0.0/17, zone: cn-beijing-a}]
gateways:
  - id: ngw-file
    vpc: vpc-file
    vswitch: vsw-file
    zone: cn-beijing-a
    eips: [192.0.2.1, 192.0.2.2]
    snat_eips: [192.0.2.2]
    entries:
      - {external_ip: 192.0.2.1, external_port: 100/200, internal_ip: 10.8.0.9,
         internal_port: 100/200, protocol: udp, name: theirs}
eips: [192.0.2.9]
knobs:
  quota: 5
  settle: {create: [0.5, 3]}
faults:
  - {action: error, apis: [DescribeEipAddresses], times: null}
"""


class TestScenario:
    def test_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "cloud.yaml"
        path.write_text(SCENARIO)
        with Site(Scenario.load(path)) as site:
            (row,) = site.rows("ftb-file")
            assert (row["external_port"], row["protocol"], row["works"]) == ("100/200", "udp", True)
            eips = truth(site.cloud)["eips"]
            assert isinstance(eips, dict)
            assert {ip: eip["instance"] for ip, eip in eips.items()} == {
                "192.0.2.1": "ngw-file", "192.0.2.2": "ngw-file", "192.0.2.9": "",
            }  # fmt: skip
            assert eips["192.0.2.2"]["serves_snat"]
            assert site.cloud.knobs.settle.create == (0.5, 3)
            assert len(site.cloud.faults.listed()) == 1
            (found,) = site.entries(
                region_id="cn-beijing", forward_table_id="ftb-file", external_port="100/200"
            )
            assert found.forward_entry_name == "theirs"
            site.acts.set_eip("192.0.2.1", serves_snat=True)
            site.cloud.reset()
            assert site.cloud.world.eips["192.0.2.1"].serves_snat is False

    def test_errors_name_the_place(self, tmp_path: Path) -> None:
        path = tmp_path / "cloud.yaml"
        path.write_text("gateways: [{id: ngw-1, zones: x}]")
        with pytest.raises(msgspec.ValidationError, match=r"zones.*\$\.gateways\[0\]"):
            Scenario.load(path)

    def test_many_gateways_share_no_eip(self) -> None:
        world = Scenario.many(16, eips=20).build()
        assert len(world.gateways) == len({g.table.table_id for g in world.gateways.values()}) == 16
        assert len(world.eips) == 320
        assert {len(world.eips_of(gateway)) for gateway in world.gateways} == {20}


class TestProgram:
    def test_says_where_it_listens_and_ends_when_told(self, tmp_path: Path) -> None:
        path = tmp_path / "cloud.yaml"
        path.write_text(SCENARIO)
        command = [sys.executable, "-m", "dnatctl_sim.cloud", "--scenario", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                admin = CloudAdmin(ready["endpoint"])
                assert len(admin.rows("ftb-file")) == 1
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=300) == 0

    def test_refuses_a_wrong_scenario(self, tmp_path: Path) -> None:
        path = tmp_path / "cloud.yaml"
        path.write_text("gatways: []")
        command = [sys.executable, "-m", "dnatctl_sim.cloud", "--scenario", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 2
        assert "gatways" in done.stderr


class TestHttp:
    GET = b"GET /_sim/counters HTTP/1.1\r\nHost: x\r\n\r\n"

    @pytest.fixture
    def wire(self, site: Site) -> Iterator[socket.socket]:
        host, port = site.server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            yield sock

    def read(self, wire: socket.socket, replies: int) -> bytes:
        got = b""
        while got.count(b'"calls"') < replies:
            piece = wire.recv(65536)
            assert piece
            got += piece
        return got

    def test_requests_in_pieces_and_several_at_once(self, wire: socket.socket) -> None:
        for byte in self.GET:
            wire.send(bytes([byte]))
        assert self.read(wire, 1).startswith(b"HTTP/1.1 200 OK\r\n")
        wire.sendall(self.GET * 3)
        assert self.read(wire, 3).count(b"HTTP/1.1 200 OK") == 3

    def test_answers_come_in_order_however_long_they_take(
        self, site: Site, wire: socket.socket
    ) -> None:
        site.cloud.add_fault(Fault(action="delay", seconds=0.2, apis=["/credentials"]))
        wire.sendall(self.GET.replace(b"/_sim/counters", b"/credentials"))
        wire.sendall(self.GET)
        got = self.read(wire, 1)
        assert 0 < got.find(b"SecurityToken") < got.find(b'"calls"')

    def test_the_connection_ends_when_the_client_wants_it(self, wire: socket.socket) -> None:
        wire.sendall(self.GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = b""
        while piece := wire.recv(65536):
            got += piece
        assert b"Connection: close" in got

    @pytest.mark.parametrize(
        "junk",
        [
            b"hello\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"x" * 70_000,
        ],
    )
    def test_junk(self, wire: socket.socket, junk: bytes) -> None:
        wire.sendall(junk)
        assert wire.recv(65536).startswith(b"HTTP/1.1 400 Bad Request")

    def test_one_connection_serves_many_calls(self, site: Site) -> None:
        with Site() as fresh:
            for _ in range(20):
                fresh.entries()
            assert len(fresh.server._connections) == 1

    def test_connections_that_clients_leave_are_forgotten(self, site: Site) -> None:
        with Site() as fresh:
            host, port = fresh.server.address.split(":")
            with socket.create_connection((host, int(port)), timeout=60) as wire:
                wire.sendall(self.GET)
                self.read(wire, 1)
                assert len(fresh.server._connections) == 1
            deadline = time.monotonic() + 60
            while fresh.server._connections:
                assert time.monotonic() < deadline
                time.sleep(0.001)

    def test_unknown_paths(self, site: Site) -> None:
        reply = urllib3.request("GET", f"{site.server.endpoint}/somewhere", retries=False)
        assert (reply.status, reply.json()["Code"]) == (404, "InvalidAction.NotFound")

    def test_a_port_in_use_is_an_error(self, site: Site) -> None:
        port = int(site.server.address.split(":")[1])
        with pytest.raises(OSError, match="in use"):
            CloudServer(site.cloud, port=port).start()

    def test_it_can_come_back_on_its_port_with_what_it_knew(self) -> None:
        with Site() as fresh:
            entry_id = fresh.created()
            address = fresh.server.address
            fresh.server.stop()
            with pytest.raises(UnretryableException):
                fresh.entries()
            fresh.server.start()
            assert fresh.server.address == address
            assert [row.forward_entry_id for row in fresh.entries()] == [entry_id]

    def test_stop_ends_open_connections(self) -> None:
        with Site() as fresh:
            host, port = fresh.server.address.split(":")
            wire = socket.create_connection((host, int(port)), timeout=60)
            wire.sendall(self.GET)
            self.read(wire, 1)
        with wire:
            assert wire.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), timeout=1)

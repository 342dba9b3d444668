"""Throttling and faults, as the vendor's SDK sees them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from darabonba.exceptions import UnretryableException

from dnatctl_sim.cloud import Fault
from dnatctl_sim.cloud.faults import Faults
from tests.integration.sim.cloud_support import (
    OTHER_EIP,
    OTHER_TABLE,
    TABLE,
    Site,
    refused,
)

CREATE = ["CreateForwardEntry"]


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


class TestThrottle:
    @pytest.fixture(autouse=True)
    def limits(self, site: Site) -> None:
        site.cloud.set_knobs(limits={"DescribeForwardTableEntries": 3}, window=60)
        # The next window: the clock stands still, so this test has it for itself.
        site.clock.advance(60 - site.clock.monotonic() % 60)

    def test_a_window_lets_so_many_through_and_the_next_one_again(self, site: Site) -> None:
        for _ in range(3):
            site.entries()
        with refused("Throttling.User", 400) as caught:
            site.entries()
        assert type(caught[0].error) is ClientException
        site.clock.advance(59.9)
        with refused("Throttling.User"):
            site.entries()
        site.clock.advance(0.2)
        site.entries()
        assert site.cloud.counters()["throttled"] == 2

    def test_each_api_has_its_own(self, site: Site) -> None:
        for _ in range(3):
            site.entries()
        with refused("Throttling.User"):
            site.entries()
        site.create()
        assert len(site.rows()) == 1

    def test_it_is_of_the_account_not_of_the_table(self, site: Site) -> None:
        for table in (TABLE, OTHER_TABLE, TABLE):
            site.entries(forward_table_id=table)
        with refused("Throttling.User"):
            site.entries(forward_table_id=OTHER_TABLE)

    def test_a_window_that_slides_lets_one_through_as_one_leaves_it(self, site: Site) -> None:
        site.cloud.set_knobs(sliding=True)
        for _ in range(3):
            site.clock.advance(20)
            site.entries()
        with refused("Throttling.User"):
            site.entries()
        site.clock.advance(21)
        site.entries()
        with refused("Throttling.User"):
            site.entries()

    def test_it_may_say_how_long_to_wait(self, site: Site) -> None:
        site.cloud.set_knobs(retry_after=True)
        for _ in range(3):
            site.entries()
        site.clock.advance(15)
        with refused("Throttling.User") as caught:
            site.entries()
        assert isinstance(caught[0].error, ThrottlingException)
        assert caught[0].error.retry_after == 45_000

    def test_zero_is_no_limit(self, site: Site) -> None:
        site.cloud.set_knobs(limits={"DescribeForwardTableEntries": 0})
        for _ in range(10):
            site.entries()

    def test_others_get_the_default(self, site: Site) -> None:
        site.cloud.set_knobs(default_limit=1)
        site.created()
        with refused("Throttling.User"):
            site.create(513, "172.16.0.6")
        site.entries()


class TestBrokenAnswers:
    """What a client cannot tell apart from the answer: only the table knows what happened."""

    @pytest.mark.parametrize(
        "how",
        [
            {"action": "close"},
            {"action": "reset"},
            {"action": "page", "status": 502},
            {"action": "page", "status": 503},
            {"action": "empty"},
            {"action": "empty", "status": 500},
        ],
    )
    @pytest.mark.parametrize(("stage", "happened"), [("before", 0), ("during", 0), ("after", 1)])
    def test_of_unknown_outcome(
        self, site: Site, how: dict[str, object], stage: str, happened: int
    ) -> None:
        site.cloud.add_fault(Fault(stage=stage, apis=CREATE, **how))  # type: ignore[arg-type]
        with pytest.raises(UnretryableException):
            site.create(client_token="t1")
        assert len(site.rows()) == happened
        (call,) = site.cloud.calls()
        assert call.committed == bool(happened)
        assert call.code
        entry_id = site.create(client_token="t1")
        assert [row["entry_id"] for row in site.rows()] == [entry_id]

    def test_an_answer_may_come_at_a_byte_a_second(self, site: Site) -> None:
        site.cloud.add_fault(Fault(action="drip"))
        host, port = site.server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as wire:
            wire.sendall(b"GET /credentials HTTP/1.1\r\nHost: x\r\n\r\n")
            said = b""
            while not said.endswith(b"\r\n\r\n  "):
                said += (piece := wire.recv(1000))
                assert piece, said
        assert b"Content-Length: 1000000" in said

    @pytest.mark.parametrize("how", ["close", "reset"])
    def test_connections_end_in_order_or_not(self, site: Site, how: str) -> None:
        site.cloud.add_fault(Fault(action=how))  # type: ignore[arg-type]
        host, port = site.server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as wire:
            wire.sendall(b"GET /credentials HTTP/1.1\r\nHost: x\r\n\r\n")
            if how == "close":
                assert wire.recv(1) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    wire.recv(1)

    @pytest.mark.parametrize(("stage", "happened"), [("before", 0), ("during", 0), ("after", 1)])
    def test_server_errors(self, site: Site, stage: str, happened: int) -> None:
        site.cloud.add_fault(Fault(action="error", stage=stage, apis=CREATE))  # type: ignore[arg-type]
        with refused("InternalError", 500) as caught:
            site.create()
        assert isinstance(caught[0].error, ServerException)
        assert len(site.rows()) == happened

    def test_any_code(self, site: Site) -> None:
        site.cloud.add_fault(
            Fault(
                action="error", stage="before", code="TaskConflict", status=409,
                message="try later", retry_after_ms=1500,
            )
        )  # fmt: skip
        with refused("TaskConflict", 409) as caught:
            site.create()
        assert isinstance(caught[0].error, ThrottlingException)
        assert "try later" in caught[0].message


class TestDelays:
    def test_a_slow_answer_times_out_after_the_effect(self, site: Site) -> None:
        from alibabacloud_vpc20160428.client import Client

        site.vpc = Client(site.config(read_timeout=200))
        try:
            site.cloud.add_fault(Fault(action="delay", seconds=60.0, apis=CREATE))
            with pytest.raises(UnretryableException):
                site.create(client_token="t1")
        finally:
            del site.vpc
        deadline = time.monotonic() + 60
        while not site.rows():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert site.create(client_token="t1") == site.rows()[0]["entry_id"]
        assert len(site.rows()) == 1

    def test_one_while_it_is_served_holds_its_table(self, site: Site) -> None:
        site.cloud.add_fault(
            Fault(action="delay", stage="during", seconds=2.0, match={"ForwardTableId": TABLE})
        )
        with site.under_way(lambda: site.create(512, "172.16.0.1")) as slow:
            with refused("OperationConflict"):
                site.create(513, "172.16.0.2")
            site.create(forward_table_id=OTHER_TABLE, external_ip=OTHER_EIP)
        slow.result()
        assert len(site.rows()) == 1

    def test_the_cloud_goes_on_after_its_client_has_left(self, site: Site) -> None:
        from alibabacloud_vpc20160428.client import Client

        site.cloud.set_knobs(write_latency=0.4)
        site.vpc = Client(site.config(read_timeout=50))
        try:
            with site.under_way(site.create) as call:
                with pytest.raises(UnretryableException):
                    call.result()
                assert site.rows() == []
        finally:
            del site.vpc
        deadline = time.monotonic() + 60
        while not any(call.replied for call in site.cloud.calls()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(site.rows()) == 1


class TestWhichCalls:
    def test_by_api_count_and_skip(self, site: Site) -> None:
        site.cloud.add_fault(Fault(action="error", apis=["DescribeNatGateways"], times=None))
        site.cloud.add_fault(
            Fault(action="error", apis=["DescribeForwardTableEntries"], skip=1, times=2)
        )
        site.entries()
        for _ in range(2):
            with refused("InternalError"):
                site.entries()
        site.entries()
        assert [fault.apis for fault in site.cloud.faults.listed()] == [["DescribeNatGateways"]]

    def test_by_parameter(self, site: Site) -> None:
        site.cloud.add_fault(
            Fault(action="error", times=None, match={"ForwardTableId": OTHER_TABLE})
        )
        site.entries()
        with refused("InternalError"):
            site.entries(forward_table_id=OTHER_TABLE)

    def test_on_connections_used_before(self) -> None:
        with Site() as fresh:
            fresh.cloud.add_fault(Fault(action="reset", stage="before", reused=True))
            fresh.entries()
            with pytest.raises(UnretryableException):
                fresh.entries()
            fresh.entries()

    def test_with_a_probability_that_repeats(self, site: Site) -> None:
        def pattern() -> list[bool]:
            site.cloud.reset()
            site.cloud.add_fault(Fault(action="error", probability=0.5, times=None))
            return [_fails(site) for _ in range(30)]

        first = pattern()
        assert 5 < sum(first) < 25
        assert pattern() == first

    def test_clear_ends_them(self, site: Site) -> None:
        site.cloud.add_fault(Fault(action="error", times=None))
        with refused():
            site.entries()
        site.cloud.clear_faults()
        site.entries()

    def test_a_fault_given_can_be_given_again(self) -> None:
        once = Fault(action="error")
        faults = Faults(seed=1)
        faults.add(once)
        faults.listed()[0].times = 7
        assert once.times == 1


def _fails(site: Site) -> bool:
    try:
        site.entries()
    except ServerException:
        return True
    return False

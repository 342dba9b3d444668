"""Refusals, silence and nonsense: each is told apart, and no write is lost or doubled by it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from dnatctl.cloud.api import Stopped
from dnatctl.cloud.client import Cloud
from dnatctl.cloud.errors import CloudError
from dnatctl.cloud.errors import ErrorKind as Kind
from dnatctl.cloud.limits import AdaptiveLimit
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.providers import open_provider
from dnatctl.model import PortRange
from dnatctl_sim.cloud import DOCUMENTED_POLICY, CloudServer, rows
from dnatctl_sim.cloud import Cloud as Emulated
from dnatctl_sim.cloud.spec import GATEWAY_ID, REGION, VPC_ID
from tests.integration.cloud.bench import STATIC, TABLE_ID, Bench, new_entry, token
from tests.support.clock import ManualClock

CREATE = "CreateForwardEntry"


def failure(call: Callable[[], object]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        call()
    return caught.value


def refusal(cloud: Cloud, **changes: object) -> CloudError:
    """Of a create."""
    new = new_entry(**changes)
    return failure(lambda: cloud.create_entry(TABLE_ID, new, token("refused", changes)))


@pytest.mark.parametrize(
    ("action", "stage"),
    [
        ("close", "before"),
        ("close", "after"),
        ("reset", "after"),
        ("page", "before"),
        ("page", "after"),
        ("empty", "after"),
        ("error", "before"),
        ("error", "after"),
    ],
)
def test_after_an_unknown_outcome_the_same_token_makes_one_entry(
    bench: Bench, cloud: Cloud, action: str, stage: str
) -> None:
    bench.fault(action=action, stage=stage, apis=[CREATE])
    with pytest.raises(CloudError) as caught:
        cloud.create_entry(TABLE_ID, new_entry(), token("once"))
    assert caught.value.kind is Kind.UNKNOWN
    assert caught.value.kind.keeps_token
    entry_id = cloud.create_entry(TABLE_ID, new_entry(), token("once"))
    assert [row["entry_id"] for row in rows(bench.emulated)] == [entry_id]


def test_a_server_that_hangs_is_given_up(bench: Bench) -> None:
    cloud = bench.connect(read_timeout=0.2)
    bench.fault(action="close", stage="before", seconds=30.0, apis=[CREATE])
    started = time.monotonic()
    error = refusal(cloud)
    assert error.kind is Kind.UNKNOWN
    assert time.monotonic() - started < 20


def test_a_server_that_is_not_there(bench: Bench) -> None:
    cloud = Cloud.connect(REGION, VPC_ID, open_provider(STATIC), vpc_endpoint="http://127.0.0.1:1")
    error = refusal(cloud)
    assert (error.kind, error.message) == (Kind.UNKNOWN, "no answer: Connection refused")


def test_reads_of_a_failing_server_may_be_repeated(bench: Bench, cloud: Cloud) -> None:
    bench.fault(action="error", status=500, apis=["DescribeForwardTableEntries"])
    assert failure(lambda: cloud.read_page(TABLE_ID, 1)).kind is Kind.RETRY
    assert cloud.read_page(TABLE_ID, 1).total == 0


def test_a_table_in_flux(bench: Bench, cloud: Cloud) -> None:
    held = bench.acts.create_entry(TABLE_ID, "203.0.113.1", "512", "172.16.0.8", "80")
    bench.acts.hold_entry(held)
    assert refusal(cloud, port=513).kind is Kind.BUSY
    error = failure(lambda: cloud.delete_entry(TABLE_ID, held, token("d")))
    assert error.kind is Kind.GONE_OR_BUSY
    bench.acts.release_entry(held)
    cloud.create_entry(TABLE_ID, new_entry(port=513), token("again"))


@pytest.mark.parametrize(
    "code",
    [
        "InvalidForwardEntryId.NotFound",
        "ResourceNotFound.ForwardEntry",
        "IncorretForwardEntryStatus",
    ],
)
def test_a_row_that_is_gone_is_gone_however_it_is_said(
    bench: Bench, cloud: Cloud, code: str
) -> None:
    bench.emulated.set_knobs(gone_code=code)
    assert failure(lambda: cloud.delete_entry(TABLE_ID, "fwd-1", token("d"))).kind is Kind.GONE


def test_a_gateway_in_flux(bench: Bench, cloud: Cloud) -> None:
    bench.acts.set_gateway(GATEWAY_ID, status="Modifying")
    assert refusal(cloud).kind is Kind.BUSY


def test_taken_tuples(bench: Bench, cloud: Cloud) -> None:
    bench.acts.create_entry(TABLE_ID, "203.0.113.1", "512", "172.16.0.9", "80")
    assert refusal(cloud, port=513).kind is Kind.CONFLICT
    # The code for a taken endpoint is not documented: whatever it is, the table must be read.
    assert refusal(cloud, ip="172.16.0.10").kind is Kind.UNCLASSIFIED


def test_quota(bench: Bench, cloud: Cloud) -> None:
    bench.emulated.set_knobs(quota=0)
    assert refusal(cloud).kind is Kind.QUOTA


def test_an_eip_that_has_left(bench: Bench, cloud: Cloud) -> None:
    assert refusal(cloud, external_ip="203.0.113.200").kind is Kind.GATEWAY


def test_a_target_outside_the_vpc_or_with_an_eip_of_its_own(bench: Bench, cloud: Cloud) -> None:
    assert refusal(cloud, ip="192.168.1.1").kind is Kind.REJECTED
    bench.acts.set_public_ip("172.16.0.9", "203.0.113.99")
    assert refusal(cloud).kind is Kind.REJECTED


def test_a_permission_that_is_missing(bench: Bench, cloud: Cloud) -> None:
    bench.emulated.set_knobs(allowed=DOCUMENTED_POLICY)
    error = failure(lambda: cloud.modify_entry(TABLE_ID, "fwd-1", new_entry(), token("m")))
    assert error.kind is Kind.DENIED
    assert bench.calls("ModifyForwardEntry") == 1


def test_a_wrong_key_is_not_tried_twice(bench: Bench, cloud: Cloud) -> None:
    bench.acts.revoke_key(STATIC.keys.access_key_id)
    error = refusal(cloud)
    assert (error.kind, error.code) == (Kind.AUTH, "InvalidAccessKeyId.NotFound")
    assert bench.calls(CREATE) == 1


def test_a_nonce_that_was_seen_before_is_replaced_at_once(bench: Bench, cloud: Cloud) -> None:
    bench.fault(action="error", stage="before", code="SignatureNonceUsed", status=400)
    cloud.create_entry(TABLE_ID, new_entry(), token("nonce"))
    assert bench.observed == [(CREATE, "auth"), (CREATE, "ok")]


@pytest.mark.parametrize("retry_after", [True, False])
def test_throttling_slows_the_calls_and_ends(retry_after: bool) -> None:
    clock = ManualClock()
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock.advance(seconds)
        return False

    with CloudServer(Emulated(clock=clock)) as server:
        bench = Bench(server)
        limits = {"DescribeForwardTableEntries": 5}
        bench.emulated.set_knobs(limits=limits, window=1.0, retry_after=retry_after)
        cloud = bench.connect(wait=wait, clock=clock)
        errors: list[CloudError] = []
        for _ in range(20):
            try:
                cloud.read_page(TABLE_ID, 1)
            except CloudError as error:
                errors.append(error)
    assert {error.kind for error in errors} == {Kind.THROTTLED}
    assert {error.retry_after is not None for error in errors} == {retry_after}
    assert len(errors) < 10
    assert any(waits)


def test_a_call_that_waits_for_its_turn_is_not_made_when_the_program_stops(bench: Bench) -> None:
    stop = threading.Event()
    bench.emulated.set_knobs(limits={CREATE: 1}, window=3600.0, retry_after=True)
    cloud = bench.connect(wait=stop.wait)
    cloud.create_entry(TABLE_ID, new_entry(), token("first"))
    assert refusal(cloud, port=513).kind is Kind.THROTTLED
    outcome: list[type] = []

    def waiter() -> None:
        try:
            cloud.create_entry(TABLE_ID, new_entry(port=514), token("late"))
        except Stopped:
            outcome.append(Stopped)

    thread = threading.Thread(target=waiter)
    thread.start()
    stop.set()
    thread.join(60)
    assert outcome == [Stopped]
    assert bench.calls(CREATE) == 2


def test_a_configured_ceiling_holds(bench: Bench) -> None:
    clock = ManualClock()
    waits: list[float] = []
    cloud = bench.connect(
        limits={Operation.READ_TABLE: 0.01},
        wait=lambda seconds: seconds > 0 and not waits.append(seconds),
        clock=clock,
    )
    cloud.read_page(TABLE_ID, 1)
    with pytest.raises(Stopped):
        cloud.read_page(TABLE_ID, 1)
    assert waits == [pytest.approx(100)]
    clock.advance(100.1)
    cloud.read_page(TABLE_ID, 1)
    assert len(waits) == 1
    assert cloud.rates[Operation.READ_TABLE] == 0.01
    assert AdaptiveLimit().rate is cloud.rates[Operation.CREATE] is None


def test_every_call_is_observed_once(bench: Bench, cloud: Cloud) -> None:
    cloud.read_page(TABLE_ID, 1)
    bench.fault(action="page", stage="before", apis=[CREATE])
    refusal(cloud)
    refusal(cloud, ip="192.168.1.1")
    assert bench.observed == [
        ("DescribeForwardTableEntries", "ok"), (CREATE, "unknown"), (CREATE, "rejected"),
    ]  # fmt: skip


def test_errors_and_their_tracebacks_give_nothing_away(bench: Bench, cloud: Cloud) -> None:
    bench.fault(action="reset", stage="before", apis=[CREATE])
    error = refusal(cloud)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "172.16.0.9" not in repr(error)


def test_the_sdk_does_not_print(bench: Bench, cloud: Cloud, monkeypatch, capfd) -> None:
    monkeypatch.setenv("DEBUG", "sdk")
    cloud.read_page(TABLE_ID, 1)
    assert capfd.readouterr() == ("", "")
    for name in ("darabonba-core", "alibabacloud-tea", "credentials"):
        assert logging.getLogger(name).handlers == []


class Canned(BaseHTTPRequestHandler):
    """A server that answers every call with `body`."""

    body = b""
    status = 200
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def canned() -> Iterator[tuple[type[Canned], Cloud]]:
    handler = type("Handler", (Canned,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    yield (
        handler,
        Cloud.connect(
            REGION, VPC_ID, open_provider(STATIC), vpc_endpoint=endpoint, ecs_endpoint=endpoint
        ),
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b"[]"),
        (200, b"null"),
        (200, b'"text"'),
        (200, b'{"TotalCount": 3}'),
        (200, b'{"ForwardTableEntries": {}, "TotalCount": "many"}'),
        (200, b'{"ForwardTableEntries": {"ForwardTableEntry": "x"}, "TotalCount": 1}'),
        (200, b'{"NatGateways": {}, "EipAddresses": {}}'),
        (200, b'{"NatGateways": {}}'),
        (200, b'{"NatGateways": {}, "TotalCount": 7}'),
        (400, b"[]"),
        (403, b'{"message": "blocked by the proxy"}'),
        (502, b"<html>"),
    ],
)
def test_nonsense_is_never_taken_for_an_answer(
    canned: tuple[type[Canned], Cloud], status: int, body: bytes
) -> None:
    handler, cloud = canned
    handler.status, handler.body = status, body
    for call in (
        lambda: cloud.read_page(TABLE_ID, 1),
        lambda: cloud.read_entry(TABLE_ID, "fwd-1"),
        lambda: cloud.create_entry(TABLE_ID, new_entry(), token("x")),
        lambda: cloud.describe_gateways(["ngw-1"]),
        lambda: cloud.find_enis(["172.16.0.9"]),
    ):
        assert failure(call).kind is Kind.UNKNOWN


def test_an_empty_list_may_be_left_out_where_the_count_says_so(
    canned: tuple[type[Canned], Cloud],
) -> None:
    """Guards an empty table from being unreadable, which would keep everything from starting."""
    handler, cloud = canned
    handler.status, handler.body = 200, b'{"TotalCount": 0, "PageNumber": 1, "PageSize": 50}'
    page = cloud.read_page(TABLE_ID, 1)
    assert (page.total, page.entries) == (0, ())
    assert cloud.read_entry(TABLE_ID, "fwd-1") is None
    assert cloud.find_enis(["172.16.0.9"]) == {}
    assert cloud.describe_gateways(["ngw-1"])[0].absent


def test_of_a_row_that_was_asked_for_it_is_known_whether_it_is_there(
    canned: tuple[type[Canned], Cloud],
) -> None:
    handler, cloud = canned
    handler.status, handler.body = 404, b'{"Code": "InvalidForwardEntryId.NotFound"}'
    assert cloud.read_entry(TABLE_ID, "fwd-1") is None
    handler.status = 200
    handler.body = orjson.dumps(
        {
            "TotalCount": 1,
            "ForwardTableEntries": {
                "ForwardTableEntry": [
                    {
                        "ForwardEntryId": "fwd-2",
                        "ExternalIp": "203.0.113.1",
                        "ExternalPort": "512",
                        "InternalIp": "10.0.0.1",
                        "InternalPort": "80",
                        "IpProtocol": "tcp",
                    }
                ]
            },
        }
    )
    assert failure(lambda: cloud.read_entry(TABLE_ID, "fwd-1")).kind is Kind.UNKNOWN, (
        "whoever answers with others has not understood the question"
    )


def test_a_write_asks_its_guard_after_the_wait_and_is_not_sent_if_it_says_no(bench: Bench) -> None:
    """Guards rule 9: what was allowed before a wait for the rate limit may not be any more."""
    clock = ManualClock()
    leading = True

    def wait(seconds: float) -> bool:
        nonlocal leading
        leading = leading and not seconds
        clock.advance(seconds)
        return False

    cloud = bench.connect(limits={Operation.CREATE: 4.0}, wait=wait, clock=clock)
    sent: list[int] = []

    def keep_sending() -> None:
        for port in range(512, 612):
            new = new_entry(port=port, internal_ports=PortRange(port, port))
            with contextlib.suppress(CloudError):
                cloud.create_entry(TABLE_ID, new, token(port), lambda: leading)
            sent.append(port)

    with pytest.raises(Stopped):
        keep_sending()
    assert not leading
    assert bench.calls(CREATE) == len(sent) > 0

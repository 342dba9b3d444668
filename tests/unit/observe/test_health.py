"""Health and metrics, asked over real HTTP on a free port."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from prometheus_client import CollectorRegistry, Counter

from dnatctl.observe import http as served_by
from dnatctl.observe.health import HealthServer
from dnatctl.observe.http import parse_address
from tests.support.clock import FakeClock
from tests.support.stage import eventually

OPEN = "application/openmetrics-text"


class State:
    """What is wrong, check by check; empty where all is well."""

    def __init__(self) -> None:
        self.wrong = {"workers": "", "watches": "", "pool": ""}
        self.notes = ["[!]gateway ngw-2: is locked"]

    def check(self, name: str):
        return lambda: self.wrong[name]


@contextmanager
def served(
    state: State, address: str = "127.0.0.1:0", registry=None, clock=None
) -> Iterator[HealthServer]:
    live = {name: state.check(name) for name in ("workers", "watches")}
    checks = {"healthz": live, "livez": live, "readyz": {"pool": state.check("pool")}}
    server = HealthServer(address, checks, registry, notes=lambda: state.notes, clock=clock)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: HealthServer, path: str, host: str = "127.0.0.1", **headers: str):
    connection = http.client.HTTPConnection(host, server.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    finally:
        connection.close()


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def server(state: State, no_leaked_threads) -> Iterator[HealthServer]:
    with served(state) as server:
        yield server


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/healthz/", "/livez/workers"])
def test_all_is_well(server, path):
    assert get(server, path) == (200, "ok\n", "text/plain; charset=utf-8")


def test_what_is_wrong_is_said(server, state):
    state.wrong["workers"] = "a worker has died"
    status, text, _ = get(server, "/livez")
    assert status == 500
    assert text == "[-]workers failed: a worker has died\n[+]watches ok\nlivez check failed\n"
    assert get(server, "/readyz")[0] == 200, "each for itself"
    state.wrong["workers"] = ""
    assert get(server, "/livez")[0] == 200, "and it heals"


def test_one_check_alone(server, state):
    state.wrong["workers"] = "a worker has died"
    assert get(server, "/livez/watches")[:2] == (200, "ok\n")
    assert get(server, "/livez/workers")[0] == 500


def test_a_check_can_be_left_out(server, state):
    state.wrong["workers"] = "a worker has died"
    assert get(server, "/livez?exclude=workers")[0] == 200
    assert get(server, "/livez?exclude=watches&exclude=none")[0] == 500


def test_verbose_shows_every_check(server):
    assert get(server, "/livez?verbose")[1] == "[+]workers ok\n[+]watches ok\nlivez check passed\n"


def test_readiness_shows_notes_that_decide_nothing(server, state):
    status, text, _ = get(server, "/readyz?verbose=1")
    assert status == 200
    assert text == "[+]pool ok\n[!]gateway ngw-2: is locked\nreadyz check passed\n"
    assert get(server, "/readyz")[1] == "ok\n"


@pytest.mark.parametrize("path", ["/", "/metrics", "/debug", "/livez/nothing", "/readyz/workers"])
def test_what_is_not_there_is_not_found(server, path):
    assert get(server, path)[:2] == (404, "404 page not found\n")


def test_only_reading_is_possible(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/livez", body=b"")
    assert connection.getresponse().status == 501
    connection.close()


def test_a_connection_is_good_for_one_question(server):
    with connected(server) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert read_all(sock).endswith(b"\r\n\r\nok\n")


@contextmanager
def connected(server: HealthServer, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
        sock.sendall(sent)
        yield sock


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes, in whatever way."""
    got = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(1 << 16):
            got += piece
    return got


HALF = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


class TestStrangers:
    """Who holds connections, sends nonsense, or does not read; and a probe beside them."""

    @pytest.fixture
    def hasty(self, monkeypatch) -> None:
        monkeypatch.setattr(served_by, "PATIENCE_S", 0.3)

    @pytest.mark.parametrize("sent", [b"", b"G", HALF, b"\x16\x03\x01" * 9], ids=repr)
    def test_a_request_that_does_not_end_is_not_waited_for(self, server, hasty, sent):
        with connected(server, sent) as sock:
            assert read_all(sock) == b""
        assert server.dropped == 1

    def test_nor_is_one_that_comes_in_drops(self, server, hasty):
        with connected(server, HALF) as sock, suppress(OSError):
            for _ in range(10_000):
                sock.sendall(b"X-Drop: 1\r\n")
                sock.settimeout(0.05)
                with suppress(TimeoutError):
                    if not sock.recv(1):
                        break
            else:
                pytest.fail("still listened to")

    def test_nor_is_an_answer_that_is_not_read(self, state, hasty, no_leaked_threads, monkeypatch):
        registry = CollectorRegistry()
        many = Counter("things", "Things.", ["which"], registry=registry)
        for n in range(30_000):
            many.labels(f"{n:0300}")
        with served(state, registry=registry) as server, socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            eventually(lambda: server.dropped == 1)
            monkeypatch.setattr(served_by, "PATIENCE_S", 60.0)
            assert get(server, "/livez")[0] == 200

    def test_headers_without_end_are_cut_off(self, server):
        with connected(server, HALF) as sock:
            with suppress(OSError):
                sock.sendall(b"X-Long: " + b"x" * (1 << 20))
            read_all(sock)
        eventually(lambda: server.dropped == 1)

    @pytest.mark.parametrize(
        "sent", [b"nonsense\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET /livez\r\n\r\n", b"\r\n\r\n"]
    )
    def test_nonsense_is_answered_as_such(self, server, sent):
        with connected(server, sent) as sock:
            assert read_all(sock).startswith(b"HTTP/1.1 400 ")

    def test_a_probe_is_served_beside_any_number_of_them(self, server):
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(connected(server, HALF))
            assert get(server, "/livez")[0] == 200
            assert threading.active_count() < 50
            eventually(lambda: server.dropped >= 300 - served_by.CONNECTIONS)

    def test_those_who_break_off_cost_nothing(self, server, capfd):
        for _ in range(50):
            with connected(server, b"GET /livez HTTP/1.1\r\n\r\n") as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert get(server, "/livez")[0] == 200
        assert capfd.readouterr().err == ""


def test_a_check_that_raises_is_an_answer_too(state, server):
    del state.wrong["workers"]
    assert get(server, "/livez")[0] == 500
    assert get(server, "/readyz")[0] == 200


class TestMetrics:
    def test_those_who_ask_again_at_once_get_the_same(self, state, registry):
        clock = FakeClock()
        counter = Counter("scrapes", "How often it was looked.", registry=registry)
        with served(state, registry=registry, clock=clock) as server:
            first = get(server, "/metrics")
            counter.inc()
            assert get(server, "/metrics") == first
            assert "scrapes_total 1.0" in get(server, "/metrics", Accept=OPEN)[1]
            clock.advance(1.0)
            assert "scrapes_total 1.0" in get(server, "/metrics")[1]

    @pytest.fixture
    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        Counter("things", "Things that happened.", registry=registry).inc(3)
        return registry

    def test_are_text(self, state, registry):
        with served(state, registry=registry) as server:
            status, text, kind = get(server, "/metrics")
        assert (status, kind.partition(";")[0]) == (200, "text/plain")
        assert "things_total 3.0" in text.splitlines()

    def test_are_open_metrics_for_those_who_ask(self, state, registry):
        with served(state, registry=registry) as server:
            _, text, kind = get(server, "/metrics", Accept=OPEN)
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")


class TestAddresses:
    def test_every_interface_where_no_host_is_named(self, state):
        with served(state, ":0") as server:
            assert get(server, "/livez")[0] == 200

    def test_ipv6(self, state):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
        with served(state, "[::1]:0") as server:
            assert get(server, "/livez", host="::1")[0] == 200

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            (":8080", ("", 8080)),
            ("127.0.0.1:0", ("127.0.0.1", 0)),
            ("[::1]:80", ("::1", 80)),
            ("localhost:65535", ("localhost", 65535)),
            ("0", None),
        ],
    )
    def test_what_is_one(self, text, where):
        assert parse_address(text) == where

    @pytest.mark.parametrize(
        "text",
        ["", "banana", "8080", ":", "a:b", ":65536", ":-1", "::1:80", "[::1]", "a]:1", "[a]:1"],
    )
    def test_what_is_none(self, text):
        with pytest.raises(ValueError, match="no address"):
            parse_address(text)

    def test_turned_off(self, state, no_leaked_threads):
        with served(state, "0") as server:
            assert server.port == 0

    def test_a_taken_port_is_an_error_at_once(self, state, server):
        with pytest.raises(OSError, match="in use"):
            HealthServer(f"127.0.0.1:{server.port}", {})

    def test_a_server_never_started_can_be_stopped(self):
        server = HealthServer("127.0.0.1:0", {})
        port = server.port
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)

    def test_nothing_is_served_after_the_end(self, state, no_leaked_threads):
        with served(state) as server:
            port = server.port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)

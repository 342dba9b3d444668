"""Health and metrics, asked over real HTTP on a free port."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter

from dnatctl.observe.health import HealthServer


class State:
    """What is wrong, check by check; empty where all is well."""

    def __init__(self) -> None:
        self.wrong = {"workers": "", "watches": "", "pool": ""}
        self.notes = ["[!]gateway ngw-2: is locked"]

    def check(self, name: str):
        return lambda: self.wrong[name]


@contextmanager
def served(state: State, address: str = "127.0.0.1:0", registry=None) -> Iterator[HealthServer]:
    live = {name: state.check(name) for name in ("workers", "watches")}
    checks = {"healthz": live, "livez": live, "readyz": {"pool": state.check("pool")}}
    server = HealthServer(address, checks, registry, notes=lambda: state.notes)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: HealthServer, path: str, host: str = "127.0.0.1", **headers: str):
    connection = http.client.HTTPConnection(host, server.port, timeout=10)
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
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/livez", body=b"")
    assert connection.getresponse().status == 501
    connection.close()


def test_many_questions_on_one_connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/livez")
        assert connection.getresponse().read() == b"ok\n"
    connection.close()


class TestMetrics:
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
            _, text, kind = get(server, "/metrics", Accept="application/openmetrics-text")
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

"""The door of the metrics by TLS, and only for those who may: over real sockets."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from dnatctl.observe import http as served_by
from dnatctl.observe.health import HealthServer
from dnatctl.observe.http import ListenError
from dnatctl.observe.tls import Certificate
from tests.support.certificates import write_pair
from tests.support.stage import eventually


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    write_pair(tmp_path, "first")
    return tmp_path


@contextmanager
def served(**more: Any) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1:0", {}, CollectorRegistry(), **more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(pair: Path, no_leaked_threads: None) -> Iterator[HealthServer]:
    with served(tls=Certificate(pair).context) as server:
        yield server


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def scrape(server: HealthServer, **headers: str) -> tuple[int, str]:
    """The status of a scrape, and whose certificate was shown."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, timeout=60, context=trusting()
    )
    try:
        connection.request("GET", "/metrics", headers=headers)
        shown = connection.sock.getpeercert(binary_form=True)
        answer = connection.getresponse()
        answer.read()
        subject = x509.load_der_x509_certificate(shown).subject
        return answer.status, subject.rfc4514_string()
    finally:
        connection.close()


def test_metrics_are_served_by_tls(server: HealthServer) -> None:
    assert scrape(server) == (200, "CN=first")


def test_a_rotated_certificate_is_shown_from_then_on(server: HealthServer, pair: Path) -> None:
    assert scrape(server) == (200, "CN=first")
    write_pair(pair, "second")
    assert scrape(server) == (200, "CN=second")


def test_one_that_is_none_is_not_taken_in(server: HealthServer, pair: Path) -> None:
    (pair / "tls.key").write_text("no key")
    assert scrape(server) == (200, "CN=first")
    (pair / "tls.crt").unlink()
    assert scrape(server) == (200, "CN=first")
    write_pair(pair, "third")
    assert scrape(server) == (200, "CN=third")


def test_a_key_of_another_certificate_leaves_nothing_of_itself(
    server: HealthServer, pair: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write_pair(other, "other")
    shutil.copy(other / "tls.crt", pair / "tls.crt")
    assert scrape(server) == (200, "CN=first")


def test_without_a_certificate_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="no certificate in"):
        Certificate(tmp_path)


def test_plain_http_is_no_way_in(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not sock.recv(1 << 16).startswith(b"HTTP")
    assert scrape(server)[0] == 200


class TestStrangers:
    """What bounds connections bounds handshakes too."""

    @pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00", b"GET /metrics HTTP/1.1\r\n"])
    def test_a_handshake_that_does_not_end_is_not_waited_for(
        self, server: HealthServer, monkeypatch: pytest.MonkeyPatch, sent: bytes
    ) -> None:
        monkeypatch.setattr(served_by, "PATIENCE_S", 0.3)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            sock.sendall(sent)
            with suppress(ConnectionResetError):
                while sock.recv(1 << 16):
                    pass
        eventually(lambda: server.dropped == 1)

    def test_nor_is_a_request_that_does_not_end(
        self, server: HealthServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served_by, "PATIENCE_S", 2.0)
        context = trusting()
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        with suppress(OSError), context.wrap_socket(plain) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
            assert sock.recv(1) == b""
        eventually(lambda: server.dropped == 1)

    def test_headers_without_end_are_cut_off(self, server: HealthServer) -> None:
        context = trusting()
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        with suppress(OSError), context.wrap_socket(plain) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nX-Long: " + b"x" * (1 << 20))
            while sock.recv(1 << 16):
                pass
        eventually(lambda: server.dropped == 1)

    def test_a_scrape_is_served_beside_any_number_of_them(self, server: HealthServer) -> None:
        with ExitStack() as stack:
            for _ in range(3 * served_by.CONNECTIONS):
                where = ("127.0.0.1", server.port)
                stack.enter_context(socket.create_connection(where, timeout=60))
            assert scrape(server)[0] == 200
            eventually(lambda: server.dropped >= 2 * served_by.CONNECTIONS)


def test_who_is_not_let_in_learns_nothing(pair: Path, no_leaked_threads: None) -> None:
    asked: list[str] = []

    def admit(authorization: str, peer: str) -> HTTPStatus:
        assert peer == "127.0.0.1"
        asked.append(authorization)
        good = authorization == "Bearer prometheus"
        return HTTPStatus.OK if good else HTTPStatus.FORBIDDEN

    with served(tls=Certificate(pair).context, admit=admit) as server:
        assert scrape(server)[0] == 403
        assert scrape(server, Authorization="Bearer tenant")[0] == 403
        assert scrape(server, Authorization="Bearer prometheus")[0] == 200
    assert asked == ["", "Bearer tenant", "Bearer prometheus"]

"""The little server of `dnatctl ui`: for this machine alone, and for reading alone."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.integration.cli.processes import eventually
from tests.support.leader import Leader, Served, known_document, serving


@pytest.fixture(scope="module")
def leader() -> Iterator[Leader]:
    with Leader() as leader:
        leader.document = known_document()
        yield leader


@pytest.fixture(scope="module")
def served(leader: Leader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), leader.address) as served:
        yield served


def asked(
    served: Served, path: str, method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def test_it_passes_on_what_the_leader_says(served: Served) -> None:
    def document() -> bytes:
        answer, body = asked(served, "/status.json")
        assert answer.status in (200, 202)
        return body

    assert json.loads(eventually(document))["schema"] == "dnatctl/status/v1"


def test_the_page_may_run_its_own_script_and_ask_its_own_server_and_no_more(served: Served) -> None:
    answer, body = asked(served, "/")

    assert answer.status == 200
    assert body.startswith(b"<!DOCTYPE html>")
    policy = str(answer.getheader("Content-Security-Policy"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    for kind in ("script-src", "style-src"):
        assert rules[kind].startswith("'sha256-")
        assert "unsafe" not in rules[kind]
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path", ["/", "/status.json", "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "", "localhost.", "a@b"]
)
def test_asked_by_a_name_that_is_not_its_own_it_says_nothing(
    served: Served, path: str, host: str
) -> None:
    answer, body = asked(served, path, Host=host)

    assert answer.status == 421
    assert len(body) < 100


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9999", "127.0.0.1:1"])
def test_its_own_names_may_have_any_port_for_there_are_tunnels(served: Served, host: str) -> None:
    assert asked(served, "/", Host=host)[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/status.json"])
def test_nothing_can_be_written(served: Served, method: str, path: str) -> None:
    assert asked(served, path, method)[0].status == 501


@pytest.mark.parametrize("path", ["/page.html", "/../server.py", "//", "/status", "/%2e%2e/x"])
def test_there_is_nothing_else(served: Served, path: str) -> None:
    assert asked(served, path)[0].status == 404


def test_it_listens_on_loopback_alone(served: Served) -> None:
    """Of all addresses that this machine has, on one; 127.0.0.2 leads to it where it listens on
    all."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", served.port), timeout=5)


def test_a_port_that_is_taken_is_told(
    served: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, "127.0.0.1:1", "--port", str(served.port)) as second:
        assert second.process.wait(60) == 1

    told = capfd.readouterr().err
    assert f"cannot listen on 127.0.0.1:{served.port}: Address already in use" in told
    assert "--port" in told


def test_it_ends_with_ctrl_c(leader: Leader, tmp_path: Path) -> None:
    with serving(tmp_path, leader.address) as served:
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(60) == 0

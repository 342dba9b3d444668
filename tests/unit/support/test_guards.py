"""The guards of the test suite themselves."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.network import Guard

ELSEWHERE = ("192.0.2.1", 80)  # TEST-NET-1, RFC 5737


def connect() -> None:
    with socket.socket() as sock:
        sock.connect(ELSEWHERE)


def connect_ex() -> None:
    with socket.socket() as sock:
        sock.connect_ex(ELSEWHERE)


def connect_v6() -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("2001:db8::1", 80, 0, 0))


def datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", ELSEWHERE)


def by_name() -> None:
    socket.create_connection(("dnatctl.example", 80))


@pytest.mark.parametrize("leave", [connect, connect_ex, connect_v6, datagram, by_name])
def test_another_machine_is_refused_and_remembered(
    leave: Callable[[], None], network_guard: Guard
) -> None:
    with pytest.raises(ConnectionRefusedError, match="stay on this machine"):
        leave()
    assert len(network_guard.take()) == 1


def test_a_thread_is_caught_too_though_nobody_sees_its_error(network_guard: Guard) -> None:
    def leave() -> None:
        with contextlib.suppress(OSError):
            connect()

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert network_guard.take() == [str(ELSEWHERE)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_this_machine_can_be_reached(host: str, network_guard: Guard) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection((host, port)).close()
    assert network_guard.take() == []


def test_every_test_is_guarded(request: pytest.FixtureRequest) -> None:
    unguarded = [
        item.nodeid
        for item in request.session.items
        if "network_guard" not in getattr(item, "fixturenames", ())
    ]
    assert unguarded == []


SWALLOWS = """
import contextlib, os, socket, threading, time

def test_swallows():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80))

def test_leaves_a_thread(no_leaked_threads):
    os.environ["LEAK_PATIENCE"] = "0.1"
    threading.Thread(target=time.sleep, args=(60,), name="dnatctl-left", daemon=True).start()

def test_is_good(no_leaked_threads):
    os.environ["LEAK_PATIENCE"] = "60"
    thread = threading.Thread(target=time.sleep, args=(0.01,), name="dnatctl-ends")
    thread.start()
"""


def test_what_a_test_swallows_or_leaves_behind_fails_it(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    (tmp_path / "test_inner.py").write_text(SWALLOWS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "tests.conftest"]
    env = {**os.environ, "PYTHONPATH": str(pytestconfig.rootpath)}
    run = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "tried to leave this machine: 192.0.2.1" in run.stdout
    assert "threads left behind: dnatctl-left" in run.stdout
    assert "3 passed, 2 errors" in run.stdout

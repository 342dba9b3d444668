"""`dnatctl status --watch` on a terminal."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from dnatctl.status.document import Waiter
from tests.support.leader import INTERRUPTIBLE, Leader, known_document, kubeconfig
from tests.support.stage import PATIENCE_S

HOME, REST_OF_LINE, REST = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """The terminal's other side."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self._fd = fd
        self._said = b""
        self.process = process

    def frame(self, holding: str) -> list[str]:
        """The lines of the first whole frame from now on that has that text, without colours."""
        deadline = time.monotonic() + PATIENCE_S
        self._said = b""
        while True:
            assert time.monotonic() < deadline, f"no {holding!r}: {self._said!r}"
            if select.select([self._fd], [], [], 0.2)[0]:
                self._said += os.read(self._fd, 1 << 16)
            for frame in self._said.decode("utf-8", "ignore").split(HOME)[1:]:
                if holding in frame and frame.endswith(REST):
                    return self._lines(frame.removesuffix(REST))

    @staticmethod
    def _lines(frame: str) -> list[str]:
        *lines, last = frame.split("\r\n")
        assert last == ""
        assert all(line.endswith(REST_OF_LINE) for line in lines), "remains of longer lines"
        return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in lines]


@contextmanager
def watching(folder: Path, leader: str, *, rows: int, columns: int, **env: str) -> Iterator[Screen]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    words = ["status", "--watch", "--kubeconfig", str(kubeconfig(folder)), "--server", leader]
    process = subprocess.Popen(
        [*INTERRUPTIBLE, sys.executable, "-m", "dnatctl", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=inherited | {"TERM": "xterm-256color"} | env,
    )
    os.close(theirs)
    try:
        yield Screen(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture
def leader() -> Iterator[Leader]:
    with Leader() as leader:
        document = known_document()
        name = "a-namespace-with-a-long-name/a-deployment-7f8b9c6d5f-x2x4z"
        why = "each of its ports must be free on one EIP, and none has 3 in a row left; " * 3
        waiting = (*document.waiting, Waiter(name, "PoolExhausted", why, "2026-11-27T11:00:00Z"))
        leader.document = msgspec.structs.replace(document, waiting=waiting)
        yield leader


def test_it_fits_eighty_columns(leader: Leader, tmp_path: Path) -> None:
    with watching(tmp_path, leader.address, rows=60, columns=80) as screen:
        lines = screen.frame("WAITING")

        assert max(map(len, lines)) <= 80
        whole = " ".join(" ".join(lines).split())
        for gateway in leader.document.gateways if leader.document else ():
            assert gateway.id in whole
        assert "none has 3 in a row left; each of its ports must be free on one EIP" in whole
        cells = [line.split()[2] for line in lines if line.split()[:1] == ["tcp"]][:4]
        assert [len(row) for row in cells] == [64] * 4, "a line of cells is whole"
        again = screen.frame("WAITING")
        assert len(again) == len(lines)


def test_in_a_low_window_the_top_stays_and_the_rest_is_counted(
    leader: Leader, tmp_path: Path
) -> None:
    with watching(tmp_path, leader.address, rows=24, columns=80, NO_COLOR="1") as screen:
        lines = screen.frame("more lines")

        assert len(lines) == 23, "the last row is the cursor's"
        assert lines[0].startswith("dnatctl 0.1.0, cluster c11ba338192xxxxxxx: ready")
        assert re.match(r"\(\d+ more lines: ", lines[-1])


def test_in_a_window_too_low_for_the_ports_who_waits_is_shown_all_the_same(
    leader: Leader, tmp_path: Path
) -> None:
    with watching(tmp_path, leader.address, rows=36, columns=80, NO_COLOR="1") as screen:
        lines = screen.frame("left out")

        assert lines[-1] == "(the ports are left out: make the window taller)"
        assert any(line.startswith("WAITING") for line in lines)
        assert any(line.startswith("  47.110.1.12: free") for line in lines)
        assert not any(line.split()[:2] == ["tcp", "512"] for line in lines)


def test_a_leader_that_goes_and_comes_back_is_waited_for(leader: Leader, tmp_path: Path) -> None:
    with watching(tmp_path, leader.address, rows=60, columns=80) as screen:
        screen.frame("WAITING")
        document, leader.document = leader.document, None
        assert "the leader does not answer: NotFound: /status: 503" in screen.frame("answer")[0]
        leader.document = document
        screen.frame("WAITING")

        screen.process.send_signal(signal.SIGINT)
        assert screen.process.wait(60) == 0

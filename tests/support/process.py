"""`dnatctl run` as a process of its own, against a stage: to be killed like one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from tests.support.stage import NAMESPACE, Stage

NOWHERE = "127.0.0.1:0"
PATIENT_LEASE = """
import functools
import dnatctl.kube.lease as lease
lease.LeaseSettings = functools.partial(lease.LeaseSettings, 60.0, 40.0, 15.0)
"""
"""To be run `before`: its Lease is given back at the end, however slow the machine is."""


class Program:
    """The controller as users start it; one process at a time.

    `before` is code that the process runs first, to put something wrong in it; `arguments` come
    after the usual ones.
    """

    def __init__(self, it: Stage, *arguments: str, elect: bool = False, before: str = "") -> None:
        self._it = it
        self._arguments = arguments
        self._before = before
        self._elect = "--leader-elect" if elect else "--no-leader-elect"
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.log = it.folder / "program.log"

    def start(self, stderr: int | None = None) -> None:
        """Start it; returns at once. What it says goes to its log, or to that descriptor."""
        self.starts += 1
        with self.log.open("ab") as log:
            to = log if stderr is None else stderr
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=to)

    def kill(self) -> None:
        """SIGKILL: it gets to do nothing more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def kill_at_once(self) -> None:
        """As `kill`, without waiting for the end: for a server's thread."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)

    def end(self, seconds: float = 30.0) -> float:
        """SIGTERM, and wait; how long it took. Raises AssertionError unless it ends well."""
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        code = self._process.wait(seconds)
        assert code == 0, f"ended with {code}: {self.tail()}"
        return time.monotonic() - began

    def suspend(self) -> None:
        """SIGSTOP: time goes on without it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float = 60.0) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def terminate(self) -> None:
        """SIGTERM; returns at once."""
        assert self._process is not None
        self._process.terminate()

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def lines(self) -> list[dict[str, Any]]:
        """What it has said so far. Raises ValueError if any line is not one of its log."""
        whole = self.log.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def limit_of_files(self) -> int:
        """Its soft limit of open files."""
        return int(self._limit("Max open files"))

    def limit_of_cores(self) -> str:
        """How many bytes a core dump of it may have: a number, or "unlimited"."""
        return self._limit("Max core file size")

    def shown_by_ps(self) -> str:
        """What everybody on its machine may see of it: its command."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/cmdline").read_text("utf-8")

    def _limit(self, name: str) -> str:
        assert self._process is not None
        limits = Path(f"/proc/{self._process.pid}/limits").read_text("utf-8")
        return limits.partition(name)[2].split()[0]

    def tail(self) -> str:
        """The last lines it has said."""
        return "\n".join(self.log.read_text("utf-8").splitlines()[-20:])

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-c", f"{self._before}\nfrom dnatctl.cli import main\nmain()", "run"),
            *("--config", str(self._config())),
            *("--kubeconfig", str(self._it.folder / "kubeconfig")),
            *("--namespace", NAMESPACE),
            self._elect,
            *("--metrics-bind-address", NOWHERE),
            *("--health-probe-bind-address", NOWHERE),
            *("--status-bind-address", NOWHERE),
            *self._arguments,
        ]

    def _config(self) -> Path:
        endpoint = self._it.cloud_server.endpoint
        content = self._it.configuration() | {"endpoints": {"vpc": endpoint, "ecs": endpoint}}
        file = self._it.folder / "config.yaml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(content), "utf-8")
        return file

"""Processes of their own for all that takes part, and what the kernel says they used."""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

ROOT = Path(__file__).parents[2]

ANSWER_S = 600.0
"""By then everything that is asked for has been done, also on a machine that has other work."""

ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""}
"""Modules are compiled once, as those of a wheel or an image are: 0.25 s of CPU at each start."""


@dataclass(frozen=True)
class Usage:
    """What a process has used: CPU seconds so far, resident MB now and at most."""

    cpu: float
    rss: float
    peak: float


class Process:
    """A Python program of this project, ended when its time is over or this process dies.

    `answers`: it prints a line of JSON when it is ready, which `ready` holds, and one for each
    line of JSON that `ask` sends.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, *, answers: bool = False, env: Mapping[str, str] = {}
    ) -> None:
        self.log = log
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, *argv],
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT, **env},
                stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else errors,
                stderr=errors,
            )
        self.pid = self._child.pid
        atexit.register(self._child.kill)
        self.ready: dict[str, Any] = self._read() if answers else {}

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have it do something and answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(orjson.dumps({"do": do, **arguments}) + b"\n")
        self._child.stdin.flush()
        return self._read()["result"]

    def usage(self) -> Usage:
        """What it has used; of the last moment it was alive."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
        )
        # The process's CPU clock (clock_getcpuclockid), exact where ticks of 10 ms are not.
        cpu = time.clock_gettime((~self.pid << 3) | 2)
        kb = {name: int(status.get(name, "0 kB").split()[0]) for name in ("VmRSS", "VmHWM")}
        return Usage(cpu, kb["VmRSS"] / 1024, kb["VmHWM"] / 1024)

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def wait(self, seconds: float) -> int:
        """Wait for its end; its exit code."""
        return self._child.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    def stop(self) -> None:
        """End it, kindly first."""
        if self.alive():
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        atexit.unregister(self._child.kill)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        if not select.select([self._child.stdout], [], [], ANSWER_S)[0]:
            raise TimeoutError(
                f"{self._child.args}: no answer within {ANSWER_S:.0f} s; see {self.log}"
            )
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._child.args} ended:\n{self.log.read_text()[-2000:]}")
        answer: dict[str, Any] = orjson.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

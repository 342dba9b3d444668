"""The controller as a process of its own, beside a stage."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import urllib3
from prometheus_client.parser import text_string_to_metric_families

STOP_S = 30.0
"""Longest wait for the controller's end; it finishes what it has begun."""


class Samples:
    """Metrics as they were scraped."""

    def __init__(self, text: str) -> None:
        self._samples = [
            s for family in text_string_to_metric_families(text) for s in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels; 0 if there are none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class ControllerProcess:
    """`dnatctl run` with these arguments; its log goes to a file. A context manager."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        metrics, health = free_ports(2)
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.health_url = f"http://127.0.0.1:{health}/readyz"
        self.log = log
        self._command = [
            *(sys.executable, "-m", "dnatctl", *arguments),
            *("--namespace", "dnatctl-system"),
            *("--metrics-bind-address", f"127.0.0.1:{metrics}"),
            *("--health-probe-bind-address", f"127.0.0.1:{health}"),
        ]
        self._http = urllib3.PoolManager(retries=False, timeout=5.0)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, in a process group of its own: Ctrl-C is for us to act upon. Raises OSError."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                process_group=0,
            )
        return self

    def stop(self) -> int | None:
        """End it, by force if need be; its exit status, None if it was not started."""
        if self._process is None:
            return None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(STOP_S)
        self._process.kill()
        return self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it says that it is ready."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self._http.request("GET", self.health_url).status == 200
        return False

    def metrics(self) -> Samples:
        """Its metrics now; raises urllib3.exceptions.HTTPError."""
        return Samples(self._http.request("GET", self.metrics_url).data.decode())

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def _environment() -> dict[str, str]:
    # The cloud's SDK takes a proxy from the environment even for 127.0.0.1, and would ask the
    # metadata service of ECS for a role.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("DNATCTL_")
    }
    return kept | {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}

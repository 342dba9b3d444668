"""dnatctl as it runs in production: a process of its own, with its service account's token."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3
import yaml

from hack.controlplane.files import CONTROLLER_NAMESPACE
from hack.controlplane.ports import LOOPBACK, free_ports
from tests.e2e.eventually import eventually

_TUNED = Path(__file__).with_name("tuned.py")
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Replica:
    """One replica. It may be killed, paused and started again. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path,
        config: Mapping[str, Any],
        *arguments: str,
        tuning: Mapping[str, float] | None = None,
        program: Sequence[str] = (),
    ) -> None:
        """Keep configuration and log in `folder`; `arguments` are added to those of `run`.

        `tuning` names times that differ from those of production, see `tests/e2e/tuned.py`.
        `program` is what is run instead of the checkout's dnatctl.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "dnatctl.log"
        self.config = folder / "config.yaml"
        if not program:  # the image's user is another one than this
            self.config.touch(mode=0o600)
        self.config.write_text(yaml.safe_dump(dict(config)))
        self._metrics_port, self._health_port, self._status_port = free_ports(3)
        self.key = str(config.get("credential", {}).get("accessKey", ""))
        """The AccessKey that signs its calls to the cloud."""
        self._command = [
            *(program or _program(tuning or {})),
            "run",
            f"--config={self.config}",
            f"--kubeconfig={kubeconfig}",
            f"--namespace={CONTROLLER_NAMESPACE}",
            f"--metrics-bind-address={self.address}",
            f"--health-probe-bind-address={LOOPBACK}:{self._health_port}",
            f"--status-bind-address={LOOPBACK}:{self._status_port}",
            "--log-level=debug",
            *arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(retries=False, timeout=5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def rewrite(self, config: str) -> None:
        """Swap its configuration file for another, at once, as a mounted ConfigMap is swapped."""
        fresh = self.config.with_suffix(".new")
        fresh.write_text(config)
        fresh.replace(self.config)

    # Life

    def start(self) -> None:
        """Start the process; it dies with the thread that started it, however that ends."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )

    def stop(self, *, within: float = 40) -> int:
        """Ask it to end (SIGTERM), wait until it has, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it did not.
        """
        self.signal(signal.SIGTERM)
        return self._wait(within)

    def kill(self) -> None:
        """End it at once (SIGKILL), if it runs."""
        if self.pid is not None:
            self.signal(signal.SIGKILL)
            self._wait(10)
        self._pool.clear()

    def pause(self) -> None:
        """Freeze it: it does nothing and its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def pid(self) -> int | None:
        """Process ID, None where it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    @property
    def exit_status(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.poll() if self._process else None

    def _wait(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    # What it says

    @property
    def address(self) -> str:
        """Where its metrics are served, `host:port`."""
        return f"{LOOPBACK}:{self._metrics_port}"

    @property
    def status_address(self) -> str:
        """Host and port of /status."""
        return f"{LOOPBACK}:{self._status_port}"

    def metrics(self) -> str:
        """Its metrics as it exposes them."""
        return self._get(f"http://{self.address}/metrics").data.decode()

    def metrics_if_served(self) -> str | None:
        """The same, None while they cannot be had."""
        try:
            return self.metrics()
        except urllib3.exceptions.HTTPError:
            return None

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Its metrics: name, labels, value of each sample."""
        return [
            (name, dict(_LABEL.findall(labels)), float(value))
            for name, labels, value in _SAMPLE.findall(self.metrics())
        ]

    def total(self, metric: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 where there is none."""
        return sum(
            value
            for name, found, value in self.samples()
            if name == metric and labels.items() <= found.items()
        )

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return self._says("readyz").status == 200

    def leads(self) -> bool:
        """Whether it says that it is the leader and has read everything."""
        answer = self._says("readyz?verbose")
        return answer.status == 200 and b"role leader" in answer.data

    def verbose(self) -> str:
        """What /readyz says of each part, and for people to see to."""
        return self._says("readyz?verbose").data.decode()

    def wait_leading(self, *, within: float = 120) -> Self:
        """Wait until it leads, has read everything and so is at work.

        Raises:
            AssertionError: it is not in time, or has ended; the message shows its log.
        """
        try:
            eventually(self._leads_or_is_dead, within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        assert self.pid is not None, self.tail()
        return self

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it logged, entry by entry; other output is left out."""
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def tail(self, lines: int = 40) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])

    def _leads_or_is_dead(self) -> bool:
        return self.pid is None or self.leads()

    def _says(self, path: str) -> urllib3.BaseHTTPResponse:
        try:
            return self._get(f"http://{LOOPBACK}:{self._health_port}/{path}")
        except urllib3.exceptions.HTTPError:
            return urllib3.HTTPResponse(status=0)

    def _get(self, url: str) -> urllib3.BaseHTTPResponse:
        return self._pool.request("GET", url)


def _program(tuning: Mapping[str, float]) -> list[str]:
    if not tuning:
        return [sys.executable, "-m", "dnatctl"]
    return [sys.executable, str(_TUNED), *(f"{name}={seconds}" for name, seconds in tuning.items())]


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("DNATCTL_", "POD_"))
    }
    return kept | {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}

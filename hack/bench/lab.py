"""A laboratory: an emulated cloud, an emulated cluster and the controller, a process each."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml

from dnatctl_sim.cloud import Knobs, Scenario
from dnatctl_sim.cloud.calls import Call
from dnatctl_sim.cloud.client import CloudAdmin
from dnatctl_sim.cloud.knobs import Settle, Span
from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET, REGION, VPC_ID, ZONES
from dnatctl_sim.configuration import CLUSTER_ID
from hack.bench.processes import Process, Usage

WRITES = ("CreateForwardEntry", "ModifyForwardEntry", "DeleteForwardEntry")
READ = "DescribeForwardTableEntries"
_WORKING = b'"msg": "working"'  # a standby is ready too
ROUND_TRIP = 0.05
"""Seconds that the emulated cloud takes for a write unless a benchmark says otherwise."""

QUICK_CLOUD: dict[str, Any] = {
    "mode": "relaxed",
    "settle": 0.05,
    "write_latency": 0.005,
    "read_latency": 0.005,
}
"""A cloud that never makes anybody wait, so that what is left is the controller's own time."""


def scenario(gateways: int = 1, *, settle: Span = 0.2, eips: int = 2, **knobs: Any) -> Scenario:
    """So many gateways without limits of calls and rows, unless `knobs` say so."""
    base: dict[str, Any] = {
        "settle": Settle.all(settle),
        "write_latency": ROUND_TRIP,
        "read_latency": ROUND_TRIP / 2,
        "quota": 10_000,
        "default_limit": 0,
        "log_size": 1_000_000,
    }
    return Scenario.many(gateways, eips=eips, knobs=Knobs(**{**base, **knobs}))


class Lab:
    """Starts the processes; a context manager that ends them. `folder` takes files and logs.

    `still`: a cluster without kubelet and scheduler. `pool`: keys of every natGwPool item.
    `furnish`: called when cloud and cluster are there.
    """

    def __init__(
        self,
        folder: Path,
        setting: Scenario,
        *,
        still: bool = False,
        pool: dict[str, Any] | None = None,
        furnish: Callable[[Lab], None] | None = None,
        **config: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.scenario = setting
        self._still = still
        self._pool = pool or {}
        self._furnish = furnish
        self._config = config
        self._running = ExitStack()
        self.controller: Process | None = None

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start_around(starting)
            if self._furnish is not None:
                self._furnish(self)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            (self.folder / "calls.json").write_bytes(msgspec.json.encode(self.calls()))
        finally:
            self._running.close()

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def gateways(self) -> list[tuple[str, str]]:
        """ID and first EIP of each gateway."""
        return [(gateway.id, gateway.eips[0]) for gateway in self.scenario.gateways]

    def run(self, argv: list[str], name: str, **options: Any) -> Process:
        """Start one more program."""
        return self._running.enter_context(Process(argv, self.folder / f"{name}.log", **options))

    def start_controller(self) -> float:
        """Start dnatctl; the seconds until it was ready."""
        begun, health = time.monotonic(), _free_port()
        self.controller = self._run_dnatctl("dnatctl", health, "--no-leader-elect")
        log, url = self.controller.log, f"http://127.0.0.1:{health}/readyz"
        self.wait(lambda: _WORKING in log.read_bytes() and _answers(url), "dnatctl at work", 120)
        return time.monotonic() - begun

    def start_replica(self, name: str) -> Process:
        """Start one of several that elect a leader, and wait until it works or stands by."""
        health = _free_port()
        replica = self._run_dnatctl(name, health, env={"HOSTNAME": name})
        url = f"http://127.0.0.1:{health}/readyz"
        self.wait(lambda: _answers(url), f"{name} ready", 120)
        return replica

    def _run_dnatctl(self, name: str, health: int, *flags: str, **options: Any) -> Process:
        config = self.folder / "config.yaml"
        config.touch(mode=0o600)
        config.write_text(yaml.safe_dump(self._configuration()))
        return self.run(
            [
                "-m", "dnatctl", "run", "--config", str(config),
                "--kubeconfig", str(self.kubeconfig), *flags,
                "--health-probe-bind-address", f"127.0.0.1:{health}",
                "--metrics-bind-address", "127.0.0.1:0", "--status-bind-address", "0",
            ],
            name,
            **options,
        )  # fmt: skip

    def stop_controller(self) -> None:
        """End dnatctl."""
        assert self.controller is not None
        self.controller.stop()

    def wait(
        self, check: Callable[[], object], what: str, seconds: float, every: float = 0.02
    ) -> None:
        """Wait until `check` says yes."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s; see {self.folder}")
            if self.controller is not None and not self.controller.alive():
                raise RuntimeError(f"dnatctl has ended; see {self.folder}")
            time.sleep(every)

    def wait_ready(self, count: int, seconds: float) -> None:
        """Wait until so many pods have had usable entries since the start."""
        self.wait(lambda: self.stand("ready") >= count, f"{count} pods ready", seconds, 0.1)

    def wait_gone(self, count: int, seconds: float) -> None:
        """Wait until so many PodDNATs have gone since the start."""
        self.wait(lambda: self.stand("gone") >= count, f"{count} pods released", seconds, 0.1)

    def stand(self, what: str) -> int:
        """See `Cluster.stand`."""
        return int(self.cluster.ask("stand")[what])

    def created(self) -> int:
        """How many rows the cloud has been made to create."""
        return sum(call.committed for call in self.calls() if call.api == WRITES[0])

    def usage(self) -> Usage:
        """What dnatctl has used."""
        assert self.controller is not None
        return self.controller.usage()

    def calls(self, since: int = 0) -> list[Call]:
        """The cloud's log."""
        return self.admin.calls(since)

    def _start_around(self, starting: ExitStack) -> None:
        file = self.folder / "scenario.json"
        file.write_bytes(msgspec.json.encode(self.scenario))
        self.cloud = starting.enter_context(
            Process(
                ["-m", "dnatctl_sim.cloud", "--scenario", str(file)],
                self.folder / "cloud.log",
                answers=True,
            )
        )
        still = ["--still"] if self._still else []
        self.cluster = starting.enter_context(
            Process(
                ["-m", "hack.bench.cluster", "--kubeconfig", str(self.kubeconfig), *still],
                self.folder / "cluster.log",
                answers=True,
            )
        )
        self.endpoint = str(self.cloud.ready["endpoint"])
        self.admin = CloudAdmin(self.endpoint)

    def _configuration(self) -> dict[str, Any]:
        pool = [
            {
                "natgwId": gateway.id,
                "zoneId": ZONES[0],  # one for all, so that every pod may go to any gateway
                "portRangeStart": 512,
                "portRangeEnd": 9999,
                **self._pool,
            }
            for gateway in self.scenario.gateways
        ]
        return {
            "clusterID": CLUSTER_ID,
            "regionID": REGION,
            "vpcID": VPC_ID,
            "enableControllers": ["natgw"],
            "networkController": {"natGwPool": pool},
            "endpoints": {"vpc": self.endpoint, "ecs": self.endpoint},
            "credential": {"accessKey": ACCESS_KEY, "accessSecret": ACCESS_SECRET},
            **self._config,
        }


def count_calls(calls: Iterable[Call]) -> dict[str, int]:
    """How many calls of each API."""
    return dict(Counter(call.api for call in calls))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

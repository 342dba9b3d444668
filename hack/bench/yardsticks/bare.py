"""What a pod's life costs at least on this machine: runs `hack.bench.yardsticks.floor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from hack.bench.lab import QUICK_CLOUD, Lab, scenario
from hack.bench.processes import Process

A_LIFE: Mapping[str, float] = {
    "get pods": 1,
    "patch poddnats.alibabacloud.com": 1,
    "patch poddnats.alibabacloud.com/status": 2,
    "patch pods/status": 1,
    "create events.events.k8s.io": 3,
    "DescribeForwardTableEntries": 2.7,
}
"""What dnatctl asks for a pod besides a create and a delete of its PodDNAT and row; see `life`."""

BARE_MS = 9.0
"""CPU that a pod's life takes on the machine that the rates of the benchmarks are made for."""

WARM = 20
"""Pods that live before any that count."""


class BareScript:
    """A script that makes a pod's requests and decides nothing, at work."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lived = 0

    def live(self, pods: int) -> float:
        """Have so many pods live, one after the other; the CPU milliseconds that each cost."""
        before = self._process.usage().cpu
        self._process.ask("live", first=self._lived, count=pods)
        self._lived += pods
        return (self._process.usage().cpu - before) / pods * 1000


@contextmanager
def bare_script(
    folder: Path, count: int, often: Mapping[str, float], threads: int = 0
) -> Iterator[BareScript]:
    """One for `count` pods at most, and a cluster and a cloud of its own.

    `often`: how many requests of each kind a pod. `threads`: to so many each is handed in turn.
    """
    with Lab(folder, scenario(1, **{**QUICK_CLOUD, "settle": 0.0})) as lab:
        gateway = lab.scenario.gateways[0]
        file = folder / "often.json"
        file.write_bytes(orjson.dumps(often))
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count + WARM)
        process = lab.run(
            [
                "-m", "hack.bench.yardsticks.floor", "--kubeconfig", str(lab.kubeconfig),
                "--endpoint", lab.endpoint.removeprefix("http://"), "--table", gateway.table_id,
                "--eip", gateway.eips[0], "--often", str(file), "--threads", str(threads),
            ],
            "floor",
            answers=True,
        )  # fmt: skip
        script = BareScript(process)
        script.live(WARM)
        yield script


def bare_life(folder: Path, count: int, often: Mapping[str, float], threads: int = 0) -> float:
    """CPU milliseconds that each of so many pods costs it; see `bare_script`."""
    with bare_script(folder, count, often, threads) as script:
        return script.live(count)


def usual_life(folder: Path, *, quick: bool) -> float:
    """What a pod's life costs it that asks for what dnatctl asks for (A_LIFE)."""
    return bare_life(folder, 60 if quick else 200, A_LIFE)


def fair(rate: float, bare_ms: float) -> float:
    """So many pods a second, or fewer where the script takes longer than BARE_MS for one: what is
    asked of such a machine is how long one waits, or what one costs, not how many it can take."""
    return rate * min(BARE_MS / bare_ms, 1.0)

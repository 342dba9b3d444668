"""What a pod's life costs at least on this machine: runs `hack.bench.yardsticks.floor`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from hack.bench.lab import QUICK_CLOUD, Lab, scenario

A_LIFE: Mapping[str, float] = {
    "get pods": 1,
    "patch poddnats.alibabacloud.com": 1,
    "patch poddnats.alibabacloud.com/status": 2,
    "patch pods/status": 1,
    "create events.events.k8s.io": 3,
    "DescribeForwardTableEntries": 2.7,
}
"""What dnatctl asks for a pod besides a create and a delete of its PodDNAT and row; see `life`."""


def bare_life(folder: Path, count: int, often: Mapping[str, float], threads: int = 0) -> float:
    """CPU milliseconds a pod of the bare script that makes as many requests of each kind.

    `often`: how many a pod. `threads`: to so many each request is handed in turn.
    """
    with Lab(folder, scenario(1, **{**QUICK_CLOUD, "settle": 0.0})) as lab:
        gateway = lab.scenario.gateways[0]
        file = folder / "often.json"
        file.write_bytes(orjson.dumps(often))
        lab.cluster.ask("create", namespace="game", prefix="pod", count=count + 20)
        script = lab.run(
            [
                "-m", "hack.bench.yardsticks.floor", "--kubeconfig", str(lab.kubeconfig),
                "--endpoint", lab.endpoint.removeprefix("http://"), "--table", gateway.table_id,
                "--eip", gateway.eips[0], "--often", str(file), "--threads", str(threads),
            ],
            "floor",
            answers=True,
        )  # fmt: skip
        script.ask("live", first=0, count=20)
        before = script.usage().cpu
        script.ask("live", first=20, count=count)
        return (script.usage().cpu - before) / count * 1000

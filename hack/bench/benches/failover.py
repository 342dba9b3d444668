"""What a change of leaders costs: from a leader's end to the first write of the next one."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from dnatctl.kube.lease import LeaseSettings
from hack.bench.lab import QUICK_CLOUD, Lab, scenario
from hack.bench.result import Result

GATEWAYS = 4


def failover(folder: Path, *, quick: bool) -> Result:
    """Two replicas; the leader is ended, or killed, and at that moment a pod comes."""
    lease = LeaseSettings().duration
    result = Result("failover", f"2 replicas, {GATEWAYS} gateways, a Lease of {lease:.0f} s")
    with Lab(folder, scenario(GATEWAYS, **QUICK_CLOUD)) as lab:
        ended = [_until_written(lab, signal.SIGTERM, n) for n in range(1 if quick else 3)]
        killed = [_until_written(lab, signal.SIGKILL, 10 + n) for n in range(1 if quick else 2)]
    result.at_most(
        "leader ended by SIGTERM: until the next one's first write", max(ended), 1.5, "s"
    )
    result.at_most("leader killed: until the next one's first write", max(killed), lease + 1, "s")
    result.series["seconds"] = {"ended": ended, "killed": killed}
    return result


def _until_written(lab: Lab, number: signal.Signals, turn: int) -> float:
    """Seconds from the end of a leader to the create for a pod that came at that moment."""
    with lab.start_replica(f"leader-{turn}") as leader, lab.start_replica(f"next-{turn}"):
        lab.wait(lambda: b'"working"' in leader.log.read_bytes(), "a leader at work", 60)
        time.sleep(5)  # the other one has seen the Lease renewed
        before, began = lab.created(), time.monotonic()
        leader.signal(number)
        lab.cluster.ask("create", namespace="game", prefix=f"turn-{turn}", count=1)
        lab.wait(lambda: lab.created() > before, "the next leader's first write", 60, 0.01)
        return time.monotonic() - began

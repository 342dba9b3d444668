"""Two replicas that are killed at random and started again, and what they use of the machine."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.replica import Replica


@dataclass(frozen=True)
class Sample:
    """What one process used at one time; `at` in seconds since the start of the run."""

    at: float
    pid: int
    leads: bool
    rss_kb: int
    threads: int


class Fleet:
    """Keeps replicas running, and hurts them."""

    def __init__(self, replicas: list[Replica], seed: int) -> None:
        self.done: Counter[str] = Counter()
        """What was done to them, and how they ended."""
        self.samples: list[Sample] = []
        self._replicas = replicas
        self._random = random.Random(f"fleet {seed}")
        self._began = time.monotonic()
        self._frozen_until: dict[Replica, float] = {}

    def begin(self) -> None:
        """Start them; the first to lead is at work when this returns."""
        self._replicas[0].start()
        self._replicas[0].wait_leading()
        for replica in self._replicas[1:]:
            replica.start()

    def look_after(self) -> None:
        """Start again what has ended, as a kubelet does, and let go on what was stopped."""
        for replica in self._replicas:
            if replica.exit_status is not None:
                self.done[f"ended with {replica.exit_status}"] += 1
                self._frozen_until.pop(replica, None)
                replica.start()
            elif self._frozen_until.get(replica, float("inf")) < time.monotonic():
                del self._frozen_until[replica]
                replica.resume()

    def hurt(self) -> None:
        """Kill, end or stop one of them."""
        replica = self._random.choice(self._replicas)
        if replica.pid is None or replica in self._frozen_until:
            return
        how = self._random.choice(("kill", "terminate", "pause"))
        self.done[how] += 1
        if how == "kill":
            replica.kill()
        elif how == "terminate":
            self.done["unclean end"] += bool(replica.stop())
        else:
            replica.pause()
            self._frozen_until[replica] = time.monotonic() + self._random.uniform(1, 25)

    def heal(self) -> None:
        """Let all go on."""
        for replica in list(self._frozen_until):
            replica.resume()
        self._frozen_until.clear()

    def sample(self) -> None:
        """Take down what each process uses."""
        for replica in self._replicas:
            if replica.pid is not None and (status := _status(replica.pid)):
                at = time.monotonic() - self._began
                rss, threads = int(status["VmRSS"].split()[0]), int(status["Threads"])
                leads = replica not in self._frozen_until and replica.leads()
                self.samples.append(Sample(at, replica.pid, leads, rss, threads))

    def total(self, metric: str, **labels: str) -> float:
        """A metric summed over the replicas that run."""
        return sum(r.total(metric, **labels) for r in self._replicas if r.pid is not None)


def _status(pid: int) -> dict[str, str]:
    """`/proc/<pid>/status`, empty where the process has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return found if "VmRSS" in found else {}

"""How well a table's time was used, judged by the cloud's own log.

The bound is exact, not an estimate: the log tells of each accepted write how long the call took and
for how long the table stayed busy after it. Nobody can write faster than the sum of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from dnatctl_sim.cloud.calls import Call
from hack.bench.lab import READ, WRITES

CREATE = "CreateForwardEntry"


@dataclass(frozen=True)
class Pace:
    """Of one table: `rate` and `bound` are in entries a second."""

    entries: int
    seconds: float
    least: float
    refused: int
    reads: int

    @property
    def rate(self) -> float:
        return self.entries / self.seconds

    @property
    def bound(self) -> float:
        return self.entries / self.least

    @property
    def probes(self) -> float:
        """Reads and refused writes an entry."""
        return (self.refused + self.reads) / self.entries


def judge(calls: list[Call], *, relaxed: bool = False) -> Pace:
    """The pace of the creates of one table, from the first one's start to the last one's end."""
    writes = [call for call in calls if call.api in WRITES and call.replied]
    done = [call for call in writes if not call.code and call.api == CREATE]
    first, last = done[0], done[-1]
    trips = sum(call.replied - call.received for call in done)
    busy = sum(max(call.settles_at - call.replied, 0.0) for call in done[:-1])
    window = (first.received, last.replied)
    return Pace(
        entries=len(done),
        seconds=window[1] - window[0],
        least=trips + (0.0 if relaxed else busy),
        refused=sum(1 for call in writes if call.code),
        reads=sum(1 for c in calls if c.api == READ and c.received >= window[0]),
    )


def idle_times(calls: list[Call]) -> list[float]:
    """Of each accepted create but the first: seconds from when the table was free until it came."""
    done = [call for call in calls if call.api == CREATE and not call.code]
    return [b.received - max(a.settles_at, a.replied) for a, b in pairwise(done)]


def published(calls: list[Call], ready: dict[str, float]) -> list[float]:
    """Seconds from when a row was Available to its address in the status of its PodDNAT, sorted."""
    made = {c.name.partition("_game_")[2]: c for c in calls if c.api == CREATE and not c.code}
    names = ((name.partition("/")[2], at) for name, at in ready.items())
    return sorted(at - made[name].settles_at for name, at in names if name in made)


def of_ten_nine(values: list[float]) -> float:
    """The value that nine of ten do not exceed."""
    return values[int(len(values) * 0.9)]

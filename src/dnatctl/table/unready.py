"""What is refused as busy while the table takes other writes: an external IP, or one row.

That a table is busy says nothing of the write as a rule: it is tried again just then. But one EIP
may be bound to something else, or one row never settle, with the same answer. So refusals are
counted by what they may be about: of a create its external IP, of another write its row. Where they
go on while the table accepts something else, it is not the table. Creates that get no answer on one
external IP, while others are accepted, are counted alike. Pure: times are handed in (monotonic
clock, seconds).
"""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl.backoff import doubled
from dnatctl.table.writes import CreateRow, Write

PATIENCE = 8
"""Refusals in a row, for no fault of its own, after which a write lets others go first."""

IMPATIENT_S = (0.5, 5.0)
"""From then on the first and the longest pause before it is tried again: it may be its row alone
that does not settle, or its external IP that takes none, while the table takes others."""

BELIEVED_S = 60.0
"""A target that is refused for so long, while the table takes other writes, is no busy one."""

IDLE_S = 300.0
"""What was refused longer ago is another story, unless the target was given up by then."""

REMEMBERED_S = 1800.0
"""How long one that was given up is: twice the longest time for which nobody tries it again."""


def target_of(write: Write) -> str:
    """What a refusal of that write may be about: an external IP, or the ID of a row."""
    return write.entry.external_ip if isinstance(write, CreateRow) else write.entry_id


@dataclass(slots=True)
class _Streak:
    """Refusals in a row. `apart`: since when it is known that the table takes other writes."""

    last: float
    count: int = 0
    why: str = ""
    apart: float | None = None
    believed: bool = False

    @property
    def lasted(self) -> float:
        """For how many seconds it was refused while the table took other writes; below 0: not at
        all, as far as is known."""
        return -1.0 if self.apart is None else self.last - self.apart


class Unready:
    """The targets of one table that are refused as busy, and what else it has accepted.

    `patience`: after so many refusals in a row it may be the target.
    """

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._series: dict[str, _Streak] = {}
        """The one that was refused last is the last."""
        self.held: dict[str, float] = {}
        """Until when a target is left alone: who was refused too often lets others go first."""

    def refused(self, target: str, why: str, now: float) -> bool:
        """A write was refused as busy; returns whether the target is left alone for a while."""
        series = self._series.pop(target, None)
        if series is None or (now - series.last > IDLE_S and not series.believed):
            series = _Streak(now)
        self._series[target] = series
        series.count, series.last, series.why = series.count + 1, now, why
        series.believed |= series.lasted >= BELIEVED_S
        self._forget_old(now)
        if (over := series.count - self._patience) < 0:
            return False
        # Whoever is there is to learn soon that it is given up.
        pause = IMPATIENT_S[0] if series.believed else doubled(IMPATIENT_S, over)
        self.held[target] = now + pause
        return True

    def accepted(self, target: str, now: float) -> None:
        """A write was accepted: what was refused too often before is not refused for the table.

        Or was not until now: where the whole table had stood still it is tried anew at once.
        """
        self.forget(target)
        for other, series in self._series.items():
            if series.apart is None and series.count >= self._patience:
                series.apart, series.count = now, self._patience - 1
                self.held.pop(other, None)

    def apart(self, target: str) -> bool:
        """Whether the table takes other writes, so that a refusal there says nothing of it."""
        series = self._series.get(target)
        return series is not None and series.apart is not None

    def given_up(self, target: str) -> bool:
        """Whether that has gone on for so long that busy is the wrong word."""
        series = self._series.get(target)
        return series is not None and series.believed

    def why(self, target: str, lasted: float = 0.0) -> str:
        """What is answered there while the table takes other writes, if for so many seconds."""
        series = self._series.get(target)
        return series.why if series is not None and series.lasted >= lasted else ""

    def forget(self, target: str) -> None:
        """What was asked of it is done: nothing is wrong with it."""
        self._series.pop(target, None)
        self.held.pop(target, None)

    def _forget_old(self, now: float) -> None:
        while self._series[oldest := next(iter(self._series))].last < now - REMEMBERED_S:
            self.forget(oldest)

"""How long the rows of a table take to settle, learned from readings: when to look at one again.

Each look at a row that we wrote is an experiment, as each write is one for the pace of writes
(`dnatctl.table.write_pace`): it was in flux in the last look, and settled in this one. That is not
the same time: a table may take the next write long before the last row is usable.

All times are seconds; an age runs from the answer to a write to the beginning of a reading. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from dnatctl.model import EntryStatus
from dnatctl.table.index import Row
from dnatctl.table.write_pace import Experience

LOOK_PRICE = 0.01
"""What a look that comes too early may cost, as a share of the mean settle time: a third of what a
refused write may, as it holds up nobody, and somebody waits for the row."""

FIRST_LOOK_S = 0.1
LOOK_GROWTH = 1.5
LONGEST_LOOK_S = 3.0

LATE = 0.25
LATE_S = 0.1
"""A look this much later than planned, as a share of the age and in seconds, teaches nothing."""

VAGUE = 0.3
"""A row that was last seen in flux at less than this share of the age at which it had settled says
too little to begin with: writes say more."""

SAME_S = 0.005
"""Ages so near to each other are the same."""

EXPLORE_EVERY = 24
"""One row in so many is looked at early, to notice rows that settle faster."""


class Settling:
    """The settle time of one kind of write to one table."""

    def __init__(self) -> None:
        self._known = Experience(LOOK_PRICE, LOOK_PRICE)
        self._learned = 0

    def plan(self, tries: Sequence[float]) -> Sequence[float]:
        """The ages to look at; `tries`: where nothing is known yet, the gaps after which writes to
        the table are tried, as a row that is in flux is what refuses them."""
        if not self._known.price:
            return tries
        schedule = self._known.schedule
        if self._learned % EXPLORE_EVERY:
            return schedule
        return [schedule[0] / 2, *schedule]

    def settled(self, low: float, high: float, tries: Sequence[float]) -> None:
        """A row was in flux at the age `low` (0: was not looked at), and had settled at `high`."""
        planned = next_look(self.plan(tries), low)
        late = high > planned * (1 + LATE) + LATE_S
        vague = not self._known.price and low < high * VAGUE and high > FIRST_LOOK_S + LATE_S
        if late or vague:
            return
        self._known.learn(low, high)
        self._learned += 1


def next_look(plan: Sequence[float], age: float) -> float:
    """The age at which to look next at a row that was in flux at `age` (0: was not looked at)."""
    for planned in plan:
        if planned > age + SAME_S:
            return planned
    if plan[-1] <= 0:
        step = max(age * (LOOK_GROWTH - 1), FIRST_LOOK_S)
    else:
        step = max(age - plan[-1], plan[-1] * LOOK_PRICE, FIRST_LOOK_S / 2)
    return age + min(step, LONGEST_LOOK_S)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An own row in flux: when it was last `written`, when it is to be looked at next (`due`), and
    by when it has `surely` settled (infinite while nothing is known). Monotonic clock. `namespace`:
    that of its PodDNAT. `going`: it is being deleted."""

    written: float
    due: float
    surely: float
    namespace: str = ""
    going: bool = False


@dataclass(slots=True)
class _InFlux:
    """A row in flux. `ours`: it is known when it was written; else `written` is when it was first
    seen. `low`: its age when it was last seen in flux; 0 if it was not looked at."""

    written: float
    ours: bool
    removing: bool
    namespace: str
    low: float = 0.0


class FluxWatch:
    """The own rows of one table that are in flux: when to look at which, and what that taught."""

    def __init__(self) -> None:
        self._settling = {removing: Settling() for removing in (False, True)}
        self._rows: dict[str, _InFlux] = {}

    def unsettled(
        self,
        flux: Iterable[Row],
        tries: Sequence[float],
        now: float,
        namespace_of: Callable[[Row], str] = lambda _: "",
    ) -> tuple[Unsettled, ...]:
        """The rows in flux, as they were written; `tries`: see `Settling.plan`."""
        self._rows = {row.entry.entry_id: self._watch(row, now, namespace_of(row)) for row in flux}
        rows = sorted(self._rows.values(), key=lambda watch: watch.written)
        return tuple(self._expected(watch, tries) for watch in rows)

    def was_read(
        self, started: float, flux: Iterable[Row], tries: Sequence[float], *, whole: bool = True
    ) -> None:
        """A reading that began at `started` left those rows in flux. `whole`: of the whole table;
        a page says nothing of rows that go."""
        still = {row.entry.entry_id for row in flux}
        for entry_id, watch in self._rows.items():
            age = started - watch.written
            if age <= max(watch.low, 0.0) or (watch.removing and not whole):
                continue  # a page was read since a whole reading began
            if entry_id not in still and watch.ours:
                self._settling[watch.removing].settled(watch.low, age, tries)
            watch.low = age

    def _watch(self, row: Row, now: float, namespace: str) -> _InFlux:
        known = self._rows.get(row.entry.entry_id)
        ours = isfinite(row.written)
        if known is not None and (known.written == row.written or not ours):
            return known
        removing = row.entry.status is EntryStatus.DELETING
        return _InFlux(row.written if ours else now, ours, removing, namespace)

    def _expected(self, watch: _InFlux, tries: Sequence[float]) -> Unsettled:
        plan = self._settling[watch.removing].plan(tries)
        due = watch.written + next_look(plan, watch.low)
        surely = watch.written + (plan[-1] or inf)
        return Unsettled(watch.written, due, surely, watch.namespace, watch.removing)

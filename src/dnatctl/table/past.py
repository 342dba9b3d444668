"""What readings have said of a row before, and how far behind readings of its table have been.

Nobody promises that one reading of a table is newer than the one before it: several backends may
answer in turn, one of them behind. A reading that shows a row as it used to be (or, of a row that
was there, nothing) may be old or may be right: it is believed when the next one agrees, and where
readings have contradicted each other before, only when none of them can be so old. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dnatctl.model import ForwardEntry

READ_LAG_S = 20.0
"""How long listings may lag behind an answered write, in seconds, as far as is known beforehand: a
row that was made may be missing, one that was changed or deleted may be shown as it was."""

MARGIN = 2.0
"""What was seen once may be worse the next time."""

LONGEST_S = 300.0
"""Longest lag that is believed: what seems older is no lag, but a mistake."""

FORGOTTEN_S = 3600.0
"""How long a lag is remembered that does not show again."""

AGREE = 2
"""Readings in a row that say the same of a row."""

MOST = 0.5
"""A reading that lacks a larger share of the rows than this is doubted for READ_LAG_S at least:
somebody may have deleted them, and likelier it is of a backend that has lost its list."""

VERSIONS = 3
"""Earlier versions of a row that are recognised."""

NEVER = float("-inf")


@dataclass(slots=True)
class Lag:
    """How far behind readings of one table have been. Times in seconds.

    `late`: after their creation was answered, new rows were still missing. `behind`: a reading was
    older than one before it, so that what it shows may be as old.
    """

    late: float = 0.0
    behind: float = 0.0
    seen: float = NEVER

    def was_late(self, seconds: float, now: float) -> None:
        """A row was listed at last that was missing so long after it was made."""
        self._renew(now)
        self.late = max(self.late, min(seconds, LONGEST_S))

    def was_behind(self, seconds: float, now: float) -> None:
        """A reading showed what was over for so long already."""
        self._renew(now)
        self.behind = max(self.behind, min(seconds, LONGEST_S), 0.001)

    def _renew(self, now: float) -> None:
        if now - self.seen > FORGOTTEN_S:
            self.late, self.behind = 0.0, 0.0
        self.seen = now

    def unlisted_s(self) -> float:
        """How long a row may be missing that was made for sure."""
        return max(READ_LAG_S, MARGIN * max(self.late, self.behind))

    def behind_s(self) -> float:
        """How old what a reading shows may be; 0 while no reading was ever found to be old."""
        return max(READ_LAG_S, MARGIN * self.behind) if self.behind else 0.0


@dataclass(frozen=True, slots=True)
class Doubt:
    """What readings say of a row that may be over: `version` None where they lack it.

    `last`: when the last of the `count` readings in a row that say so began. `until`: when one has
    to begin at the earliest that may settle it.
    """

    version: ForwardEntry | None
    last: float
    count: int = 1
    until: float = NEVER

    def again(self, started: float) -> Doubt:
        """Another reading says the same."""
        if started <= self.last:
            return self
        return Doubt(self.version, started, self.count + 1, self.until)


@dataclass(frozen=True, slots=True)
class Past:
    """The past of one row.

    `since`: when it was first known to exist; `changed`: when it was first known as it is now.
    `former`: how it was before, the latest first. `missed`: when the last reading began that lacked
    it before any had listed it. `asked`: when it was last asked for by its ID.
    """

    since: float
    changed: float
    former: tuple[ForwardEntry, ...] = ()
    missed: float = NEVER
    asked: float = NEVER

    def superseded(self, old: ForwardEntry, at: float) -> Past:
        """The row is another one now than `old`."""
        former = (old, *(entry for entry in self.former if entry != old))[:VERSIONS]
        return replace(self, changed=at, former=former)

    def knows(self, version: ForwardEntry | None) -> bool:
        """Whether the row was so once: a reading that says so may be of then."""
        return version is None or version in self.former

    def over_since(self, doubt: Doubt) -> float:
        """Since when it was known that what is doubted is over."""
        return self.since if doubt.version is None else self.changed

    def settles_at(self, doubt: Doubt, lag: Lag) -> float:
        """When a reading has to begin to show how it is, whichever backend answers it."""
        behind_s = lag.behind_s()
        return max(doubt.until, self.over_since(doubt) + behind_s if behind_s else NEVER)

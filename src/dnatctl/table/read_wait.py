"""How the cloud answers who reads one forward table: when it last did, and what it says meanwhile.

Where calls are held back, by the cloud or for its limit of calls, a reading may wait for a minute
before it fails, and what is known of the table is as old. Pure: times are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNREAD_S = 5.0
"""A page takes well under a second: who has waited for so long is held back."""


@dataclass(slots=True)
class ReadWait:
    """`since`: since when (monotonic) what is asked for has not been answered; None while nothing
    is. `answered`: when anything last was; `at` is the same on the wall clock."""

    since: float | None = None
    answered: float = float("-inf")
    at: datetime | None = None
    _refusal: str = ""

    def begins(self, now: float) -> None:
        """A page or a row is asked for."""
        self.since, self._refusal = now, ""

    def refused(self, code: str) -> None:
        """The cloud wants it asked for later; it is."""
        self._refusal = code

    def was_answered(self, now: float, wall: datetime) -> None:
        """It was answered."""
        self.since, self.answered, self.at = None, now, wall

    def failed(self) -> None:
        """It is not asked for any more."""
        self.since = None

    def waits_s(self, now: float) -> float:
        """For how many seconds what is asked for has not been answered; 0 if nothing is."""
        return now - self.since if self.since is not None else 0.0

    def held_back(self, now: float) -> str:
        """When the table was last read and why it is not read now, if that is known no better: for
        people, the same as long as it lasts. Empty where it has been read lately."""
        waits = bool(self._refusal) or self.waits_s(now) >= UNREAD_S
        if self.since is None or not waits or now - self.answered < UNREAD_S:
            return ""
        last = f"was last read at {self.at:%H:%M:%S} UTC" if self.at else "was not read so far"
        refusal = f"the cloud refuses to list it for now: {self._refusal}"
        return f"{last}; {refusal if self._refusal else 'a reading gets no answer'}"

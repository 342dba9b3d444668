"""What `dnatctl check` has found: a line each, with what to do where something is not right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from dnatctl.status.table import printable


class Grade(StrEnum):
    """How a thing stands that was looked at."""

    OK = "ok"
    FAIL = "fail"
    NOTE = "note"
    """Nothing is wrong as far as is known: it was not looked at, or is good to know."""


SIGNS = {Grade.OK: "✓", Grade.FAIL: "✗", Grade.NOTE: "-"}


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at. `about`: `cloud`, `cluster` or a gateway's ID; `text`: how it
    stands, and why; `mend`: what to do, empty where nothing is to be done.
    """

    grade: Grade
    about: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        return printable(f"{self.about}: {': '.join(filter(None, (self.text, self.mend)))}")


def ok(about: str, text: str) -> Finding:
    """As it ought to be."""
    return Finding(Grade.OK, about, text)


def fail(about: str, text: str, mend: str) -> Finding:
    """Not right."""
    return Finding(Grade.FAIL, about, text, mend)


def note(about: str, text: str, mend: str = "") -> Finding:
    """Not known, or good to know."""
    return Finding(Grade.NOTE, about, text, mend)


def line(found: Finding, paint: Callable[[str, Grade], str]) -> str:
    """For a terminal; `paint` colours the sign."""
    return f"{paint(SIGNS[found.grade], found.grade)} {found}"


def summary(found: Sequence[Finding]) -> str:
    """The last line: how many there are of each."""
    notes = _count(found, Grade.NOTE)
    more = f"; {notes} to know" if notes else ""
    if wrong := _count(found, Grade.FAIL):
        return f"{wrong} of {len(found)} not right{more}"
    return f"nothing wrong: {_count(found, Grade.OK)} of {len(found)} as they ought to be{more}"


def good(found: Iterable[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(each.grade is not Grade.FAIL for each in found)


def _count(found: Iterable[Finding], grade: Grade) -> int:
    return sum(each.grade is grade for each in found)

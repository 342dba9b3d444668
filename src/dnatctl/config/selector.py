"""Label selectors, as kubectl has them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}"
_VALUE = re.compile(rf"(?:{_NAME})?")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_EQUALS = re.compile(rf"({_KEY})\s*(==?|!=)\s*(\S*)")
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_COMMA = re.compile(r",(?![^(]*\))")
"""Between two requirements, and not between the values of one."""


class _Must(StrEnum):
    BE = "in"
    NOT_BE = "notin"
    EXIST = "exists"
    NOT_EXIST = "!"


@dataclass(frozen=True, slots=True)
class _Requirement:
    """Of one label. `values`: those that it must be one of, or none of."""

    key: str
    must: _Must
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it. One that is absent is none of any values."""
        match self.must:
            case _Must.EXIST:
                return self.key in labels
            case _Must.NOT_EXIST:
                return self.key not in labels
            case _Must.BE:
                return self.key in labels and labels[self.key] in self.values
            case _Must.NOT_BE:
                return self.key not in labels or labels[self.key] not in self.values


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all be met. `text`: as it was written."""

    text: str
    requirements: tuple[_Requirement, ...]

    @classmethod
    def parse(cls, text: object) -> LabelSelector:
        """Read `team=games`, `team in (games, ads)`, `!internal`, with commas between. Raises
        ValueError for anything else, and for nothing: that would select everything.
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError("a selector is text")  # noqa: TRY004 - what pydantic takes for no
        return cls(text.strip(), tuple(map(_requirement, _COMMA.split(text))))

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels is meant."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return self.text


def _requirement(text: str) -> _Requirement:
    text = text.strip()
    if found := _EXISTS.fullmatch(text):
        return _Requirement(found[2], _Must.NOT_EXIST if found[1] else _Must.EXIST)
    if found := _EQUALS.fullmatch(text):
        must = _Must.NOT_BE if found[2] == "!=" else _Must.BE
        return _Requirement(found[1], must, _values(found[3]))
    if found := _IN.fullmatch(text):
        return _Requirement(found[1], _Must(found[2]), _values(*found[3].split(",")))
    raise ValueError(f"{text!r} is no requirement")


def _values(*texts: str) -> frozenset[str]:
    values = frozenset(text.strip() for text in texts)
    if not all(_VALUE.fullmatch(value) for value in values):
        raise ValueError("not a label's value")
    return values

"""What a benchmark finds: measured values beside their bounds and goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Goal(StrEnum):
    """Which side of the limit is good."""

    AT_LEAST = ">="
    AT_MOST = "<="
    NONE = ""


@dataclass
class Figure:
    """One figure. `ratio`: measured by bound, where there is a bound to compare with."""

    what: str
    measured: float
    unit: str = ""
    bound: float | None = None
    bound_is: str = ""
    goal: Goal = Goal.NONE
    limit: float | None = None
    of_ratio: bool = False

    @property
    def ratio(self) -> float | None:
        return self.measured / self.bound if self.bound else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        value = self.ratio if self.of_ratio else self.measured
        if self.limit is None or value is None:
            return None
        return value >= self.limit if self.goal is Goal.AT_LEAST else value <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what, "measured": self.measured, "unit": self.unit,
            "bound": self.bound, "bound_is": self.bound_is, "ratio": self.ratio,
            "goal": f"{'ratio ' if self.of_ratio else ''}{self.goal} {self.limit}"
            if self.limit is not None else "", "met": self.met,
        }  # fmt: skip

    def line(self) -> str:
        """For the terminal."""
        mark = {None: "  ", True: "ok", False: "NO"}[self.met]
        text = f"{mark} {self.what:<62} {self.measured:>10.4g} {self.unit:<9}"
        if self.bound is not None and self.ratio is not None:
            text += f" {self.bound:>10.4g} {self.ratio:>7.3f}"
        else:
            text += " " * 19
        if self.limit is not None:
            text += f"  {'ratio ' if self.of_ratio else ''}{self.goal} {self.limit:g}"
        return text


@dataclass
class Result:
    """The figures of one benchmark; `series` holds what plots are made of."""

    name: str
    setting: str
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, what: str, measured: float, unit: str = "", **rest: Any) -> None:
        """Add a figure without a goal."""
        self.figures.append(Figure(what, measured, unit, **rest))

    def at_least(
        self, what: str, measured: float, limit: float, unit: str = "", **rest: Any
    ) -> None:
        """Add a figure that should be no smaller (with a bound: its ratio to that)."""
        ratio = rest.get("bound") is not None
        self.figures.append(
            Figure(what, measured, unit, goal=Goal.AT_LEAST, limit=limit, of_ratio=ratio, **rest)
        )

    def at_most(
        self, what: str, measured: float, limit: float, unit: str = "", **rest: Any
    ) -> None:
        """Add a figure that should be no larger (with a bound: its ratio to that)."""
        ratio = rest.get("bound") is not None
        self.figures.append(
            Figure(what, measured, unit, goal=Goal.AT_MOST, limit=limit, of_ratio=ratio, **rest)
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "setting": self.setting, "seconds": round(self.seconds, 1),
            "figures": [figure.as_json() for figure in self.figures], "series": self.series,
        }  # fmt: skip

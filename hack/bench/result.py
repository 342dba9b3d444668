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
    slowed: bool = False
    """Whether a slower machine makes it worse, in proportion: time on top of the cloud's own."""
    slowness: float = 1.0
    """How many times slower than usual the machine was."""

    @property
    def allowed(self) -> float | None:
        """The limit on this machine. Of a bound, what may come on top of it takes longer."""
        if self.limit is None or not self.slowed:
            return self.limit
        if not self.of_ratio:
            return self.limit * self.slowness
        if self.goal is Goal.AT_MOST:
            return 1 + self.slowness * (self.limit - 1)
        return 1 / (1 + self.slowness * (1 / self.limit - 1))

    @property
    def ratio(self) -> float | None:
        return self.measured / self.bound if self.bound else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        value, allowed = self.ratio if self.of_ratio else self.measured, self.allowed
        if allowed is None or value is None:
            return None
        return value >= allowed if self.goal is Goal.AT_LEAST else value <= allowed

    @property
    def wanted(self) -> str:
        """The goal in words; empty without one."""
        if self.limit is None or self.allowed is None:
            return ""
        usual = "" if self.allowed == self.limit else f" ({self.limit:g} at the usual speed)"
        return f"{'ratio ' if self.of_ratio else ''}{self.goal} {self.allowed:.3g}{usual}"

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what, "measured": self.measured, "unit": self.unit,
            "bound": self.bound, "bound_is": self.bound_is, "ratio": self.ratio,
            "goal": self.wanted, "allowed": self.allowed, "met": self.met,
        }  # fmt: skip

    def line(self) -> str:
        """For the terminal."""
        mark = {None: "  ", True: "ok", False: "NO"}[self.met]
        text = f"{mark} {self.what:<62} {self.measured:>10.4g} {self.unit:<9}"
        if self.bound is not None and self.ratio is not None:
            text += f" {self.bound:>10.4g} {self.ratio:>7.3f}"
        else:
            text += " " * 19
        return f"{text}  {self.wanted}" if self.wanted else text


@dataclass
class Result:
    """The figures of one benchmark; `series` holds what plots are made of."""

    name: str
    setting: str
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    slowness: float = 1.0

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

    def ran_on(self, slowness: float) -> None:
        """The machine was so many times slower than usual."""
        self.slowness = slowness
        for figure in self.figures:
            figure.slowness = slowness

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "setting": self.setting, "seconds": round(self.seconds, 1),
            "slowness": round(self.slowness, 2),
            "figures": [figure.as_json() for figure in self.figures], "series": self.series,
        }  # fmt: skip

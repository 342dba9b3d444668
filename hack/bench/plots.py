"""The plots of docs/performance.md, drawn from the JSON of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "dnatctl",  # the same figures give the same file
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.figsize": (7, 3.2),
        "figure.autolayout": True,
    }
)

from matplotlib import pyplot as plt  # noqa: E402

OURS, THEIRS, MUTED = "#1f6feb", "#d97706", "#8b949e"
Results = dict[str, dict[str, Any]]


def draw_all(found: Results, folder: Path) -> None:
    """Write all plots for which there are results to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    draws: dict[str, Callable[[Any, Results], None]] = {
        "bounds": _bounds, "idle": _idle, "growth": _growth, "events": _events, "naive": _naive,
        "latency": _latency, "comparison": _comparison,
    }  # fmt: skip
    for name, draw in draws.items():
        figure, axes = plt.subplots()
        try:
            draw(axes, found)
        except KeyError as error:
            print(f"{name}: no result of {error}")
            continue
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


def _figure(result: dict[str, Any], what: str) -> dict[str, Any]:
    return next(figure for figure in result["figures"] if figure["what"].startswith(what))


def _bounds(axes: Any, found: Results) -> None:
    """Share of the bound reached, by kind of table."""
    names = {"steady-0.2s": "busy 0.2 s", "steady-1s": "busy 1 s", "random": "busy 0.5-3 s, random",
             "relaxed": "never busy"}  # fmt: skip
    figures = [_figure(found[name], "entries a second") for name in names]
    bars = axes.barh(list(names.values()), [f["ratio"] for f in figures], color=OURS)
    axes.bar_label(bars, [f"{f['ratio']:.2f}" for f in figures], padding=4)
    for place, figure in enumerate(figures):
        goal = figure["allowed"]
        axes.plot([goal, goal], [place - 0.4, place + 0.4], color=THEIRS)
    axes.set(xlim=(0, 1.1), xlabel="entries a second, of what the table allows (line: goal)")
    axes.invert_yaxis()


def _idle(axes: Any, found: Results) -> None:
    """How the wait after the table is free shrinks as the busy time is learned."""
    for name, color in (("steady-1s", OURS), ("random", THEIRS)):
        idle = found[name]["series"]["idle"][:80]
        axes.plot(range(2, len(idle) + 2), idle, color=color, label=name, lw=1, marker=".", ms=3)
    axes.set(xlabel="entry", ylabel="table free and unused, s")
    axes.legend(frameon=False)


def _growth(axes: Any, found: Results) -> None:
    series = found["growth"]["series"]
    axes.plot(series["pods"], series["cpu"], color=OURS, marker="o")
    axes.set(xlabel="pods exposed", ylabel="CPU for one more, ms", ylim=(0, None))


def _events(axes: Any, found: Results) -> None:
    cost = found["events"]["series"]["cost"]
    bars = axes.barh(list(cost), list(cost.values()), color=[OURS, MUTED, THEIRS, MUTED])
    axes.bar_label(bars, [f"{value:.0f}" for value in cost.values()], padding=4)
    axes.set(xlabel="CPU for an event of a pod that is not ours, us")
    axes.margins(x=0.12)
    axes.invert_yaxis()


def _naive(axes: Any, found: Results) -> None:
    figures = [f for f in found["naive"]["figures"] if f["bound"]]
    labels = [f["what"].removeprefix("dnatctl: ") for f in figures]
    bars = axes.barh(labels, [f["ratio"] for f in figures], color=OURS)
    axes.bar_label(
        bars, [f"{f['measured']:.3g} of {f['bound']:.3g} {f['unit']}" for f in figures], padding=4
    )
    axes.axvline(1, color=THEIRS)
    axes.set(xlim=(0, 1.05), xlabel="dnatctl, of what a naive operator takes (line)")
    axes.invert_yaxis()


def _comparison(axes: Any, found: Results) -> None:
    """Entries made over time; flat where the process was killed."""
    made = found["comparison"]["series"]["made"]
    for (name, times), color in zip(made.items(), (THEIRS, MUTED, OURS), strict=True):
        axes.step(times, range(1, len(times) + 1), where="post", label=name, color=color)
    axes.set(xlabel="s", ylabel="entries made", ylim=(0, None))
    axes.legend(frameon=False)


def _latency(axes: Any, found: Results) -> None:
    delays = found["latency"]["series"]["delays"]
    shares = [(n + 1) / len(delays) for n in range(len(delays))]
    axes.plot(delays, shares, color=OURS)
    for limit in (10, 50):
        axes.axvline(limit, color=THEIRS, lw=0.8)
    axes.set(xscale="log", xlabel="pod IP known to create sent, ms (lines: goals)",
             ylabel="share of many pods a second")  # fmt: skip

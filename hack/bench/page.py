"""`make bench-docs`: puts the figures of the last run into the pages of docs, and the plots.

The table of a benchmark stands between two comments that name it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from hack.bench.__main__ import OUT
from hack.bench.plots import draw_all
from hack.bench.processes import ROOT

DOCS = ROOT / "docs"
PAGES = (DOCS / "performance.md", DOCS / "comparison.md")
PLACE = re.compile(r"(<!-- figures: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| measured | | bound | ratio | goal |\n|---|---:|---:|---:|---|\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=OUT, help="folder that the run wrote")
    options = parser.parse_args()
    found = {file.stem: orjson.loads(file.read_bytes()) for file in options.json.glob("*.json")}

    def fill(place: re.Match[str]) -> str:
        if place[2] == "machine":
            return place[1] + _machine(found.values()) + place[3]
        result = found.get(place[2])
        if result is None:
            print(f"{place[2]}: not run; what the page says stays")
            return place[0]
        return place[1] + _table(result) + place[3]

    for page in PAGES:
        page.write_text(PLACE.sub(fill, page.read_text("utf-8")), "utf-8")
    draw_all(found, DOCS / "performance")


def _table(result: dict[str, Any]) -> str:
    rows = "".join(map(_row, result["figures"]))
    return f"{result['setting']}:\n\n{HEAD}{rows}\n"


def _machine(results: Iterable[dict[str, Any]]) -> str:
    """How slow it was, for the reader of all tables."""
    found = sorted({result["slowness"] for result in results})
    slowest = " to ".join(f"{slower:.1f}" for slower in dict.fromkeys((found[0], found[-1])))
    return f"The machine of the last run was {slowest} times slower than that one.\n"


def _row(figure: dict[str, Any]) -> str:
    bound = f"{figure['bound']:.3g}" if figure["bound"] is not None else ""
    ratio = f"{figure['ratio']:.2f}" if figure["ratio"] is not None else ""
    what = f"{figure['what']} (bound: {figure['bound_is']})" if bound else figure["what"]
    goal = figure["goal"] + {True: " ✓", False: " **missed**", None: ""}[figure["met"]]
    return f"| {what} | {figure['measured']:.3g} {figure['unit']} | {bound} | {ratio} | {goal} |\n"


if __name__ == "__main__":
    main()

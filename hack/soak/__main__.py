"""`make soak DURATION=10m`: everything at once, for long, and then the question if all is true.

A real control plane, an emulated cloud, two replicas of dnatctl as processes. What happens is drawn
from a seed, though not when: a run with the same seed is alike, not the same.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from hack.controlplane.cli import ensure_built
from hack.soak.report import Report, keep, show
from hack.soak.run import Plan, soak

ROOT = Path(__file__).parents[2]
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main() -> int:
    """Run; 0 if everything was true at the end, 1 if not."""
    options = _options()
    ensure_built()
    plan = Plan(seconds=options.duration, pods=options.pods, seed=options.seed)
    print(
        f"soak: {options.pods} pods for {options.duration:.0f} s, seed {options.seed}", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="dnatctl-soak-") as folder:
        report = soak(plan, Path(folder))
        if not report.passed:
            _keep_logs(report, Path(folder), options.out)
    show(report)
    print(f"kept as {keep(report, options.out)}")
    return 0 if report.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--duration", type=_seconds, default=600.0, help="10m, 90s, 2h")
    parser.add_argument("--pods", type=int, default=500, help="about so many at any time")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is drawn")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="folder for the report")
    return parser.parse_args()


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s, 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _keep_logs(report: Report, folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("replica-*/dnatctl.log"):
        (out / f"soak-{report.seed}-{log.parent.name}.log").write_bytes(log.read_bytes())


sys.exit(main())

"""How long a person waits for a command that asks nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from dnatctl_sim.configuration import configuration
from hack.bench.lab import scenario
from hack.bench.processes import ENVIRONMENT, ROOT
from hack.bench.result import Result


def commands(folder: Path, *, quick: bool) -> Result:
    """The help, and a look at a configuration file, beside an interpreter that does nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(configuration(scenario(), "http://127.0.0.1:9", resync="5m"))
    config.chmod(0o600)
    count = 3 if quick else 15
    result = Result("commands", f"{count} times each, by turns; the median")
    asked = {
        "python -c pass": ["-c", "pass"],
        "dnatctl --help": ["-m", "dnatctl", "--help"],
        "dnatctl check --config FILE": ["-m", "dnatctl", "check", "--config", str(config)],
    }
    took: dict[str, list[float]] = {what: [] for what in asked}
    for _ in range(count + 1):
        for what, argv in asked.items():
            took[what].append(_seconds(argv))
    # The first of each compiles what was never loaded.
    bare, helps, checks = (median(each[1:]) for each in took.values())
    result.at_most("dnatctl --help", helps, 0.3, "s", slowed=True)
    result.at_most("dnatctl check --config FILE", checks, 0.5, "s", slowed=True)
    result.add("python -c pass", bare, "s")
    return result


def _seconds(argv: Sequence[str]) -> float:
    began, env = time.monotonic(), {**os.environ, **ENVIRONMENT}
    subprocess.run([sys.executable, *argv], cwd=ROOT, env=env, check=True, capture_output=True)
    return time.monotonic() - began

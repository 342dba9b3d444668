"""`make fuzz`: inputs that others make, in their millions; see tests/fuzz.

One input in five is steered by Atheris, where it is installed (requirements/fuzz.txt), the others
begin with what that found, and are tried ten times as fast. Exits with 1 where one finds a fault,
which is left in build/fuzz.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import randrange
from typing import Any

from tests.fuzz import HARNESSES
from tests.fuzz.harness import Harness

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "fuzz"
GUIDED, RANDOM = "guided", "random"
PARTS = {(GUIDED, RANDOM): (0.2, 0.8), (RANDOM,): (1.0,)}
"""Which engine has which part of the inputs."""
ALL_SHARES = sum(harness.share for harness in HARNESSES)


def main() -> int:
    options = _options()
    wanted = [each for each in HARNESSES if not options.only or each.name in options.only]
    engines = (GUIDED, RANDOM) if importlib.util.find_spec("atheris") else (RANDOM,)
    print(f"seed {options.seed}; engines: {', '.join(engines)}", flush=True)
    begun = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 1) as together:
        # The slowest first: they should not end alone.
        order = sorted(wanted, key=lambda each: each.share)
        found = list(together.map(lambda each: _try(each, engines, options), order))
    told = [result for results in found for result in results]
    whole = sum(result["inputs"] for result in told)
    OUT.joinpath("figures.json").write_text(json.dumps(told, indent=2))
    print(f"{whole:,} inputs in {time.monotonic() - begun:.0f} s")
    return 0 if all(len(results) == len(engines) for results in found) else 1


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000, help="inputs over all harnesses")
    parser.add_argument("--only", action="append", default=[], help="this one; may be repeated")
    parser.add_argument("--seed", type=int, default=randrange(2**31))
    return parser.parse_args()


def _try(harness: Harness, engines: tuple[str, ...], options: Any) -> list[dict[str, Any]]:
    """What each engine found out; nothing of one that found a fault, nor of those after it."""
    folder = OUT / harness.name
    folder.mkdir(parents=True, exist_ok=True)
    told: list[dict[str, Any]] = []
    for engine, part in zip(engines, PARTS[engines], strict=True):
        runs = max(int(options.runs * harness.share / ALL_SHARES * part), 1)
        arguments = (engine, harness.name, str(runs), str(options.seed), str(folder))
        done = subprocess.run(
            (sys.executable, "-m", "hack.fuzz.one", *arguments),
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = (done.stdout + done.stderr).splitlines()
            said = [line for line in said if not line.startswith("INFO")][-40:]
            print(f"{harness.name} ({engine}) failed; see {folder}", *said, sep="\n", flush=True)
            break
        result = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{harness.name:<14} {engine:<7} {result['inputs']:>9,} in {result['seconds']:>5.0f} s;"
            f" at most {result['ms_kb']:.2f} ms a KB and {result['bytes_byte']:.0f} B a byte,"
            f" {result['rss_mb']:.0f} MB", flush=True,
        )  # fmt: skip
        told.append({"name": harness.name, "engine": engine, **result})
    return told


if __name__ == "__main__":
    sys.exit(main())

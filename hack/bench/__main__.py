"""`make bench`: measure dnatctl against its budgets; see docs/performance.md.

Every benchmark runs the controller, the emulated cloud and the emulated API server as processes of
their own. Those that measure the machine run one at a time; those that wait for the cloud nearly
all the time (a second of CPU in a minute) run beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from hack.bench.benches import BUSY, PATIENT, Bench
from hack.bench.processes import ROOT
from hack.bench.result import Result
from hack.bench.yardsticks.machine import slowness

OUT = ROOT / "build" / "bench"


def main() -> int:
    options = _options()
    chosen = {**PATIENT, **BUSY}
    if unknown := set(options.only) - chosen.keys():
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(chosen)}")
    wanted = options.only or list(chosen)
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dnatctl-bench-") as folder:
        work = options.keep or Path(folder)
        slower = slowness(work / "machine")
        print(f"this machine is {slower:.2g} times slower than the one of the goals", flush=True)
        run = _runner(work, options, slower)
        patient = [name for name in PATIENT if name in wanted]
        with ThreadPoolExecutor(max(len(patient), 1)) as together:
            waiting = [together.submit(run, name) for name in patient]
            results = [run(name) for name in BUSY if name in wanted]
            results += [one.result() for one in waiting]
    found = [result for result in results if result is not None]
    missed = [f"{r.name}: {f.what}" for r in found for f in r.figures if f.met is False]
    print(f"\n{len(found)} benchmarks in {time.monotonic() - begun:.0f} s; JSON in {options.out}")
    failed = len(results) - len(found)
    print("\n".join([f"{failed} failed, {len(missed)} budgets missed", *missed]))
    return 1 if missed or failed else 0


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at a reduced size: rough figures")
    parser.add_argument("--only", action="append", default=[], help="this one; may be repeated")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the JSON")
    parser.add_argument("--keep", type=Path, help="folder for logs, kept")
    return parser.parse_args()


def _runner(folder: Path, options: Any, slower: float) -> Callable[[str], Result | None]:
    def run(name: str) -> Result | None:
        bench: Bench = {**PATIENT, **BUSY}[name]
        begun = time.monotonic()
        try:
            result = bench(folder / name, quick=options.quick)
        except Exception:  # noqa: BLE001 - the others are to run all the same
            print(f"\n{name} failed\n{traceback.format_exc()}", flush=True)
            return None
        result.seconds = time.monotonic() - begun
        result.ran_on(slower)
        (options.out / f"{name}.json").write_bytes(
            orjson.dumps(
                {**result.as_json(), "quick": options.quick, "cores": os.cpu_count()},
                option=orjson.OPT_INDENT_2,
            )
        )
        lines = [figure.line() for figure in result.figures]
        header = f"{'':<65} {'measured':>10} {'':<9} {'bound':>10} {'ratio':>7}  goal"
        title = f"{name}: {result.setting} ({result.seconds:.0f} s)"
        print("\n".join(["", title, header, *lines]), flush=True)
        return result

    return run


if __name__ == "__main__":
    sys.exit(main())

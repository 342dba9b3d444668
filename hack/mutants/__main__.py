"""`make mutants`: the code that decides, made wrong in every way there is; see docs/mutants.md.

Each mutant is a copy of plan or pool with one thing changed. The unit tests have to fail for it;
if they do not, a test is missing, or docs/mutants.md says why none can be written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from mutmut.__main__ import cli

from hack.mutants.operators import install
from hack.mutants.verdicts import (
    KILLED,
    NOTICED,
    Mutant,
    Verdict,
    explained,
    forget,
    verdicts,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mutants.md"


def main() -> int:
    options = _options()
    os.chdir(ROOT)
    begun = time.monotonic()
    if options.again:
        forget(lambda status: status != KILLED)
        # Which tests reach a function that is new, or has another name, only a new count tells.
        Path("mutants/mutmut-stats.json").unlink(missing_ok=True)
    elif not options.report:
        shutil.rmtree("mutants", ignore_errors=True)
    if not options.report:
        install()
        _be_quick()
        cli(["run", "--max-children", str(options.jobs)], standalone_mode=False)
        print(f"{time.monotonic() - begun:.0f} s")
    return report(list(verdicts()), explained(PAGE))


def report(found: list[Verdict], known: set[Mutant]) -> int:
    """Say what came of it; 1 if a mutant lives that the page does not explain, or does not live."""
    living = {verdict.mutant: verdict.status for verdict in found if verdict.status not in NOTICED}
    for mutant in sorted(living.keys() - known):
        print(f"\n{living[mutant]}, and {PAGE.relative_to(ROOT)} does not say why:\n{mutant}")
    stale = known - living.keys() - _perhaps_living(found, known)
    for mutant in sorted(stale):
        print(f"\nin {PAGE.relative_to(ROOT)}, and not among those that survive:\n{mutant}")
    counts = Counter(verdict.status for verdict in found)
    figures = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    print(f"\n{len(found)} mutants: {figures}; {len(living.keys() & known)} kinds explained")
    return 1 if stale or living.keys() - known else 0


def _perhaps_living(found: Iterable[Verdict], known: set[Mutant]) -> set[Mutant]:
    """Explained mutants that ran out of time: that may be the machine's doing."""
    functions = {mutant.function for mutant in known}
    return {
        verdict.mutant
        for verdict in found
        if verdict.function in functions and verdict.status in NOTICED and verdict.status != KILLED
    }


def _be_quick() -> None:
    """One failure is enough: quick tests first, and no search for a smaller example."""
    settings.register_profile(
        "mutants",
        max_examples=50,
        derandomize=True,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    os.environ["PYTEST_PLUGINS"] = "hack.mutants.order"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="tested at a time")
    parser.add_argument(
        "--again",
        action="store_true",
        help="only what was changed since the last run, or survived it",
    )
    parser.add_argument("--report", action="store_true", help="only the report of the last run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

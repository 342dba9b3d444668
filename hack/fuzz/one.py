"""`python -m hack.fuzz.one guided|random NAME RUNS SEED FOLDER`: one harness, in its own process.

guided: Atheris (libFuzzer) steers by which lines of dnatctl an input reaches, and keeps in the
folder those that reached something new. Half of its inputs are spoilt by its own means, half by
ours, which keep JSON JSON. random: what is in the folder is spoilt at random, and read at full
speed, so that what it costs is what it costs.

An input that finds a fault is left in the folder. Prints a line of JSON at the end.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

import structlog

GUIDED = sys.argv[1] == "guided"
if GUIDED:
    import atheris
with atheris.instrument_imports(include=["dnatctl"]) if GUIDED else nullcontext():
    from tests.fuzz import HARNESSES
    from tests.fuzz.harness import Bounded, Harness
    from tests.fuzz.mutations import mutate

WEIGHED = 200
"""Of so many inputs one is weighed: that takes ten times as long."""
MOST_MB = 1024
"""Of the process, which keeps all inputs that reached something new."""
SLACK = 5.0 if GUIDED else 1.0
"""Code that counts its lines is slower."""
USUAL = 2048
"""Bytes of an input at most, while the lines are counted."""


class Trial:
    """Counts what is tried, and ends the process when it is enough."""

    def __init__(self, harness: Harness, runs: int) -> None:
        self._bounded = Bounded(harness, slack=SLACK)
        self._runs, self._done = runs, 0
        self._begun = time.monotonic()

    def __call__(self, data: bytes) -> None:
        if self._done % WEIGHED:
            self._bounded.read(data)
        else:
            self._bounded.weigh(data)
        self._done += 1
        if self._done == self._runs:
            self._end()

    def _end(self) -> None:
        told = {
            "inputs": self._done,
            "seconds": time.monotonic() - self._begun,
            "ms_kb": 1000 * self._bounded.slowest_s_kb,
            "bytes_byte": self._bounded.most_memory,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(told), flush=True)
        os._exit(0)  # libFuzzer would have its own end


def main() -> None:
    _, _, name, runs, seed, folder = sys.argv
    # What is logged of each input is no part of this.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    harness = next(each for each in HARNESSES if each.name == name)
    for n, data in enumerate(harness.seeds):
        (Path(folder) / f"seed-{n}").write_bytes(data)
    (_guided if GUIDED else _at_random)(harness, Trial(harness, int(runs)), int(seed), Path(folder))


def _guided(harness: Harness, trial: Trial, seed: int, folder: Path) -> None:
    def spoil(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        if random.random() < 0.1:
            data = random.choice(harness.seeds)
        return mutate(data, random, harness.words)[:most]

    options = [f"-seed={seed}", f"-max_len={USUAL}", "-len_control=100", "-timeout=1200"]
    options += [f"-rss_limit_mb={MOST_MB}", f"-artifact_prefix={folder}/fault-", "-verbosity=0"]
    atheris.Setup([harness.name, *options, str(folder)], trial, custom_mutator=spoil)
    atheris.Fuzz()


def _at_random(harness: Harness, trial: Trial, seed: int, folder: Path) -> Any:
    resource.setrlimit(resource.RLIMIT_AS, (4 * MOST_MB << 20,) * 2)
    random = Random(seed)
    found = [path.read_bytes() for path in sorted(folder.iterdir())]
    while True:
        data = mutate(random.choice(found), random, harness.words)
        try:
            trial(data)
        except BaseException:
            (folder / "fault").write_bytes(data)
            raise


if __name__ == "__main__":
    main()

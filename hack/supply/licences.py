"""`make licences`: under what terms is what we deliver; exits with 1 where one is not allowed.

What a package says of itself counts: SPDX where it has it, else the words of older metadata.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DELIVERED = ROOT / "requirements" / "run.txt"

ALLOWED = frozenset(
    {
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0",
        # Of single files, which are passed on as they are: certifi's list, orjson's source.
        "MPL-2.0",
    }
)  # fmt: skip
"""SPDX identifiers of terms under which an Apache-2.0 program may be delivered with a package."""

_OLDER = {"Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0"}
_LOCKED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


class Package(NamedTuple):
    """A locked package; `licence` is an SPDX expression as far as it can be told."""

    name: str
    version: str
    licence: str

    @property
    def refused(self) -> list[str]:
        """Which of its terms are not allowed. Where it offers a choice all of them have to be."""
        terms = [word for word in re.findall(r"[^\s()]+", self.licence) if word not in _JOINTS]
        return [term for term in terms if term not in ALLOWED] or ([] if terms else ["nothing"])


_JOINTS = frozenset({"AND", "OR", "WITH"})


def packages(locked: Path = DELIVERED) -> Iterator[Package]:
    """Each package of a lock file; it has to be installed. Raises PackageNotFoundError."""
    for name, version in _LOCKED.findall(locked.read_text("utf-8")):
        told = metadata(name)
        words = str(told["License-Expression"] or told["License"] or "")
        yield Package(name, version, _OLDER.get(words, words))


def main() -> int:
    found = list(packages())
    for package in found:
        refused = f"  not allowed: {', '.join(package.refused)}" if package.refused else ""
        print(f"{package.name:<30} {package.version:<12} {package.licence}{refused}")
    return 1 if any(package.refused for package in found) else 0


if __name__ == "__main__":
    sys.exit(main())

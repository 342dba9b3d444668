"""What became of each mutant, and what docs/mutants.md says of those that live."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

BLOCK = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)

KILLED = "killed"
NOTICED = (KILLED, "timeout")
"""What mutmut says where a test failed, or did not come to an end."""


@dataclass(frozen=True, order=True, slots=True)
class Mutant:
    """A function, and the lines that differ in it: the same wherever the function stands."""

    function: str
    change: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"@@ {self.function} @@", *self.change))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One mutant of a function and what became of it, in mutmut's words."""

    function: str
    status: str
    path: Path
    name: str

    @property
    def mutant(self) -> Mutant:
        """What was changed. Takes a hundredth of a second to find out."""
        return _mutant(self.function, get_diff_for_mutant(self.name, path=self.path))


def verdicts() -> Iterator[Verdict]:
    """Those of the last run, read from the folder `mutants`."""
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            yield Verdict(_function(name), status_by_exit_code[code], path, name)


def forget(which: Callable[[str], bool]) -> None:
    """Have the next run try the mutants with such a status once more."""
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        names = [n for n, code in data.exit_code_by_key.items() if which(status_by_exit_code[code])]
        data.exit_code_by_key.update(dict.fromkeys(names))
        if names:
            data.save()


def explained(page: Path) -> set[Mutant]:
    """The mutants of which the page says why they may live: its diffs, any number in a block."""
    return {
        mutant for block in BLOCK.findall(page.read_text("utf-8")) for mutant in _mutants(block)
    }


def _mutants(block: str) -> Iterator[Mutant]:
    for part in re.split(r"^@@ ", block, flags=re.MULTILINE)[1:]:
        function, _, diff = part.partition(" @@\n")
        yield _mutant(function, diff)


def _mutant(function: str, diff: str) -> Mutant:
    lines = [line for line in diff.splitlines() if line[:1] in ("+", "-")]
    changed = (line for line in lines if line[:3] not in ("+++", "---"))
    return Mutant(function, tuple(f"{line[0]} {line[1:].strip()}" for line in changed))


def _function(name: str) -> str:
    """`dnatctl.pool.line.xǁLineǁpick__mutmut_1` -> `pool.line.Line.pick`."""
    module = name.rpartition(".")[0].removeprefix("dnatctl.")
    function, of_class = orig_function_and_class_names_from_key(name)
    return ".".join(part for part in (module, of_class, function) if part)

"""The commands that documents tell people to run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.unit.manifests.built import MANIFESTS

ROOT = MANIFESTS.parent
# What decisions name may be gone by now.
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "reference").glob("*.md"),
        MANIFESTS / "chart" / "README.md",
    ]
)

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_ENDS = {"|", "&", "&&", ";", ">"}


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of code in these languages, without what a list around them indents them by."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, named, text in found
        if named in languages
    ]


def spans(page: Path) -> list[str]:
    """What stands between two backticks in the text."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    return [" ".join(span.split()) for span in _SPAN.findall(text)]


def commands(page: Path, program: str) -> list[list[str]]:
    """The arguments of each call of the program, dots for further ones left out."""
    return [
        words[1:]
        for line in (*spans(page), *_typed(page))
        for words in _parts(line)
        if Path(words[0]).name == program
    ]


def _typed(page: Path) -> Iterator[str]:
    for block in blocks(page, "console", "sh"):
        lines = block.replace("\\\n", " ").splitlines()
        shown = [line[2:] for line in lines if line.startswith("$ ")]
        yield from shown or lines  # without a prompt there is no output either


def _parts(line: str) -> Iterator[list[str]]:
    """The commands of a pipe; none where it is no shell."""
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
    reader.whitespace_split = True
    words: list[str] = []
    try:
        for word in [*reader, ";"]:
            if word not in _ENDS:
                words += [] if word in {"…", "..."} else [word]
            elif words:
                yield words
                words = []
    except ValueError:
        return  # an apostrophe: words, no command

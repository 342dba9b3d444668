"""What is said of a text that is no YAML: where to look, what is there, and what to write."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import yaml

from dnatctl.config.errors import Mistake


class _Words(NamedTuple):
    """`opened`: the mistake is where the parser began, not where it gave up."""

    found: str
    allowed: str
    opened: bool = False


_WORDS: Final = {
    r"found character '\\t' .*": _Words("a tab (\\t)", "spaces for indentation"),
    r"found unexpected end of stream": _Words(
        "a quote that is not closed", "a quote behind the value as well", opened=True
    ),
    r"could not find expected ':'": _Words(
        "a line that is no `key: value`", "a key, a colon, a space, a value", opened=True
    ),
    r"mapping values are not allowed here": _Words(
        "mapping values where a value ends",
        "one `key: value` a line: a colon may be missing just before, or the value needs quotes",
    ),
    r"expected <block end>, but found '<scalar>'": _Words(
        "text behind the end of a value",
        "nothing there: a quote may not be closed in a line above",
    ),
    r"expected <block end>, but found .*": _Words(
        "a line that is indented differently from those it belongs to",
        "the same number of spaces for all keys of one mapping",
    ),
    r"but found another document": _Words("another document (---)", "one document in a file"),
}
"""What the parser says, as a pattern, and how people are told."""

_OTHERWISE: Final = "YAML; a value with special characters goes in quotes"


def mistake(error: yaml.YAMLError, name: str) -> Mistake:
    """The mistake that kept a file of that name from being read."""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
    mark = getattr(error, "problem_mark", None)
    for pattern, words in _WORDS.items():
        if re.fullmatch(pattern, said):
            begun = getattr(error, "context_mark", None) if words.opened else None
            return Mistake(at(name, begun or mark), "", words.found, words.allowed)
    # The parser may quote the name of an anchor or a tag, and that may be a secret that starts
    # with * or ! and was not put in quotes.
    said = re.sub(r"'[\w!.-]{2,}'", "a name", said).removeprefix("found ")
    return Mistake(at(name, mark), "", said, _OTHERWISE)


def at(name: str, mark: yaml.Mark | None) -> str:
    """A place in a file, as messages have it."""
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name

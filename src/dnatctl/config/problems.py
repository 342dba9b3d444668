"""Turns what the schema refuses into words, keeping credentials out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dnatctl.config.document import Document, Path, dotted
from dnatctl.config.errors import Mistake
from dnatctl.config.schema import Config
from dnatctl.config.settings import SETTINGS, keys_of

_PLACEHOLDER = re.compile(r'"\s*<.*')
_QUOTED_NUMBER = re.compile(r'"\s*[0-9]+\s*"')
_TEXT_EXPECTED = {"string_type", "string_sub_type"}


def explain(error: ValidationError, document: Document) -> Iterator[Mistake]:
    """A problem for each thing that `error` has to say of `document`."""
    for detail in error.errors(include_url=False, include_input=False):
        path = detail["loc"]
        if detail["type"] == "extra_forbidden":
            yield _unknown_key(path, document)
        elif path[-1:] == ("[key]",):
            yield _bad_key(detail, path, document)
        elif detail["type"] == "missing":
            where = document.place(path).value
            yield Mistake(where, dotted(path), "nothing", _allowed(detail, path))
        else:
            yield _bad_value(detail, path, document)


def _bad_key(detail: ErrorDetails, path: Path, document: Document) -> Mistake:
    """A key of a mapping whose keys are values."""
    key, allowed = str(path[-2]), _allowed(detail, path)
    near = get_close_matches(key, re.findall(r"\w+", allowed), 1, 0.8)
    hint = f" (did you mean {near[0]}?)" if near else ""
    if "*" in key:
        hint = " (no patterns here: a name, or * alone for all others)"
    return Mistake(document.place(path[:-1]).key, dotted(path[:-1]), f"this key{hint}", allowed)


def _bad_value(detail: ErrorDetails, path: Path, document: Document) -> Mistake:
    place = document.place(path)
    allowed = _allowed(detail, path)
    if _PLACEHOLDER.match(place.text):
        allowed = f"{allowed} (replace this placeholder)"
    elif detail["type"] in _TEXT_EXPECTED:
        allowed = f"{allowed} (as text: put it in quotes)"
    elif detail["type"] == "int_type" and _QUOTED_NUMBER.fullmatch(place.text):
        allowed = f"{allowed} (as a number: without quotes)"
    hide = path[:1] == ("credential",) and not _is_a_word(path, place.text)
    found = "a value (not shown)" if hide else place.text
    return Mistake(place.value, dotted(document.written(path)), found, allowed)


def _is_a_word(path: Path, text: str) -> bool:
    """Whether it may be shown although a credential may stand in its place: keys have digits."""
    return path == ("credential", "type") and bool(re.fullmatch('"?[A-Za-z]{1,15}"?', text))


def _allowed(detail: ErrorDetails, path: Path) -> str:
    """What a validator says is allowed, or else the kind of the innermost setting around `path`."""
    if detail["type"] == "refused":
        return detail["msg"]
    while path:
        setting = SETTINGS.get(_general(path))
        if setting is not None:
            return setting.allowed
        path = path[:-1]
    return f"a mapping with the keys {', '.join(keys_of(Config))}"


def _unknown_key(path: Path, document: Document) -> Mistake:
    section = SETTINGS[_general(path[:-1])].section if path[:-1] else Config
    known = keys_of(section or Config)
    found = "an unknown key" + _hint(str(path[-1]), known)
    return Mistake(document.place(path).key, dotted(path), found, f"one of {', '.join(known)}")


def _hint(key: str, known: tuple[str, ...]) -> str:
    """The key that was probably meant: one of the section, else the same one of another section."""
    lower = {name.lower(): name for name in known}
    near = [lower[name] for name in get_close_matches(key.lower(), lower, n=1)]
    elsewhere = [name for name in SETTINGS if name.rpartition(".")[2] == key]
    meant = next(iter(near + elsewhere), None)
    return f" (did you mean {meant}?)" if meant else ""


def _general(path: Path) -> str:
    """A path as `SETTINGS` names it: without positions, `[]` where the list holds sections."""
    text = "".join("[]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".").removesuffix("[]")

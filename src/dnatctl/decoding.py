"""JSON that others wrote, decoded: whatever it is, nothing but the error declared is raised. Pure.

msgspec raises RecursionError for JSON that is nested deeper than Python's stack, also within fields
that nobody reads, and whoever may write an object without a schema (a PodDNAT under an older CRD,
a workload of some CRD) can nest that deep. So what is nested too deep is cut out, and the object is
read without it: nothing in use lies deeper than a dozen levels. A text that is no UTF-8 is an error
of a kind of its own for msgspec; here it is one that cannot be decoded, as any other.

What is just not too deep for msgspec may be too deep a few frames further: what was decoded as
anything at all becomes text by `text_of` only.
"""

from __future__ import annotations

import re
from reprlib import Repr
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

DEEPEST: Final = 64
"""Levels of nesting that are kept where there are too many."""

_BEGINNING: Final = Repr()
_BEGINNING.maxlevel = 3

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    """Raises msgspec.DecodeError, and nothing else, where `data` is not what `decoder` reads."""
    try:
        try:
            return decoder.decode(data)
        except RecursionError:
            return decoder.decode(shallow(bytes(data)))
    except (RecursionError, UnicodeDecodeError) as error:
        raise msgspec.DecodeError(str(error)) from error


def text_of(value: object) -> str:
    """A value of JSON as text; of lists and objects the beginning, however deep they go on."""
    return _BEGINNING.repr(value) if isinstance(value, dict | list) else str(value)


def shallow(data: bytes) -> bytes:
    """JSON with `null` in place of what is nested deeper than DEEPEST; in linear time."""
    kept: list[bytes] = []
    depth = taken = 0
    for token in _TOKEN.finditer(data):
        match token.group():
            case b"[" | b"{":
                depth += 1
                if depth == DEEPEST + 1:
                    kept += (data[taken : token.start()], b"null")
            case b"]" | b"}":
                if depth == DEEPEST + 1:
                    taken = token.end()
                depth -= 1
    if depth <= DEEPEST:
        kept.append(data[taken:])
    return b"".join(kept)

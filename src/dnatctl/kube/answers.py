"""Answers of the API server, decoded: whatever they are, nothing but the error declared is raised.

msgspec raises RecursionError for JSON that is nested deeper than Python's stack, also within fields
that nobody reads, and whoever may write an object without a schema (a PodDNAT under an older CRD,
a workload of some CRD) can nest that deep. So what is nested too deep is cut out, and the object is
read without it: nothing in use lies deeper than a dozen levels.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from dnatctl.kube.errors import Failure, KubeError

T = TypeVar("T")

DEEPEST: Final = 64
"""Levels of nesting that are kept where there are too many."""

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


def read(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """As `decode`, for the answer of a request. Raises KubeError (UNKNOWN)."""
    try:
        return decode(decoder, data)
    except msgspec.DecodeError as error:
        raise KubeError(Failure.UNKNOWN, f"the answer cannot be read: {error}") from error


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

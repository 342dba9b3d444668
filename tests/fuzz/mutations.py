"""How an input is spoilt: bytes at random, words that mean something, and values inside JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import orjson

LONGEST = 64 << 10
"""Bytes of an input."""

_DEEP = '"<deep>"'
_DEPTHS = (3, 65, 200, *range(985, 1030), 5_000)
"""Levels of nesting, among them those around which Python's stack ends."""

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 65536, 2**31, 2**63 - 1, -(2**63), 1e308, 0.5,
    "", " ", "0", "-1", "1-2", "9" * 400, "x" * 300, "\u0663", "\u202e\x00\n", "true", "tcp",
    [], {}, [None], [[]], [{}], {"": None}, "<deep>",
)  # fmt: skip

Words = Sequence[bytes]


def mutate(data: bytes, random: Random, words: Words) -> bytes:
    """`data`, spoilt in one to five ways."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        data = random.choice(_WAYS)(data, random, words)
    return data[:LONGEST]


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 1, 2, 8, 64)))


def _byte(data: bytes, random: Random, words: Words) -> bytes:
    at, end = _span(data, random)
    return data[:at] + random.randbytes(1) + data[end:]


def _cut(data: bytes, random: Random, words: Words) -> bytes:
    at, end = _span(data, random)
    return data[:at] + data[end:]


def _repeat(data: bytes, random: Random, words: Words) -> bytes:
    at, end = _span(data, random)
    return data[:at] + data[at:end] * random.choice((2, 3, 100, 1000)) + data[end:]


def _word(data: bytes, random: Random, words: Words) -> bytes:
    at, end = _span(data, random)
    return data[:at] + random.choice(words) + data[random.choice((at, end)) :]


def _nest(data: bytes, random: Random, words: Words) -> bytes:
    at, end = _span(data, random)
    return data[:at] + _deep(random) + data[end:]


def _value(data: bytes, random: Random, words: Words) -> bytes:
    """Another value somewhere inside JSON, which stays JSON."""
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _word(data, random, words)
    holder: Any = {"": whole}
    key: Any = ""
    while isinstance(inner := holder[key], dict | list) and inner and random.random() < 0.8:
        holder, key = (
            inner,
            random.choice([*inner] if isinstance(inner, dict) else range(len(inner))),
        )
    if key != "" and random.random() < 0.3:
        _reshape(holder, key, random)
    elif key != "":
        holder[key] = random.choice(_VALUES)
    try:
        return orjson.dumps(whole).replace(_DEEP.encode(), _deep(random))
    except orjson.JSONEncodeError:
        return data


def _reshape(holder: Any, key: Any, random: Random) -> None:
    if isinstance(holder, list):
        holder.extend([holder[key]] * random.choice((1, 20, 200)))
    elif random.random() < 0.5:
        del holder[key]
    else:
        holder[key] = [holder[key]]


def _deep(random: Random) -> bytes:
    depth = random.choice(_DEPTHS)
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * depth + random.choice((b"", b"1")) + closing * depth


_WAYS: tuple[Callable[[bytes, Random, Words], bytes], ...] = (
    _byte, _cut, _repeat, _word, _nest, _value, _value, _value, _value,
)  # fmt: skip

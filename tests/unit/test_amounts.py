"""Numbers of things in the texts that people read."""

from __future__ import annotations

import pytest

from dnatctl.amounts import amount


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("entry", "entries"), "0 entries"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
        (1, ("port",), "1 port"),
        (3, ("port",), "3 ports"),
    ],
)
def test_one_is_not_said_as_many(number: int, words: tuple[str, ...], text: str) -> None:
    assert amount(number, *words) == text

"""Numbers of things, as people say them."""

from __future__ import annotations


def amount(number: int, one: str, many: str = "") -> str:
    """`1 entry`, `5 entries`. `many`: without it, `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"

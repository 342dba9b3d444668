"""Many runs that mostly wait, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 6


def complaints(cases: Iterable[T], run: Callable[[T], object]) -> list[str]:
    """Run each case on a thread; what went wrong, with the case's name, empty if nothing did."""

    def attempt(case: T) -> str:
        try:
            run(case)
        except Exception as error:  # noqa: BLE001 - all that goes wrong is gathered
            return f"{case}: {type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(AT_ONCE) as runs:
        return [text for text in runs.map(attempt, cases) if text]

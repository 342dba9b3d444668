"""A pytest plugin: the quick tests first, as one that fails is all that is wanted."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of many examples take longer than all the others together."""
    items.sort(key=_has_examples)


def _has_examples(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)

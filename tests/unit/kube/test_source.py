"""How pages of lists are read, and how long the next one is to be."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from dnatctl.kube.poddnat_json import READER
from dnatctl.kube.pods import PodSource
from dnatctl.kube.source import METADATA, Reader, next_page
from dnatctl.objects import Key
from tests.support.kubejson import listing, pod

FULL = 500
MIB = 1 << 20
TINY = {format(number, "x"): "" for number in range(14_500)}
"""Annotations as an object may have them: 256 KiB of keys and values are allowed."""
READERS = {"pods": PodSource(), "PodDNATs": READER, "metadata": METADATA}


@pytest.mark.parametrize("source", READERS.values(), ids=READERS)
@pytest.mark.parametrize("whole", [True, False], ids=["understood", "one is not"])
def test_a_page_of_tiny_annotations_takes_little_beside_its_bytes(
    source: PodSource | Reader[Any, Any], whole: bool
) -> None:
    """Decoded all at once it took eight times as much, and a page had up to 64 MiB."""
    items = [pod(f"p{number}", annotations=TINY) for number in range(30)]
    items += [] if whole else [pod("odd", metadata={"annotations": 5})]
    body = listing(*items)
    tracemalloc.start()
    try:
        page = source.page(body, lambda _key, _uid: False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (Key("default", "odd") in page.unreadable) is not whole
    assert peak < len(body)


def limit_after(limit: int, size: int) -> object:
    return next_page({"limit": limit}, size, FULL, "token")["limit"]


class TestNextPage:
    def test_has_fewer_objects_after_big_ones(self) -> None:
        assert limit_after(FULL, 16 * MIB) == FULL // 2
        assert limit_after(3, 100 * MIB) == 1

    def test_has_as_many_as_fit_after_small_ones(self) -> None:
        assert limit_after(100, 6 * MIB) == 133
        assert limit_after(FULL, 1000) == FULL

    def test_has_not_all_at_once_again_after_a_few_small_ones(self) -> None:
        """Who mixes small objects with big ones would get a page full of big ones."""
        assert limit_after(10, 1000) == 20
        assert limit_after(400, 1000) == FULL

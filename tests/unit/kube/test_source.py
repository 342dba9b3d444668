"""How pages of lists are read, and how long the next one is to be."""

from __future__ import annotations

import tracemalloc
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from dnatctl.kube.errors import KubeError
from dnatctl.kube.listing import read_all
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


NO_LISTS = [
    b'{"kind":"List","metadata":{},"items":[]}',
    b'{"kind":"List","metadata":{"resourceVersion":""},"items":null}',
    b'{"kind":"Status","metadata":{},"status":"Success"}',
]


@pytest.mark.parametrize("body", NO_LISTS)
@pytest.mark.parametrize("source", READERS.values(), ids=READERS)
def test_what_does_not_say_as_of_when_it_is_is_no_list(
    source: PodSource | Reader[Any, Any], body: bytes
) -> None:
    """Else there is nothing any more, as far as it tells."""
    with pytest.raises(msgspec.DecodeError):
        source.page(body, lambda _key, _uid: False)


def test_nor_for_who_asks_once() -> None:
    """An orphan is one by what such a list says."""
    client = Mock(request=Mock(return_value=NO_LISTS[0]))
    with pytest.raises(KubeError):
        read_all(client, PodSource())


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

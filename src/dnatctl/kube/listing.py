"""All objects of a kind, once, page by page: for commands, which do not watch."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dnatctl.kube.cache import Stored
from dnatctl.kube.client import LARGEST_PAGE, KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.source import Source

T = TypeVar("T", bound=Stored)

PAGE = 500
"""Objects in a page, as kubectl's."""


def read_all(client: KubeClient, source: Source[T]) -> tuple[list[T], list[str]]:
    """The objects, and the names of those that cannot be read. Raises KubeError."""
    items: list[T] = []
    unreadable: list[str] = []
    query: dict[str, str | int] = {"limit": PAGE}
    while True:
        body = client.request("GET", source.path, query=query, timeout=60.0, most=LARGEST_PAGE)
        try:
            page = source.page(body, lambda _key, _uid: True)
        except msgspec.DecodeError as error:
            raise KubeError(Failure.UNKNOWN, f"the answer cannot be read: {error}") from error
        items += page.items
        unreadable += map(str, page.unreadable)
        if not page.next:
            return items, unreadable
        query["continue"] = page.next

"""Somebody else who writes to PodDNATs, so that dnatctl's own writes meet conflicts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.arena import Arena
from tests.e2e.kubeapi import ApiError


@contextmanager
def meddling(arena: Arena, namespace: str) -> Iterator[None]:
    """A label of every PodDNAT of the namespace is changed all the time."""
    done = threading.Event()

    def meddle() -> None:
        number = 0
        while not done.wait(0.01):
            number += 1
            touched = {"metadata": {"labels": {"touched": str(number)}}}
            for record in arena.records(namespace):
                path = f"{arena.records_path(namespace)}/{record['metadata']['name']}"
                with suppress(ApiError):  # it is gone meanwhile
                    arena.api.patch(path, touched)

    thread = threading.Thread(target=meddle, name="meddler")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

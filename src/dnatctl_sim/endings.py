"""How a server on an event loop ends: nothing that it accepted stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_TURNS = 8
"""Turns of the loop. A client that was accepted is a task in the first, a transport in the second,
a connection in the third, and may be cut from then on; what is cut is closed one turn later."""


async def end_listening(listener: asyncio.Server, cut: Callable[[], None]) -> None:
    """Accept nobody any more, and close all who were; `cut` aborts the connections there are.

    Whoever was accepted a moment ago is no connection yet, so that cutting once would miss it.
    """
    for sock in listener.sockets:
        # Before `close`, after which asyncio cannot take in those who were accepted already.
        asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(_TURNS):
        cut()
        await asyncio.sleep(0)
    listener.close()


async def end_tasks() -> None:
    """Cancel whatever else runs on the loop, and wait for its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

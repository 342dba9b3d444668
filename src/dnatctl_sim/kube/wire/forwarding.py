"""Port-forwards over a websocket. Nothing runs in emulated pods: a port of any of them is the port
of that number on this machine.

The protocol: per port a channel for data and one for errors; the first message on each carries the
port (k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go).
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, web

from dnatctl_sim.kube.core.errors import bad_request

PATH: Final = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/portforward")
PROTOCOLS: Final = ("v4.channel.k8s.io", "v5.channel.k8s.io")
_DATA, _ERROR = b"\x00", b"\x01"
_CHUNK = 1 << 16


async def forward(request: web.BaseRequest) -> web.StreamResponse:
    """Carry one connection until either side ends it. Raises ApiError 400."""
    text = request.query.get("ports", "")
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise bad_request(f"ports: {text!r} is not one port")
    port = int(text)
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(request)
    named = port.to_bytes(2, "little")
    await socket.send_bytes(_DATA + named)
    await socket.send_bytes(_ERROR + named)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        await socket.send_bytes(_ERROR + f"nobody listens on port {port}: {error}".encode())
        await socket.close()
        return socket
    back = asyncio.create_task(_carry_back(reader, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data[:1] == _DATA:
                writer.write(message.data[1:])
    finally:
        back.cancel()
        writer.close()
    return socket


async def _carry_back(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):  # however a side ends, the other is to see an end
        while data := await reader.read(_CHUNK):
            await socket.send_bytes(_DATA + data)
    with suppress(ConnectionError):
        await socket.close()

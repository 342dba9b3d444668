"""Which warnings do not fail a test, and why."""

import gc
import select
import socket
import ssl
import struct

import pytest


def test_a_reset_before_the_handshake_is_not_held_against_a_test() -> None:
    """`ssl.SSLSocket._create` looks at a socket whose peer is gone before it takes care of it, and
    leaves it to the garbage collector when that look raises (CPython 3.11.5 and later).
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with accepted:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    select.select([client], [], [], 10)  # until the reset is here
    with client, pytest.raises(ConnectionResetError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    gc.collect()

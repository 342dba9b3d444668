"""The ledger: ConfigMaps that are there for what is noted, and only for that."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.ledger import Ledger


class Server:
    """An API server that knows ConfigMaps."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, str]] = {}

    def request(self, verb: str, path: str, body: Any = None, content_type: str = "") -> bytes:
        name = path.rsplit("/", 1)[-1]
        if verb == "POST":
            self.maps[body["metadata"]["name"]] = dict(body["data"])
        elif name not in self.maps:
            raise KubeError(Failure.NOT_FOUND, "no such thing")
        elif verb == "PATCH":
            merged = {**self.maps[name], **body["data"]}
            self.maps[name] = {k: v for k, v in merged.items() if v is not None}
        return b"{}"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def ledger(server: Any) -> Ledger:
    return Ledger(server, "dnatctl-system")


def test_what_is_noted_makes_its_configmap(ledger, server):
    ledger.note("ngw-1", {"fwd-1": "uid-1"})
    assert server.maps == {"dnatctl-adopted-ngw-1": {"fwd-1": "uid-1"}}


def test_what_is_struck_leaves_it(ledger, server):
    ledger.note("ngw-1", {"fwd-1": "uid-1", "fwd-2": "uid-2"})
    ledger.strike("ngw-1", ["fwd-1"])
    assert server.maps == {"dnatctl-adopted-ngw-1": {"fwd-2": "uid-2"}}


@pytest.mark.parametrize(
    "take_out",
    [
        lambda ledger: ledger.strike("ngw-1", ["fwd-1"]),
        lambda ledger: ledger.note_facts({"held": None}),
        lambda ledger: ledger.note_parked({"uid-1": None}),
        lambda ledger: ledger.note("ngw-1", {}),
    ],
)
def test_nothing_is_made_to_take_something_out_of(ledger, server, take_out):
    take_out(ledger)
    assert server.maps == {}


def test_two_who_make_it_at_once_are_both_heard(ledger, server):
    """The first rows of a gateway are adopted by several workers."""
    ask = server.request

    def raced(verb: str, path: str, **more: Any) -> bytes:
        if verb == "POST":
            server.request = ask
            server.maps["dnatctl-adopted-ngw-1"] = {"fwd-2": "uid-2"}
            raise KubeError(Failure.ALREADY_EXISTS, "there is one")
        return ask(verb, path, **more)

    server.request = raced
    ledger.note("ngw-1", {"fwd-1": "uid-1"})
    assert server.maps == {"dnatctl-adopted-ngw-1": {"fwd-1": "uid-1", "fwd-2": "uid-2"}}

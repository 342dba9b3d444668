"""The ledger: ConfigMaps that are there for what is noted, and only for that."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import orjson
import pytest

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.ledger import ADOPTED, NAMES, PARKED, Ledger
from dnatctl.objects import Adopted, Key


class Server:
    """An API server that knows ConfigMaps."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, str]] = {}

    def request(self, verb: str, path: str, body: Any = None, content_type: str = "") -> bytes:
        name = path.rsplit("/", 1)[-1]
        if verb == "GET" and name in self.maps:
            return orjson.dumps({"data": self.maps[name]})
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


NGW_1 = "dnatctl-adopted-l"
"""Where the rows of ngw-1 are noted."""


def whose(number: int) -> Adopted:
    return Adopted(f"uid-{number}", "0a", "ngw-1")


def test_what_is_noted_makes_its_configmap(ledger, server):
    ledger.note("ngw-1", {"fwd-1": whose(1)})
    assert server.maps == {NGW_1: {"fwd-1": "ngw-1/uid-1/0a"}}
    assert ledger.load("ngw-1") == {"fwd-1": whose(1)}


def test_of_all_that_lies_in_one_configmap_each_gateway_has_its_own(ledger, server):
    gateways = [f"ngw-{number}" for number in range(200)]
    for gateway in gateways:
        ledger.note(gateway, {f"fwd-{gateway}": Adopted(gateway)})
    assert set(server.maps) <= set(ADOPTED)
    assert all(
        ledger.load(each) == {f"fwd-{each}": Adopted(each, gateway_id=each)} for each in gateways
    )
    ledger.strike("ngw-1", ["fwd-ngw-1"])
    assert [each for each in gateways if not ledger.load(each)] == ["ngw-1"]


def test_two_hundred_gateways_of_five_hundred_rows_have_room(ledger, server):
    """In one request to etcd, 1.5 MiB: each key stands in it twice, as the server notes who wrote
    it, with some 20 bytes about it."""
    for number in range(200):
        gateway = f"ngw-bp1{number:017d}"
        rows = {
            f"fwd-bp1{number:06d}{row:011d}": Adopted(f"{row:036d}", Key("games", "lobby").digest)
            for row in range(500)
        }
        ledger.note(gateway, rows)
    largest = max(
        sum(2 * len(key) + len(value) + 20 for key, value in noted.items())
        for noted in server.maps.values()
    )
    assert largest < 1.5 * 1024 * 1024


def test_nothing_lies_elsewhere_than_its_role_says(ledger, server):
    ledger.note("ngw-1", {"fwd-1": whose(1)})
    ledger.note_facts({"held": "yes"})
    ledger.note_parked({f"uid-{number}": "" for number in range(200)})
    assert set(server.maps) <= set(NAMES)
    assert len(server.maps) == 1 + 1 + len(PARKED)


def test_what_is_struck_leaves_it(ledger, server):
    ledger.note("ngw-1", {"fwd-1": whose(1), "fwd-2": whose(2)})
    ledger.strike("ngw-1", ["fwd-1"])
    assert server.maps == {NGW_1: {"fwd-2": "ngw-1/uid-2/0a"}}


AWAY = KubeError(Failure.UNREACHABLE, "not now")


def struck_in_vain(ledger: Ledger, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is to be taken out while the API server is away."""
    with monkeypatch.context() as away:
        away.setattr(server, "request", Mock(side_effect=AWAY))
        with pytest.raises(KubeError):
            ledger.strike("ngw-1", ["fwd-1"])


@pytest.mark.parametrize(
    ("follow", "left"),
    [
        (lambda ledger: ledger.strike("ngw-1", ["fwd-2"]), {}),
        (lambda ledger: ledger.note("ngw-1", {"fwd-3": whose(3)}), {"fwd-2", "fwd-3"}),
        (lambda ledger: ledger.note("ngw-1", {"fwd-1": whose(3)}), {"fwd-1", "fwd-2"}),
        (lambda ledger: ledger.note("ngw-2", {"fwd-9": Adopted("uid-3")}), {"fwd-1", "fwd-2"}),
    ],
    ids=["another is struck", "one is noted", "it is noted anew", "another gateway's"],
)
def test_what_could_not_be_struck_leaves_it_with_the_next_write(
    ledger, server, monkeypatch, follow, left
):
    """Else it is there for ever: nobody comes back to a row that is gone."""
    ledger.note("ngw-1", {"fwd-1": whose(1), "fwd-2": whose(2)})
    struck_in_vain(ledger, server, monkeypatch)
    follow(ledger)
    assert ledger.load("ngw-1").keys() == set(left)


def test_what_was_struck_at_last_may_be_noted_again(ledger, server, monkeypatch):
    ledger.note("ngw-1", {"fwd-1": whose(1), "fwd-2": whose(2)})
    struck_in_vain(ledger, server, monkeypatch)
    ledger.strike("ngw-1", ["fwd-2"])
    ledger.note("ngw-1", {"fwd-1": whose(3)})
    ledger.note("ngw-1", {"fwd-4": whose(4)})
    assert ledger.load("ngw-1") == {"fwd-1": whose(3), "fwd-4": whose(4)}


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
            server.maps[NGW_1] = {"fwd-2": "ngw-1/uid-2/0a"}
            raise KubeError(Failure.ALREADY_EXISTS, "there is one")
        return ask(verb, path, **more)

    server.request = raced
    ledger.note("ngw-1", {"fwd-1": whose(1)})
    assert ledger.load("ngw-1") == {"fwd-1": whose(1), "fwd-2": whose(2)}

"""What is noted of answers that are missing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dnatctl.control.sight.lookups import MOST_NOTED, KubeLookups
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import Failure, KubeError, error_from_answer
from dnatctl.kube.pods import PodApi
from dnatctl.kube.workloads import SAID_FOR_S
from dnatctl.objects import Key, Owner
from dnatctl.plan.values import WorkloadAnswer
from tests.support.clock import FakeClock

NAME = Key("games", "lobby-0")
LOBBY = Owner("game.example/v1", "GameSet", "lobby", "uid-lobby", controller=True)


class Client:
    """An API server that grants nothing."""

    def request(self, *_: object, **__: object) -> bytes:
        raise KubeError(Failure.FORBIDDEN, "no")


def test_memory_does_not_grow_with_kinds_of_owners_that_came_and_went() -> None:
    """Whoever may write a PodDNAT names owners of any kind."""
    client: Any = Client()
    pods: Any = None
    lookups = KubeLookups(client, pods, lambda: None, Cache(), FakeClock())
    for number in range(2 * MOST_NOTED):
        owner = Owner("example.com/v1", f"Kind{number}", "lobby", "uid")
        assert lookups.keeps(NAME, owner) is WorkloadAnswer.UNREADABLE
    assert len(lookups._missing) == MOST_NOTED
    assert f"Kind{2 * MOST_NOTED - 1} " in lookups.notes()[-1], "the latest are noted"


class Server:
    """An API server, as far as fixed pods' workloads concern it. `groups`: what it serves."""

    def __init__(self) -> None:
        self.groups = {"apps": [], "game.example": [{"name": "gamesets", "kind": "GameSet"}]}
        self.there: set[str] = {"lobby"}
        self.behind_proxy = False

    def request(self, _method: str, path: str, **_: object) -> bytes:
        match path.strip("/").split("/"):
            case _ if self.behind_proxy:
                raise error_from_answer(404, b"404 page not found\n", None)
            case ["apis"]:
                versions = [{"version": "v1"}]
                return orjson.dumps(
                    {"groups": [{"name": name, "versions": versions} for name in self.groups]}
                )
            case ["apis", group, "v1"] if group in self.groups:
                return orjson.dumps({"resources": self.groups[group]})
            case ["apis", "game.example", "v1", *_, name] if "game.example" in self.groups:
                return self._one(name)
        raise error_from_answer(404, b"404 page not found\n", None)

    def _one(self, name: str) -> bytes:
        if name not in self.there:
            details = {"name": name, "kind": "gamesets"}
            told = {"reason": "NotFound", "message": "not found", "details": details}
            raise error_from_answer(404, orjson.dumps(told), None)
        meta = {"name": name, "namespace": "games", "uid": f"uid-{name}", "resourceVersion": "1"}
        return orjson.dumps({"metadata": meta, "spec": {"replicas": 1}})


class TestWhatIsGone:
    """A claim that is given up is lost for good: players know its address."""

    def setup_method(self) -> None:
        self.server = Server()
        client: Any = self.server
        self.clock = FakeClock()
        self.pods = PodApi(client)
        self.lookups = KubeLookups(client, self.pods, lambda: None, Cache(), self.clock)

    def keeps(self) -> WorkloadAnswer | None:
        """What is known of the workload; None for nothing."""
        try:
            return self.lookups.keeps(NAME, LOBBY)
        except KubeError:
            return None

    def test_a_workload_that_the_server_does_not_find(self) -> None:
        assert self.keeps() is WorkloadAnswer.WANTS
        self.server.there.clear()
        assert self.keeps() is WorkloadAnswer.GONE

    @pytest.mark.parametrize("known", [True, False])
    def test_an_answer_that_is_no_servers_ends_no_claim(self, known: bool) -> None:
        if known:
            assert self.keeps() is WorkloadAnswer.WANTS
        self.server.behind_proxy = True
        for _ in range(9):
            assert self.keeps() is None
            self.clock.advance(SAID_FOR_S)
        assert any("cannot get GameSet" in note for note in self.lookups.notes())
        self.server.behind_proxy = False
        assert self.keeps() is WorkloadAnswer.WANTS
        assert self.lookups.notes() == []

    def test_nor_the_end_of_a_pod(self) -> None:
        self.server.behind_proxy = True
        with pytest.raises(KubeError):
            self.lookups.pod(NAME)

    def test_a_kind_that_is_missing_for_a_moment_ends_no_claim(self) -> None:
        """Its definition is replaced, or the API server starts and does not list it yet."""
        game = self.server.groups.pop("game.example")
        assert self.keeps() is None
        self.clock.advance(SAID_FOR_S - 1)
        assert self.keeps() is None
        self.server.groups["game.example"] = game
        assert self.keeps() is WorkloadAnswer.WANTS
        self.server.groups["game.example"] = []
        self.clock.advance(SAID_FOR_S)
        self.lookups._workloads._collections.clear()
        assert self.keeps() is None, "that begins anew"

    def test_two_moments_that_are_far_apart_are_not_one(self) -> None:
        del self.server.groups["game.example"]
        assert self.keeps() is None
        self.clock.advance(7 * SAID_FOR_S)
        assert self.keeps() is None, "nobody has asked in between"

    def test_a_kind_that_was_uninstalled_ends_its_claims(self) -> None:
        assert self.keeps() is WorkloadAnswer.WANTS
        del self.server.groups["game.example"]
        assert self.keeps() is None, "the path that was known is not there"
        assert self.keeps() is None, "and the kind is served by nobody"
        self.clock.advance(SAID_FOR_S)
        assert self.keeps() is WorkloadAnswer.GONE

"""Who may scrape: what is asked of the API server, how often, and what holds while it is away."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
import pytest

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.scrapers import BELIEVED_S, ENDURED_S, MOST, OF_ONE, QUESTIONS, Scrapers
from tests.support.clock import FakeClock

USERS = {
    "good": {
        "username": "system:serviceaccount:monitoring:prometheus",
        "uid": "u1",
        "groups": ["system:serviceaccounts"],
        "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]},
    },
    "tenant": {"username": "tenant"},
}


class Server:
    """Knows whose the tokens are; one user may scrape."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False
        self.may = {"system:serviceaccount:monitoring:prometheus"}

    def request(self, method: str, path: str, *, body: Any, timeout: float) -> bytes:
        assert method == "POST"
        assert timeout <= 2
        if self.away:
            raise KubeError(Failure.UNREACHABLE, "away")
        spec = body["spec"]
        if path == "/apis/authentication.k8s.io/v1/tokenreviews":
            self.asked.append(spec["token"])
            user = USERS.get(spec["token"])
            status: Any = {"authenticated": bool(user)} | ({"user": user} if user else {})
        else:
            assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
            known = next(u for u in USERS.values() if u["username"] == spec["user"])
            assert (spec["groups"], spec["extra"]) == (
                known.get("groups", []),
                known.get("extra", {}),
            )
            status = {"allowed": spec["user"] in self.may}
        return orjson.dumps({"status": status})


class Door:
    def __init__(self) -> None:
        self.clock, self.server = FakeClock(), Server()
        client: Any = self.server
        self.scrapers = Scrapers(client, self.clock)

    def admit(self, token: str, peer: str = "10.0.0.1") -> HTTPStatus:
        return self.scrapers.admit(f"Bearer {token}", peer)


@pytest.fixture
def door() -> Door:
    return Door()


def test_who_may_is_let_in_and_nobody_else(door: Door) -> None:
    assert door.admit("good") is HTTPStatus.OK
    assert door.admit("tenant") is HTTPStatus.FORBIDDEN
    assert door.admit("made-up") is HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic Z29vZA==", "good"])
def test_what_is_no_token_is_not_asked_about(door: Door, header: str) -> None:
    assert door.scrapers.admit(header, "") is HTTPStatus.UNAUTHORIZED
    assert door.server.asked == []


@pytest.mark.parametrize("token", ["good", "tenant", "made-up"])
def test_an_answer_is_good_for_a_while(door: Door, token: str) -> None:
    first = door.admit(token)
    door.clock.advance(BELIEVED_S - 1)
    assert door.admit(token) is first
    assert door.server.asked == [token]
    door.clock.advance(1)
    door.admit(token)
    assert door.server.asked == [token, token]


def test_who_may_no_more_is_let_in_no_more(door: Door) -> None:
    assert door.admit("good") is HTTPStatus.OK
    door.server.may.clear()
    door.clock.advance(BELIEVED_S)
    assert door.admit("good") is HTTPStatus.FORBIDDEN


def test_while_nobody_can_say_who_was_let_in_stays_so_for_a_time(door: Door) -> None:
    assert door.admit("good") is HTTPStatus.OK
    assert door.admit("tenant") is HTTPStatus.FORBIDDEN
    door.server.away = True
    door.clock.advance(BELIEVED_S)
    assert door.admit("good") is HTTPStatus.OK
    assert door.admit("tenant") is HTTPStatus.SERVICE_UNAVAILABLE
    assert door.admit("new") is HTTPStatus.SERVICE_UNAVAILABLE
    door.clock.advance(ENDURED_S)
    assert door.admit("good") is HTTPStatus.SERVICE_UNAVAILABLE


def test_made_up_tokens_cost_the_api_server_little_and_keep_nobody_out(door: Door) -> None:
    assert door.admit("good") is HTTPStatus.OK
    answers = [door.admit(f"made-up-{n}") for n in range(10 * MOST)]
    assert answers.count(HTTPStatus.UNAUTHORIZED) <= QUESTIONS.at_once
    assert answers[-1] is HTTPStatus.TOO_MANY_REQUESTS
    door.clock.advance(BELIEVED_S)
    for n in range(10):
        door.admit(f"more-{n}")
    assert door.admit("good") is HTTPStatus.OK


def test_who_makes_tokens_up_keeps_out_nobody_who_comes_from_elsewhere(door: Door) -> None:
    for n in range(200):
        door.clock.advance(0.05)
        door.admit(f"made-up-{n}", peer="10.0.0.66")
    assert door.admit("good") is HTTPStatus.OK
    assert door.admit("tenant", peer="10.0.0.2") is HTTPStatus.FORBIDDEN
    assert len(door.server.asked) <= OF_ONE.at_once + OF_ONE.a_second * 10 + 2
    door.clock.advance(10.0)
    door.admit("made-up")
    assert len(door.scrapers._peers) <= 1, "who asked long ago is forgotten"


def test_so_many_are_remembered_and_who_was_let_in_longest(door: Door) -> None:
    assert door.admit("good") is HTTPStatus.OK
    for n in range(3 * MOST):
        door.clock.advance(0.25)
        door.admit(f"made-up-{n}")
    assert door.admit("good") is HTTPStatus.OK
    assert door.server.asked.count("good") == 1
    assert len(door.scrapers._held) <= MOST

"""A token that cannot be sent is named nowhere, and one that can is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from dnatctl.clock import SystemClock
from dnatctl.kube import forward
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.lease import LeaseCallbacks, LeaseElector
from dnatctl.objects import Key
from tests.support.scripted import Exchange, ScriptedServer

SECRET = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0"

UNFIT = {
    "a newline within": f"{SECRET}\n{SECRET}",
    "a carriage return within": f"{SECRET}\r\nX-Other: {SECRET}",
    "no ASCII": f"\N{ZERO WIDTH NO-BREAK SPACE}{SECRET}",
    "no latin": f"{SECRET}\N{BULLET}",
    "a NUL": f"{SECRET}\0",
}

Ask = Callable[[KubeClient], object]


def ask(client: KubeClient) -> object:
    return client.request("GET", "/api/v1/pods")


def watch(client: KubeClient) -> object:
    return client.stream("/api/v1/pods")


def forwarded(client: KubeClient) -> object:
    return forward.get(client.api, "games", "pod", 8082, "/status")


@pytest.fixture
def server(no_leaked_threads: None) -> Iterator[ScriptedServer]:
    def answer(exchange: Exchange) -> None:
        exchange.answer(200, {})

    with ScriptedServer(answer) as running:
        yield running


@pytest.fixture
def connect(server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., KubeClient]]:
    made: list[KubeClient] = []

    def with_user(**user: Any) -> KubeClient:
        path = tmp_path / "kubeconfig"
        named = {"cluster": "c", "user": "u"}
        path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "x",
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                    "users": [{"name": "u", "user": user}],
                    "contexts": [{"name": "x", "context": named}],
                }
            )
        )
        made.append(KubeClient.connect(path, 2))
        return made[-1]

    yield with_user
    for client in made:
        client.close()


def told(error: BaseException | None) -> str:
    """All that a traceback of it would print."""
    text = ""
    while error is not None:
        text += f"{error} {error!r} {error.args}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return text


@pytest.mark.parametrize("by", [ask, watch])
@pytest.mark.parametrize("where", ["token", "tokenFile"])
def test_a_token_that_ends_in_a_newline_is_sent_without_it(
    server: ScriptedServer, connect: Callable[..., KubeClient], tmp_path: Path, where: str, by: Ask
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    by(connect(**{where: f"{SECRET}\n" if where == "token" else str(file)}))
    assert [asked.headers["authorization"] for asked in server.requests] == [f"Bearer {SECRET}"]


def test_a_forward_sends_it_without_the_newline_too(
    server: ScriptedServer, connect: Callable[..., KubeClient]
) -> None:
    with pytest.raises(KubeError):
        forwarded(connect(token=f"{SECRET}\n"))
    asked = server.requests[0]
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.headers["sec-websocket-protocol"], "the headers did not end with it"


@pytest.mark.parametrize("by", [ask, watch, forwarded])
@pytest.mark.parametrize("token", UNFIT.values(), ids=UNFIT.keys())
def test_one_that_cannot_be_sent_is_refused_without_being_named(
    server: ScriptedServer, connect: Callable[..., KubeClient], by: Ask, token: str
) -> None:
    with pytest.raises(KubeError, match="no credential") as caught:
        by(connect(token=token))
    assert caught.value.failure is Failure.UNREACHABLE
    assert SECRET not in told(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("by", [ask, watch, forwarded])
def test_one_that_is_rotated_to_what_is_no_text_is_refused_without_being_named(
    server: ScriptedServer, connect: Callable[..., KubeClient], by: Ask
) -> None:
    client = connect(token="good")

    def refresh(_configuration: object) -> None:
        (SECRET.encode() + b"\xff").decode()

    client.api.configuration.refresh_api_key_hook = refresh
    with pytest.raises(KubeError, match="no credential") as caught:
        by(client)
    assert SECRET not in told(caught.value)
    assert server.requests == []


def test_no_line_of_the_log_names_it(connect: Callable[..., KubeClient]) -> None:
    callbacks = LeaseCallbacks(lambda *_: None, lambda: None, lambda: "", lambda _: None)
    client = connect(token=f"{SECRET}\n{SECRET}")
    elector = LeaseElector(client, Key("system", "dnatctl"), "a", callbacks, clock=SystemClock())
    with capture_logs() as lines:
        elector.step()
    assert [line["event"] for line in lines] == ["lease request failed"]
    assert SECRET not in repr(lines)
    assert "no credential" in lines[0]["error"]

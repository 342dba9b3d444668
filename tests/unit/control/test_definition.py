"""The definition of PodDNATs, looked at: what an answer says of it, and what it does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from dnatctl.cli.uninstall import _served
from dnatctl.control.sight.definition import DefinitionKeeper
from dnatctl.kube import definition
from dnatctl.kube.errors import Failure, KubeError, error_from_answer
from dnatctl.kube.poddnats import Served
from dnatctl.observe.metrics import Metrics
from tests.support.clock import FakeClock

NO_PATH = error_from_answer(404, b"404 page not found", None)
NO_OBJECT = KubeError(Failure.NOT_FOUND, "not found", status=404, reason="NotFound")
THERE = orjson.dumps(
    {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"versions": [{"name": "v1", "served": True}]},
    }
)


class Server:
    """An API server that serves no PodDNATs, and has the definition, or not."""

    def __init__(self, definition_is: bytes | KubeError) -> None:
        self.definition_is = definition_is

    def request(self, _method: str, path: str, **_: Any) -> bytes:
        answer = self.definition_is if path == definition.PATH else NO_PATH
        if isinstance(answer, KubeError):
            raise answer
        return answer


def looked(server: Any) -> DefinitionKeeper:
    records: Any = SimpleNamespace(served=Served(server, "v1"), read_schema=lambda: None)
    keeper = DefinitionKeeper(server, records, Metrics(), lambda *_: None, FakeClock())
    keeper.look()
    return keeper


def test_it_is_gone_where_the_server_says_so() -> None:
    assert looked(Server(NO_OBJECT)).undefined()


@pytest.mark.parametrize("answer", [THERE, NO_PATH])
def test_that_no_poddnats_are_served_just_now_says_nothing_of_it(answer: bytes | KubeError) -> None:
    assert not looked(Server(answer)).undefined()


UNKNOWN = [NO_PATH, KubeError(Failure.FORBIDDEN, "no"), KubeError(Failure.UNREACHABLE, "no")]
"""Answers that do not say whether there is a definition."""


@pytest.mark.parametrize("answer", [THERE, *UNKNOWN])
def test_nobody_takes_dnatctl_away_and_leaves_poddnats_that_are_not_served_just_now(
    answer: bytes | KubeError,
) -> None:
    server: Any = Server(answer)
    with pytest.raises(KubeError):
        _served(server)


def test_where_there_are_none_it_may_go() -> None:
    server: Any = Server(NO_OBJECT)
    assert _served(server) is None


@pytest.mark.parametrize("answer", [THERE, *UNKNOWN])
def test_poddnats_that_are_not_served_just_now_may_own_any_row(answer: bytes | KubeError) -> None:
    with pytest.raises(KubeError):
        looked(Server(answer)).known_uids()


def test_where_there_is_no_definition_no_poddnat_owns_a_row() -> None:
    assert looked(Server(NO_OBJECT)).known_uids() == set()

"""Before PodDNATs are served a controller is alive, and says what it waits for."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dnatctl.cli import prelude
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.client import KubeClient
from dnatctl_sim.kube import KubeServer
from tests.support.stage import CRD, eventually

CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Waiting:
    """A controller's prelude on a thread of its own."""

    def __init__(self, client: KubeClient) -> None:
        self.stop = threading.Event()
        self.prelude = prelude.Prelude(client, self.stop, Heartbeats())
        self.answers: list[str | None] = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.answers.append(self.prelude.served("127.0.0.1:0"))

    def asked(self, path: str) -> tuple[int, str]:
        """What health answers."""
        port = eventually(lambda: self.prelude.port)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()


@pytest.fixture
def waiting(wire: KubeClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    monkeypatch.setattr(prelude, "RETRY_S", 0.05)
    made = Waiting(wire)
    yield made
    made.stop.set()
    made.thread.join(60)


def test_it_is_alive_and_says_what_is_missing(waiting: Waiting) -> None:
    assert waiting.asked("/livez")[0] == 200
    status, text = waiting.asked("/readyz?verbose")
    assert (status, "is the CRD installed?" in text) == (500, True)


def test_it_goes_on_when_the_definition_comes(waiting: Waiting, kube: KubeServer) -> None:
    waiting.asked("/livez")
    kube.store.create(CRDS, yaml.safe_load(Path(CRD).read_text("utf-8")))
    waiting.thread.join(60)
    assert waiting.answers == ["v1"]
    assert waiting.prelude.port == 0


def test_it_can_be_told_to_stop(waiting: Waiting) -> None:
    waiting.asked("/livez")
    waiting.stop.set()
    waiting.thread.join(60)
    assert waiting.answers == [None]

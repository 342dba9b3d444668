"""A new leader has everything listed anew, also where an informer rests after failures."""

from __future__ import annotations

from typing import Any, NoReturn

from dnatctl.clock import SystemClock
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.informer import Informer, InformerSettings
from dnatctl.kube.namespaces import NamespaceSource
from tests.support.stage import eventually

LIST = b'{"kind":"NamespaceList","metadata":{"resourceVersion":"5"},"items":[]}'


class Server:
    """Answers lists, and breaks every watch."""

    def request(self, *_args: object, **_options: object) -> bytes:
        return LIST

    def stream(self, *_args: object, **_options: object) -> NoReturn:
        raise KubeError(Failure.UNREACHABLE, "away")


def test_one_that_rests_after_a_failure_lists_at_once() -> None:
    server: Any = Server()
    settings = InformerSettings(backoff=(3600.0, 3600.0))
    informer = Informer(server, NamespaceSource(), clock=SystemClock(), settings=settings)
    informer.start()
    try:
        eventually(lambda: informer.stats.watches)
        eventually(informer.relist())
    finally:
        informer.stop()
        assert informer.join(60)

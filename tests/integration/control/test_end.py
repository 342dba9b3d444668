"""The end of a leader: what another may not meet is waited for, and nothing else."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control import controller
from tests.support.stage import NAMESPACE, PATIENCE_S, Stage, eventually, stage

LEASES = "leases.coordination.k8s.io"


def holder(it: Stage) -> str:
    """Who leads, as the Lease says; "" once it was given back."""
    lease = it.kube.store.get(LEASES, NAMESPACE, "dnatctl") or {"spec": {}}
    return str(lease["spec"].get("holderIdentity") or "")


def test_the_lease_does_not_wait_for_an_answer_to_a_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller, "DRAIN_S", 10 * PATIENCE_S)
    with stage() as it:
        running = it.start_controller()
        assert holder(it) == running.controller.parts.settings.identity
        asked, answer = threading.Event(), threading.Event()

        def read_page(_table: str, _number: int) -> NoReturn:
            asked.set()
            answer.wait(10 * PATIENCE_S)
            raise CloudError(Operation.READ_TABLE, ErrorKind.UNKNOWN)

        running.controller.parts.cloud.read_page = read_page  # type: ignore[method-assign]
        running.controller.parts.gateways.fleet.read_soon()
        assert asked.wait(PATIENCE_S)
        running.stop.set()
        try:
            eventually(lambda: holder(it) == "", what="another may lead")
            leading = running.controller.parts.standing.leading
            eventually(lambda: not leading.is_set(), what="it does not say that it leads any more")
            assert running.thread.is_alive(), "it waits for its readers, after that"
        finally:
            answer.set()

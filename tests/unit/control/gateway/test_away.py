"""A cloud that is away: how often it is called meanwhile, and how soon all is done afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.outcomes import BARRED_PAUSE_S
from dnatctl.model import NewEntry
from dnatctl.table.silence import AWAY_PAUSE_S, UNANSWERED
from tests.unit.control.gateway.simulated import Simulated, SimulatedTable

PODS = 25


class Leaving(SimulatedTable):
    """A table of a cloud that fails so while it is `away`; creates of these `ports` always do."""

    away = False
    kind = ErrorKind.UNKNOWN
    unanswered = 0
    ports: frozenset[int] = frozenset()

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        self._answer(Operation.CREATE, lost=new.external_ports.first in self.ports)
        return super().create_entry(table, new, token, guard)

    def read_page(self, table: str, number: int) -> Any:
        self._answer(Operation.READ_TABLE)
        return super().read_page(table, number)

    def _answer(self, operation: Operation, *, lost: bool = False) -> None:
        if self.away or lost:
            self.unanswered += operation.writes
            raise CloudError(operation, self.kind)


@pytest.fixture
def it() -> Simulated:
    return Simulated(lambda: 0.02, Leaving)


@pytest.mark.parametrize("away_s", [12.0, 600.0])
def test_writes_wait_together_and_are_done_soon_after(it, away_s):
    """Each for itself they were tried 88 times in 12 s, and waited up to a minute afterwards."""
    it.cloud.away = True
    it.ask(PODS)
    it.run(away_s)
    assert UNANSWERED < it.cloud.unanswered <= UNANSWERED + 3 + away_s / AWAY_PAUSE_S[1]
    it.cloud.away = False
    it.settle(AWAY_PAUSE_S[1] + PODS * 0.3)


@pytest.mark.parametrize("pods", [1, PODS])
@pytest.mark.parametrize("away_s", [12.0, 100.0, 600.0])
def test_so_it_is_where_the_credentials_are_refused(it, pods, away_s):
    """Those of 25 were in order again for 45 s before the last of them was done."""
    it.cloud.away, it.cloud.kind = True, ErrorKind.AUTH
    it.ask(pods)
    it.run(away_s)
    assert it.cloud.unanswered <= 1 + away_s / BARRED_PAUSE_S
    it.cloud.away = False
    it.settle(BARRED_PAUSE_S + pods * 0.3)


def test_the_table_could_be_read_again_so_it_is_written_to(it):
    it.cloud.away = True
    it.ask(1)
    it.run(100.0)
    it.run_until(lambda: it.writer.step() > AWAY_PAUSE_S[1] / 2)
    it.cloud.away = False
    it.poller.nudge()
    it.poller.step()
    assert it.writer.step() == 0.0
    assert it.cloud.made == 1


def test_a_few_without_an_answer_do_not_hold_up_others_for_long(it):
    it.cloud.ports = frozenset(range(601, 604))
    it.ask(3)
    it.run(60.0)
    it.ask(5, "others")
    it.run(AWAY_PAUSE_S[1] + 2.0)
    assert it.cloud.made == 5

"""What the sweeper does with what is left to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.kube.errors import Failure, KubeError
from tests.unit.control.gateway.made import AtWork
from tests.unit.table.made import EIP, GATEWAY, MARKS, reading, row, uid


class Ledger:
    """A ledger that keeps what was struck, or does not answer."""

    def __init__(self) -> None:
        self.struck: list[tuple[str, set[str]]] = []
        self.down = False

    def strike(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        if self.down:
            raise KubeError(Failure.UNREACHABLE, "away")
        self.struck.append((gateway_id, set(entry_ids)))


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def sweeper(it: AtWork, ledger: Any) -> Sweeper:
    return Sweeper(
        it.views,
        it.gateways,
        it.metrics,
        ledger=ledger,
        known_uids=set,
        may_delete=lambda: True,
        cycle_s=5.0,
    )


def test_rows_of_another_cluster_with_the_same_id_are_told_also_where_one_was_adopted(it, sweeper):
    """A cluster made anew, say, adopts what the PodDNATs that were brought along record."""
    it.views.identify("00000001")
    twin = replace(MARKS, tag="00000002")
    names = {f"fwd-{n}": twin.name(uid(n), "games-lobby-0") for n in (1, 2)}
    rows = [replace(row(i, f"{EIP}:60{i[-1]}"), name=name) for i, name in names.items()]
    own = row("fwd-3", f"{EIP}:603", owner=uid(3))
    it.views.adopt({"fwd-1": uid(1)})
    now = it.clock.monotonic()
    it.views.table(GATEWAY).merge(reading(now, *rows, own, row("fwd-4", f"{EIP}:604")), now)
    assert {entry.entry_id for entry in it.views.rows_of_others()} == names.keys()
    sweeper.sweep()
    (note,) = sweeper.notes()
    assert "2 entries" in note


class TestLedger:
    """Adopted rows that are gone leave the ledger, that of their gateway alone."""

    def lose(self, it: AtWork, *adopted: str) -> None:
        """Rows of which these are adopted are there in one reading and not in the next."""
        it.views.adopt(dict.fromkeys(adopted, uid(1)))
        it.views.table("ngw-other")
        it.cloud.rows = {i: row(i) for i in (*adopted, "fwd-foreign")}
        self.read(it)
        it.cloud.rows = {}
        for _ in range(3):  # what one takes back is believed when another agrees
            self.read(it)

    def read(self, it: AtWork) -> None:
        it.clock.advance(1.0)
        it.poller._read(it.poller._facts(), asked=True)

    def test_the_poller_asks_nobody(self, it, sweeper, ledger):
        """It reads the table: the API server may take seconds to answer, or not answer at all."""
        self.lose(it, "fwd-1")
        assert ledger.struck == []
        sweeper.step()
        assert ledger.struck == [(GATEWAY, {"fwd-1"})]
        sweeper.step()
        assert len(ledger.struck) == 1, "once"

    def test_rows_that_were_not_adopted_are_no_news(self, it, sweeper, ledger):
        self.lose(it)
        sweeper.step()
        assert ledger.struck == []
        assert not it.gateways.remains.soon.is_set()

    def test_a_ledger_that_does_not_answer_holds_nothing_up(self, it, sweeper, ledger):
        self.lose(it, "fwd-1")
        ledger.down = True
        assert sweeper.step() > 0


class TestVanished:
    def test_what_it_leaves_goes_before_the_cycle_is_over(self, it, sweeper):
        record = it.stored(it.record())
        it.views.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=record.uid)), 1.0)
        assert sweeper.step() == pytest.approx(5.0)
        assert it.writer.backlog() == 0
        it.gone(record)
        sweeper.step()
        assert it.writer.backlog() == 1

    def test_what_is_being_deleted_is_not_deleted_again(self, it, sweeper):
        """The cloud may take its time, and answers the next one that there is no such row."""
        record = it.stored(it.record())
        it.views.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=record.uid)), 1.0)
        it.gone(record)
        sweeper.step()
        it.writer.step()
        assert len(it.cloud.tokens) == 1
        for _ in range(3):
            it.clock.advance(5.0)
            sweeper.step()
            it.writer.step()
        assert len(it.cloud.tokens) == 1

    def test_rows_that_leave_the_ledger_are_no_reason_to_sweep(self, it, sweeper):
        """So many orphans are deleted in one cycle, not in the time that rows take to go."""
        sweeper.step()
        it.clock.advance(1.0)
        it.gateways.remains.unlisted(GATEWAY, ["fwd-1"])
        assert sweeper.step() == pytest.approx(4.0)


@pytest.mark.parametrize("undefined", [True, False])
def test_what_goes_with_its_definition_is_not_to_be_released(it, undefined):
    """Its pod may claim it again, as soon as there is a definition: even before a sweep."""
    it.views.undefined = lambda: undefined
    record = it.stored(it.record())
    it.cloud.rows = {"fwd-1": row("fwd-1", owner=record.uid)}
    it.clock.advance(1.0)
    it.poller._read(it.poller._facts(), asked=True)
    it.gone(record)
    assert (record.uid in it.views.going) is not undefined

"""What people are told of writes that get nowhere, and when that is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.model import EntryStatus, NewEntry
from dnatctl.objects import Key, PodDNAT
from dnatctl.table.standstill import LASTS_S
from dnatctl.table.unready import BELIEVED_S
from dnatctl.table.writes import Refused
from tests.unit.control.gateway.made import LOBBY, AtWork, Cloud, create, delete
from tests.unit.table.made import EIP, GATEWAY, reading, row, uid

NO = "IncorrectStatus.NatGateway: wait"


def error(kind: ErrorKind) -> CloudError:
    return CloudError(Operation.CREATE, kind, code="IncorrectStatus.NatGateway", message="wait")


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def record(it: AtWork) -> PodDNAT:
    return it.stored(it.record())


def steps(it: AtWork, seconds: float, kind: ErrorKind = ErrorKind.BUSY) -> None:
    """The table refuses all for so long, and the writer tries as it sees fit."""
    end = it.clock.monotonic() + seconds
    while it.clock.monotonic() < end:
        it.cloud.answers = [error(kind)]
        it.clock.advance(max(it.writer.step(), 0.05))
    it.cloud.answers = []


def until_written(it: AtWork) -> None:
    for _ in range(20):
        it.clock.advance(max(it.writer.step(), 0.05))
        if not it.writer.backlog():
            return
    raise AssertionError("nothing was written")


@pytest.mark.parametrize("kind", [ErrorKind.BUSY, ErrorKind.RETRY])
def test_a_table_that_takes_no_write_is_told_until_it_takes_one(it, record, kind):
    it.gateways.want(record.uid, LOBBY, (create(),))
    steps(it, LASTS_S / 2, kind)
    assert (it.writer.trouble(), it.writer.complaints()) == ("", [])
    steps(it, LASTS_S, kind)
    assert it.writer.trouble() == NO
    (told,) = it.writer.complaints()
    assert NO in told
    assert " s: " in told, "for how long"
    assert it.heard.gateways == [GATEWAY], "who waits looks again, once"
    until_written(it)
    assert (it.writer.trouble(), it.writer.complaints()) == ("", [])
    assert it.heard.gateways == [GATEWAY, GATEWAY]


def test_the_row_of_somebody_else_that_does_not_settle_is_named(it, record):
    it.gateways.want(record.uid, LOBBY, (create(),))
    steps(it, LASTS_S + 10)
    now = it.clock.monotonic()
    stuck = row("fwd-9", owner="", status=EntryStatus.PENDING)
    it.views.table(GATEWAY).merge(reading(now, stuck), now)
    steps(it, 10)
    assert it.writer.trouble() == f"{NO}; fwd-9 (not dnatctl's) is Pending"
    assert it.heard.gateways == [GATEWAY, GATEWAY], "the releases are told of it too"


@pytest.mark.parametrize("kind", [ErrorKind.BUSY, ErrorKind.GONE_OR_BUSY])
def test_releases_are_told_what_holds_them_up_tried_or_not(it, record, kind):
    other = it.stored(it.record(2, Key("games", "lobby-1"), 601))
    listed = {"fwd-1": row("fwd-1", owner=record.uid), "fwd-2": row("fwd-2", owner=other.uid)}
    it.cloud.rows = dict(listed)
    now = it.clock.monotonic()
    it.views.table(GATEWAY).merge(reading(now, *listed.values()), now)
    for each, entry_id in ((record, "fwd-1"), (other, "fwd-2")):
        it.gateways.want(each.uid, each.key, (delete(entry_id),))
    steps(it, LASTS_S / 2, kind)
    assert it.writer.hindrances(record.uid) == {}
    steps(it, LASTS_S, kind)
    assert it.writer.hindrances(record.uid) == {"fwd-1": NO}
    assert it.writer.hindrances(other.uid) == {"fwd-2": NO}
    until_written(it)
    assert it.writer.hindrances(other.uid) == {}


@pytest.mark.parametrize("kind", [ErrorKind.AUTH, ErrorKind.DENIED, ErrorKind.UNKNOWN])
def test_what_was_answered_to_a_write_that_nobody_wants_any_more_is_told_no_more(it, record, kind):
    """No other is tried that would show that the cloud takes them again."""
    it.gateways.want(record.uid, LOBBY, (create(),))
    steps(it, 1.0, kind)
    assert it.writer.complaints()
    it.gateways.want(record.uid, LOBBY, ())
    for _ in range(5):  # an answer that was lost is waited for, and looked for
        it.clock.advance(30.0)
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now), now)
        it.writer.step()
    assert (it.writer.trouble(), it.writer.complaints()) == ("", [])


def test_deletes_that_are_denied_are_no_matter_of_creates_that_wait(it, record):
    it.gateways.want(record.uid, LOBBY, (delete(),))
    steps(it, 1.0, ErrorKind.DENIED)
    assert it.writer.complaints()
    it.gateways.want(record.uid, LOBBY, (create(),))
    assert it.writer.complaints() == []


class OneShut(Cloud):
    """Makes no row on the EIP, and does not delete one; it calls that busy, or to be repeated."""

    kind = ErrorKind.BUSY

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        if new.external_ip == EIP:
            self.answers = [error(self.kind)]
        return super().create_entry(table, new, token, guard)

    def delete_entry(self, table: str, entry_id: str, token: str, guard: object = None) -> None:
        if entry_id == "fwd-1":
            self.answers = [error(self.kind)]
        super().delete_entry(table, entry_id, token, guard)


class TestOneShut:
    """An external IP, or a row, that is always refused as busy while the table takes others."""

    @pytest.fixture
    def it(self) -> AtWork:
        it = AtWork()
        it.cloud.__class__ = OneShut
        return it

    def pass_by(self, it: AtWork, seconds: float, *wanted: tuple[PodDNAT, object]) -> None:
        """Somebody else's rows come and go all the time; what is wanted is wanted again."""
        other = it.stored(it.record(9, Key("games", "other"), 609, "9.9.9.9"))
        made = create(609, 9, "9.9.9.9")
        made = replace(made, entry=replace(made.entry, internal_ip="10.9.9.9"))
        end = it.clock.monotonic() + seconds
        while it.clock.monotonic() < end:
            it.gateways.want(other.uid, other.key, (made,))
            for record, write in wanted:
                it.gateways.want(record.uid, record.key, (write,))
            for _ in range(4):
                it.clock.advance(max(min(it.writer.step(), 0.2), 0.05))

    @pytest.mark.parametrize("kind", [ErrorKind.BUSY, ErrorKind.RETRY])
    def test_it_is_told_and_then_held_against_the_ip(self, it, record, kind):
        it.cloud.kind = kind
        second = it.stored(it.record(2, Key("games", "lobby-1"), 601))
        creates = (record, create()), (second, create(601, 2))
        self.pass_by(it, LASTS_S + 15.0, *creates)
        assert it.writer.unready(record.uid) == NO
        assert f"no entry is made on {EIP}, while others are: {NO}" in it.writer.complaints()
        assert it.writer.trouble() == "", "others get through"
        assert not it.writer.refusals(record.uid)
        self.pass_by(it, BELIEVED_S, *creates)
        (refusal,) = it.writer.refusals(record.uid).values()
        assert refusal.why is Refused.UNFORESEEN
        assert "IncorrectStatus" in it.views.pool.trust.flaw(GATEWAY, EIP, it.clock.monotonic())

    def test_nothing_is_said_against_the_table_where_nobody_wants_a_row_elsewhere(self, it, record):
        self.pass_by(it, 20.0, (record, create()))
        it.gateways.want(uid(9), Key("games", "other"), ())
        steps(it, LASTS_S + 5.0)
        assert it.writer.trouble() == ""
        assert it.writer.unready(record.uid) == NO

    def test_a_release_is_told_what_the_cloud_answers_to_its_delete(self, it, record):
        it.cloud.rows = {"fwd-1": row("fwd-1", owner=record.uid)}
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, it.cloud.rows["fwd-1"]), now)
        self.pass_by(it, 10.0, (record, delete()))
        assert it.writer.hindrances(record.uid) == {}
        self.pass_by(it, LASTS_S + 10.0, (record, delete()))
        assert NO in it.writer.hindrances(record.uid)["fwd-1"]

    def test_without_other_writes_nothing_tells_it_from_a_busy_table(self, it, record):
        it.gateways.want(record.uid, LOBBY, (create(),))
        steps(it, BELIEVED_S + 60.0)
        assert not it.writer.refusals(record.uid)
        assert it.writer.unready(record.uid) == ""

"""What workers want of gateways, what ends with a PodDNAT, and who is told of a gateway's end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from msgspec.structs import replace as replace_struct

from dnatctl.clock import Deadline
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import MISCOUNTED
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.absence import ALONE_BELIEVED_S
from dnatctl.model import Gateway
from dnatctl.objects import Adopted
from dnatctl.orders import Order, OrderKind, Orders
from dnatctl.table.read_pace import KICK_SPACING_S
from tests.unit.control.gateway.made import LOBBY, AtWork, create, delete
from tests.unit.pool.made import eip, offer
from tests.unit.table.made import GATEWAY, reading, row, uid

NO_ANSWER = CloudError(Operation.CREATE, ErrorKind.UNKNOWN)


@pytest.fixture
def it() -> AtWork:
    return AtWork()


class TestWanting:
    def test_what_is_wanted_waits_at_its_gateway(self, it):
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(600), create(601)))
        assert it.writer.backlog() == 2
        it.gateways.want(record.uid, LOBBY, ())
        assert it.writer.backlog() == 0

    def test_a_plan_made_on_an_old_look_does_not_revive_what_is_gone(self, it):
        """Nobody would ever take it back."""
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.gone(record)
        it.gateways.want(record.uid, LOBBY, (create(),))
        assert it.writer.backlog() == 0

    def test_a_gateway_that_is_not_at_work_wants_nothing(self, it):
        record = it.stored(it.record())
        it.gateways.fleet.dismiss(GATEWAY)
        it.gateways.want(record.uid, LOBBY, (create(),))
        assert it.writer.backlog() == 0


class TestPaused:
    @pytest.mark.parametrize("target", ["all", f"gateway/{GATEWAY}"])
    def test_what_was_handed_over_before_is_not_written_meanwhile(self, it, target):
        threads = it.gateways._make_threads(GATEWAY)
        it.gateways.fleet.put(GATEWAY, threads)
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.views.order(Orders((Order(OrderKind.PAUSE, target),)))
        threads.writer.step()
        assert threads.writer.backlog() == 1
        it.views.order(Orders())
        threads.writer.step()
        assert threads.writer.backlog() == 0

    def test_another_gateway_is_no_reason_to_wait(self, it):
        threads = it.gateways._make_threads(GATEWAY)
        it.gateways.fleet.put(GATEWAY, threads)
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.views.order(Orders((Order(OrderKind.PAUSE, "gateway/ngw-other"),)))
        threads.writer.step()
        assert threads.writer.backlog() == 0


def test_a_table_is_read_for_who_waits_for_what_it_lists(it):
    poller = it.gateways.fleet.poller(GATEWAY)
    while not poller.step():
        pass
    before = poller.last_pass
    it.clock.advance(KICK_SPACING_S)
    assert poller.step(), "nobody waits"
    it.gateways.read(GATEWAY)
    it.gateways.read("ngw-of-others")
    poller.step()
    assert poller.last_pass > before


class TestWhatStandsInTheWay:
    def test_the_rows_of_a_poddnat_that_is_there_go_first(self, it):
        record = it.stored(it.record())
        it.gateways.expedite(record.uid)
        assert it.heard.changes == [LOBBY]
        assert not it.gateways.remains.take().in_the_way

    def test_only_the_writers_of_its_rows_are_told_and_only_while_it_lasts(self, it):
        record = it.stored(it.record())
        it.gateways.expedite(record.uid)
        assert not it.writer._backlog._expedited, "it has no row there"
        it.views.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=record.uid)), 1.0)
        it.gateways.expedite(record.uid)
        assert it.writer._backlog._expedited == {record.uid}
        it.gone(record)
        assert not it.writer._backlog._expedited

    def test_no_writer_is_woken_for_what_is_not_due_any_sooner(self, it):
        record = it.stored(it.record())
        it.views.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=record.uid)), 1.0)
        it.gateways.expedite(record.uid)
        assert not it.writer._loop._woken.is_set()
        it.gateways.want(record.uid, LOBBY, (delete("fwd-1"),))
        assert it.writer._loop._woken.is_set()

    def test_those_of_one_that_is_not_are_left_to_the_sweeper(self, it):
        it.gateways.expedite(uid(9))
        assert it.gateways.remains.take().in_the_way == {uid(9)}
        assert it.heard.changes == []


class TestVanished:
    """A PodDNAT whose finalizer was taken off by force: what it leaves is told of at once."""

    def vanished(self, it: AtWork) -> set[str]:
        return set(it.gateways.remains.take().vanished)

    def test_one_with_rows(self, it):
        record = it.stored(it.record())
        it.views.table(GATEWAY).merge(reading(1.0, row("fwd-1", owner=record.uid)), 1.0)
        it.gone(record)
        assert self.vanished(it) == {record.uid}
        assert it.gateways.remains.soon.is_set()

    def test_one_that_was_to_get_one(self, it):
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.gone(record)
        assert self.vanished(it) == {record.uid}

    def test_one_whose_create_was_not_answered_before_it_was_wanted_no_more(self, it):
        """Its row may be there yet, and lead to an IP that is another pod's."""
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.cloud.answers = [NO_ANSWER]
        it.writer.step()
        it.gateways.want(record.uid, LOBBY, ())
        it.gone(record)
        assert self.vanished(it) == {record.uid}

    def test_one_with_nothing_leaves_nothing(self, it):
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (delete(),))
        it.gateways.want(record.uid, LOBBY, ())
        it.gone(record)
        assert self.vanished(it) == set()


class TestDescribed:
    def name_another(self, it: AtWork) -> None:
        """A PodDNAT names a gateway that is not configured, and that is there."""
        named = it.record()
        it.stored(replace_struct(named, spec=replace_struct(named.spec, gateway_id="ngw-2")))
        it.cloud.described = [Gateway("ngw-2", "ftb-2", "zone", "vpc", ())]

    def test_of_one_that_a_poddnat_names_no_other_reading_is_waited_for(self, it):
        """A release would wait for ever, as the table is read but once."""
        self.name_another(it)
        it.gateways._describe()
        assert it.views.table("ngw-2").read_once
        assert not it.views.table("ngw-2").caught_up
        it.gateways.read("ngw-2")
        assert it.views.table("ngw-2").caught_up
        it.gateways.read("ngw-invented")
        assert "ngw-invented" not in it.views.tables

    @pytest.mark.parametrize(("more", "believed"), [(MISCOUNTED, True), (MISCOUNTED + 1, False)])
    def test_nor_is_one_believed_to_list_nothing_where_more_is_counted(self, it, more, believed):
        self.name_another(it)
        it.cloud.read_page = lambda *_: SimpleNamespace(total=more, entries=())
        it.gateways._describe()
        assert it.views.table("ngw-2").read_once is believed

    def test_who_is_told_that_a_gateway_is_there_again_sees_it(self, it):
        """In the moment of being told: what it looks at may not be from before."""
        there = Gateway(GATEWAY, "ftb-1", "zone", "vpc", (eip(),))
        seen: list[bool] = []
        it.heard.gateway_changed = lambda _id: seen.append(GATEWAY in it.views.absent)
        it.views.absent = frozenset({GATEWAY})
        it.cloud.described = [there]
        it.gateways._describe()
        assert seen
        assert not any(seen)

    def test_one_that_could_not_be_begun_with_at_first_is_told_of_when_it_is(self, it):
        it.gateways.fleet.dismiss(GATEWAY)
        there, answers = Gateway(GATEWAY, "ftb-1", "zone", "vpc", (eip(),)), iter([TimeoutError])

        def adopted(_id: str) -> dict[str, str]:
            for error in answers:
                raise error
            return {}

        it.gateways._adopted = adopted
        with pytest.raises(TimeoutError):
            it.gateways._take_in(there)
        assert it.heard.gateways == []
        it.gateways._take_in(there)
        assert it.heard.gateways == [GATEWAY]
        it.gateways.fleet.stop()
        assert it.gateways.fleet.join(Deadline(it.clock, 30.0))

    def test_who_is_offered_again_is_told_of_though_it_is_as_before(self, it):
        """Only PodDNATs named it; now the file does: who waits for room is to look."""
        it.views.offer_again([], 60.0)
        it.views.pool.drop(GATEWAY)
        it.cloud.described = [Gateway(GATEWAY, "ftb-1", "zone", "vpc", (eip(),))]
        it.gateways._take_in(it.cloud.described[0])
        it.heard.gateways.clear()
        it.gateways._take_in(it.cloud.described[0])
        assert it.heard.gateways == []
        it.views.offer_again([offer()], 60.0)
        it.gateways._take_in(it.cloud.described[0])
        assert it.heard.gateways == [GATEWAY]
        assert it.views.pool.problem(GATEWAY) == ""


class TestGone:
    """The cloud does not list a gateway any more, and knows no such table."""

    GONE = Gateway(GATEWAY, "", "", "", (), problem="there is no such gateway", absent=True)
    OTHER = Gateway("ngw-2", "ftb-2", "zone", "vpc", (eip("2.2.2.2"),))

    @pytest.fixture
    def it(self) -> AtWork:
        it = AtWork()
        it.poller.missing = True
        it.views.adopt({"fwd-old": Adopted(uid(1))})
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, row("fwd-old", owner="")), now)
        return it

    def look(self, it: AtWork, *described: Gateway) -> None:
        it.cloud.described = [*described]
        it.clock.advance(60.0)
        it.gateways._describe()

    def test_it_is_gone_where_others_are_listed_twice(self, it):
        it.views.offer_again([offer(), replace(offer(), gateway_id="ngw-2")], 60.0)
        it.gateways.fleet.begin = lambda *_: None
        self.look(it, self.GONE, self.OTHER)
        assert not it.views.absent, "it may be an odd answer"
        self.look(it, self.GONE, self.OTHER)
        assert it.views.absent == {GATEWAY}
        assert it.views.table(GATEWAY).row("fwd-old") is None
        self.look(it, self.GONE)
        assert it.views.absent == {GATEWAY}, "what is believed stays so"

    def test_where_none_is_listed_it_may_be_another_accounts_key(self, it):
        began = it.clock.monotonic()
        self.look(it, self.GONE)
        while it.clock.monotonic() - began < ALONE_BELIEVED_S:
            self.look(it, self.GONE)
            assert not it.views.absent
        self.look(it, self.GONE)
        assert it.views.absent == {GATEWAY}

    def test_one_that_could_not_be_asked_about_is_no_other(self, it):
        it.views.offer_again([offer(), replace(offer(), gateway_id="ngw-2")], 60.0)
        it.gateways.fleet.begin = lambda *_: None
        unread = Gateway("ngw-2", "", "", "", (), unread="Forbidden")
        for _ in range(3):
            self.look(it, self.GONE, unread)
        assert not it.views.absent

    def test_which_rows_were_adopted_is_known_when_it_is_listed_again(self, it):
        """They have no mark: they would be foreign for ever."""
        it.gateways._lose(GATEWAY)
        assert it.views.table(GATEWAY).row("fwd-old") is None
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, row("fwd-old", owner="")), now)
        assert it.views.table(GATEWAY).row("fwd-old").owner == uid(1)
        assert not it.gateways.remains.take().unlisted


class TestLettingGo:
    @pytest.fixture
    def it(self) -> AtWork:
        """The file names the gateway no more, and of its last write it is not known what came."""
        it = AtWork()
        record = it.stored(it.record())
        it.gateways.want(record.uid, LOBBY, (create(),))
        it.cloud.answers = [NO_ANSWER]
        it.writer.step()
        it.gone(record)
        it.writer.step()
        it.views.offer_again([], 60.0)
        assert it.views.pool.emptied() == [GATEWAY]
        return it

    def test_not_while_its_writer_waits_to_write(self, it):
        """There may be a row, which nobody would ever delete."""
        assert not it.writer.busy()
        it.gateways._let_go()
        assert GATEWAY in it.gateways.fleet

    def test_of_one_that_is_gone_nothing_is_waited_for(self, it):
        """What is to be written to its table will be for ever."""
        it.views.absent = frozenset({GATEWAY})
        it.gateways._let_go()
        assert GATEWAY not in it.gateways.fleet


class TestTheEnd:
    def test_no_record_of_what_was_adopted_is_asked_for_any_more(self, it):
        it.gateways.fleet.dismiss(GATEWAY)
        asked: list[str] = []
        it.gateways._adopted = lambda gateway_id: asked.append(gateway_id) or {}
        it.gateways.fleet.stop()
        it.gateways._begin(GATEWAY)
        assert asked == []

    def test_nobody_begins_with_a_gateway_that_is_described_while_all_are_stopped(self, it):
        """A reader and a writer nobody stops cost the end all its time, and the Lease."""
        it.gateways.fleet.dismiss(GATEWAY)

        def described(wanted: object, heard: Callable[[Gateway], None]) -> list[Gateway]:
            it.gateways.fleet.stop_writers()
            heard(first)
            return [first]

        first = Gateway(GATEWAY, "ftb-1", "zone", "vpc", (eip(),))
        it.cloud.describe_gateways = described
        it.gateways._describe()
        assert GATEWAY not in it.gateways.fleet
        it.gateways.stop()
        assert it.gateways.join(Deadline(it.clock, 30.0)), "nothing is under way"


class TestTheBeginning:
    def test_there_is_work_as_soon_as_one_table_is_read(self, it):
        it.gateways._described = True
        it.gateways.fleet.put("ngw-2", it.gateways._make_threads("ngw-2"))
        assert not it.gateways.ready()
        assert it.gateways.begun()

    def test_but_not_before(self, it):
        it.views.tables.clear()
        assert not it.gateways.begun()

    def test_a_table_is_read_while_other_gateways_are_still_being_described(self, it):
        begun: list[str] = []
        it.gateways._begin = begun.append
        it.gateways.fleet.dismiss(GATEWAY)
        it.views.absent = frozenset({GATEWAY})

        def described(wanted: object, heard: Callable[[Gateway], None]) -> list[Gateway]:
            heard(first)
            assert begun == [GATEWAY]
            assert not it.views.absent, "who is told that it is there sees that"
            return [first]

        first = Gateway(GATEWAY, "ftb-1", "zone", "vpc", (eip(),))
        it.cloud.describe_gateways = described
        it.gateways.step()

    def test_too_many_calls_are_no_reason_to_wait_longer_than_the_limit_for_calls_says(self, it):
        def refused(wanted: object, heard: object) -> list[Gateway]:
            raise CloudError(Operation.READ_EIPS, ErrorKind.THROTTLED)

        it.cloud.describe_gateways = refused
        assert it.gateways.step() == 0.0
        assert it.gateways.error


def test_claims_are_not_gone_through_to_learn_which_gateways_they_name(it, monkeypatch):
    """The lock is held meanwhile, and that is asked at each look at a gateway."""
    it.stored(it.record())
    monkeypatch.setattr(it.views.pool, "claims", None)
    assert it.gateways._concerned() == ({GATEWAY}, set())

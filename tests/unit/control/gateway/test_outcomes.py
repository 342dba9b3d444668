"""What each answer to a write means: for the write, the pool, the view, and those concerned."""

from __future__ import annotations

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.blame import FRUITLESS_IDLE_S, FRUITLESS_S
from dnatctl.control.gateway.outcomes import BARRED_PAUSE_S, DOUBTED
from dnatctl.control.state.unmodifiable import HOLD_S as DENIED_HOLD_S
from dnatctl.model import NewEntry
from dnatctl.objects import Key, Pod, PodDNAT
from dnatctl.pool.trust import HOLD_S, SCOUT_S
from dnatctl.table.backlog import DENIED_PAUSE_S, REFUSED_RETRY_S, RETRY_S
from dnatctl.table.unready import BELIEVED_S
from dnatctl.table.writes import Refused
from tests.unit.control.gateway.made import LOBBY, AtWork, Cloud, create, delete, entry, modify
from tests.unit.table.made import EIP, GATEWAY, POD_IP, reading, row


def error(kind: ErrorKind, code: str = "Some.Code") -> CloudError:
    return CloudError(Operation.CREATE, kind, code=code, message="words")


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def record(it: AtWork) -> PodDNAT:
    return it.stored(it.record())


def answered(it: AtWork, record: PodDNAT, write: object, kind: ErrorKind) -> float:
    """The write is answered so; returns after how long it is due again, -1 if it is over."""
    it.gateways.want(record.uid, LOBBY, (write,))
    it.cloud.answers = [error(kind)]
    it.writer.step()
    due = it.writer._backlog.next_due()
    return -1.0 if due is None else max(due - it.clock.monotonic(), 0.0)


def refusal(it: AtWork, record: PodDNAT) -> Refused | None:
    found = it.writer.refusals(record.uid).get(entry())
    return found.why if found else None


class TestCreate:
    @pytest.mark.parametrize(
        ("kind", "due", "why"),
        [
            (ErrorKind.BUSY, 0.0, None),
            (ErrorKind.RETRY, 0.0, None),
            (ErrorKind.THROTTLED, 0.0, None),
            (ErrorKind.GONE_OR_BUSY, 0.0, None),
            (ErrorKind.UNKNOWN, RETRY_S[0], None),
            (ErrorKind.GONE, RETRY_S[0], None),
            (ErrorKind.GATEWAY, RETRY_S[0], Refused.UNUSABLE),
            (ErrorKind.AUTH, 0.0, Refused.REJECTED),
            (ErrorKind.DENIED, DENIED_PAUSE_S[0], Refused.REJECTED),
            (ErrorKind.QUOTA, REFUSED_RETRY_S[0], Refused.QUOTA),
            (ErrorKind.CONFLICT, -1.0, Refused.CONFLICT),
            (ErrorKind.MISMATCH, -1.0, Refused.CONFLICT),
            (ErrorKind.UNCLASSIFIED, -1.0, Refused.UNFORESEEN),
        ],
    )
    def test_when_it_is_tried_again_and_what_is_said_of_its_row(self, it, record, kind, due, why):
        assert answered(it, record, create(), kind) == pytest.approx(due)
        assert refusal(it, record) is why

    @pytest.mark.parametrize("kind", [ErrorKind.GONE, ErrorKind.GATEWAY])
    def test_the_gateway_is_described_anew(self, it, record, kind):
        answered(it, record, create(), kind)
        assert it.doubts == 1

    @pytest.mark.parametrize(
        "kind", [ErrorKind.UNKNOWN, ErrorKind.CONFLICT, ErrorKind.UNCLASSIFIED]
    )
    def test_the_table_is_read_soon(self, it, record, kind):
        it.poller._asked.clear()
        answered(it, record, create(), kind)
        assert it.poller._asked.is_set()

    def test_a_full_table_is_full_for_the_others_too(self, it, record):
        answered(it, record, create(), ErrorKind.QUOTA)
        assert it.views.pool.limit(GATEWAY, it.clock.monotonic()) == 0

    def test_while_the_credentials_are_refused_the_whole_table_waits(self, it, record):
        answered(it, record, create(), ErrorKind.AUTH)
        other = it.stored(it.record(2, port=601))
        it.gateways.want(other.uid, LOBBY, (delete(),))
        assert it.writer.step() == pytest.approx(BARRED_PAUSE_S)

    def test_a_refusal_for_certain_leaves_the_endpoint_unused(self, it, record):
        answered(it, record, create(), ErrorKind.QUOTA)
        (endpoint,) = record.spec.endpoints()
        assert it.views.pool.is_unused(endpoint)

    def test_one_that_leaves_doubt_does_not(self, it, record):
        answered(it, record, create(), ErrorKind.UNKNOWN)
        (endpoint,) = record.spec.endpoints()
        assert not it.views.pool.is_unused(endpoint)


class OneMute(Cloud):
    """No create on the EIP is answered."""

    mute = EIP

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        if new.external_ip == self.mute:
            self.answers = [error(ErrorKind.UNKNOWN)]
        return super().create_entry(table, new, token, guard)


class TestNoAnswer:
    """An external IP on which creates get no answer while others of the table are accepted."""

    LONG_S = 3 * BELIEVED_S + 15.0
    """Tries of one create are a minute apart by then, and there were several."""

    @pytest.fixture
    def it(self) -> AtWork:
        it = AtWork()
        it.cloud.__class__ = OneMute
        return it

    def pass_by(self, it: AtWork, record: PodDNAT, seconds: float, beside: str = "made") -> None:
        """Its row is wanted; beside it somebody else's rows are `made`, or `deleted`, or none."""
        other = it.stored(it.record(9, Key("games", "other"), 609, "9.9.9.9"))
        end, number = it.clock.monotonic() + seconds, 0
        while it.clock.monotonic() < end:
            row = create(record.spec.ports[0].external, int(record.uid[-4:]))
            it.gateways.want(record.uid, record.key, (row,))
            number += 1
            if beside == "made":
                it.gateways.want(other.uid, other.key, (create(609, 9, "9.9.9.9"),))
            elif beside == "deleted":
                it.gateways.want(other.uid, other.key, (delete(f"fwd-{number}"),))
            for _ in range(4):
                it.clock.advance(max(min(it.writer.step(), 0.2), 0.05))

    def flaw(self, it: AtWork) -> str:
        return it.views.pool.trust.flaw(GATEWAY, EIP, it.clock.monotonic())

    def test_it_is_held_against_the_ip_after_a_while(self, it, record):
        self.pass_by(it, record, BELIEVED_S / 2)
        assert self.flaw(it) == ""
        it.heard.changes.clear()
        self.pass_by(it, record, self.LONG_S)
        assert "Some.Code: words" in self.flaw(it)
        assert GATEWAY in it.heard.gateways
        assert record.key in it.heard.changes
        assert it.writer.unanswered(record.uid), "what became of it is not known all the same"

    @pytest.mark.parametrize("beside", ["deleted", "nothing"])
    def test_it_may_be_all_creates_where_no_other_is_accepted(self, it, record, beside):
        self.pass_by(it, record, 5 * BELIEVED_S, beside)
        assert self.flaw(it) == ""

    def test_it_is_the_cloud_where_the_table_cannot_be_read_either(self, it, record):
        it.views.table(GATEWAY).unreadable = "no answer"
        self.pass_by(it, record, 5 * BELIEVED_S)
        assert self.flaw(it) == ""

    def test_a_create_that_is_accepted_there_makes_it_as_good_as_ever(self, it, record):
        self.pass_by(it, record, self.LONG_S)
        assert self.flaw(it)
        it.cloud.mute = ""
        self.pass_by(it, record, BELIEVED_S)
        assert self.flaw(it) == ""
        assert not it.writer.unanswered(record.uid)
        it.cloud.mute = EIP
        self.pass_by(it, it.stored(it.record(2, Key("games", "lobby-1"), 601)), 10.0)
        assert self.flaw(it) == "", "it is counted anew"

    def test_so_does_a_row_that_turns_up(self, it, record):
        self.pass_by(it, record, self.LONG_S)
        assert self.flaw(it)
        it.cloud.rows = {"fwd-77": entry().as_row("fwd-77")}
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, it.cloud.rows["fwd-77"]), now)
        it.gateways.want(record.uid, record.key, ())
        for _ in range(5):
            it.clock.advance(max(min(it.writer.step(), 0.2), 0.05))
        assert not it.writer.unanswered(record.uid)
        assert self.flaw(it) == ""
        self.pass_by(it, it.stored(it.record(2, Key("games", "lobby-1"), 601)), 10.0)
        assert self.flaw(it) == "", "it is counted anew"


class NoneTaken(Cloud):
    """Every create is answered alike, until somebody calls it well."""

    kind: ErrorKind | None = ErrorKind.BUSY

    def create_entry(self, table: str, new: NewEntry, token: str, guard: object = None) -> str:
        self.answers = [error(self.kind)] if self.kind else []
        return super().create_entry(table, new, token, guard)


class TestNoRow:
    """A gateway on which no create ends well, whatever is answered."""

    @pytest.fixture(params=[ErrorKind.BUSY, ErrorKind.RETRY, ErrorKind.UNKNOWN])
    def it(self, request) -> AtWork:
        it = AtWork()
        it.cloud.__class__ = NoneTaken
        it.cloud.kind = request.param
        return it

    def pass_by(self, it: AtWork, record: PodDNAT, seconds: float) -> None:
        """Its row is wanted."""
        it.gateways.want(record.uid, record.key, (create(owner=int(record.uid[-4:])),))
        end = it.clock.monotonic() + seconds
        while it.clock.monotonic() < end:
            it.clock.advance(max(min(it.writer.step(), 0.2), 0.05))

    def elsewhere(self, it: AtWork) -> None:
        """Another gateway takes a row."""
        it.views.pool.trust.accepted("other", "ngw-9", "9.9.9.9", it.clock.monotonic())

    def flaw(self, it: AtWork) -> str:
        return it.views.pool.trust.flaw(GATEWAY, EIP, it.clock.monotonic())

    def test_is_held_against_it_after_a_minute_in_which_another_takes_rows(self, it, record):
        self.pass_by(it, record, FRUITLESS_S / 2)
        self.elsewhere(it)
        self.pass_by(it, record, FRUITLESS_S / 2 - 5.0)
        assert self.flaw(it) == ""
        it.heard.gateways.clear()
        self.pass_by(it, record, 15.0)
        assert "other gateways take theirs: CreateForwardEntry: Some.Code: words" in self.flaw(it)
        assert it.heard.gateways == [GATEWAY]

    def test_may_be_all_gateways_where_no_other_takes_any(self, it, record):
        self.elsewhere(it)
        it.clock.advance(1.0)
        self.pass_by(it, record, 3 * FRUITLESS_S)
        assert self.flaw(it) == ""

    def test_one_that_is_accepted_makes_it_as_good_as_ever(self, it, record):
        self.elsewhere(it)
        self.pass_by(it, record, 2 * FRUITLESS_S)
        it.cloud.kind, kind = None, it.cloud.kind
        self.pass_by(it, record, FRUITLESS_S)
        assert self.flaw(it) == ""
        it.cloud.kind = kind
        self.elsewhere(it)
        self.pass_by(it, it.stored(it.record(2, Key("games", "lobby-1"))), FRUITLESS_S - 5.0)
        assert self.flaw(it) == "", "it is counted anew"

    def test_is_known_sooner_the_second_time_before_others_follow(self, it, record):
        self.elsewhere(it)
        self.pass_by(it, record, FRUITLESS_S + 15.0)
        it.gateways.want(record.uid, record.key, ())
        it.clock.advance(HOLD_S[0] + FRUITLESS_IDLE_S)
        assert self.flaw(it) == ""
        other = it.stored(it.record(2, Key("games", "lobby-1")))
        self.pass_by(it, other, SCOUT_S / 3)
        self.elsewhere(it)
        self.pass_by(it, other, SCOUT_S * 2 / 3)
        assert self.flaw(it)


class TestModify:
    def test_a_quota_is_no_matter_of_it(self, it, record):
        """What is there needs no room: the claim stays, and the table is not full for others."""
        assert answered(it, record, modify(), ErrorKind.QUOTA) == -1.0
        assert refusal(it, record) is Refused.UNFORESEEN
        answered(it, record, modify(), ErrorKind.QUOTA)
        assert it.writer.refusals(record.uid)[entry()].count == 2
        assert it.views.pool.limit(GATEWAY, it.clock.monotonic()) != 0

    def test_where_it_is_not_allowed_entries_are_replaced_for_a_while(self, it, record):
        answered(it, record, modify(), ErrorKind.DENIED)
        now = it.clock.monotonic()
        assert it.views.unmodifiable.at(now) == {GATEWAY}
        assert not it.views.unmodifiable.at(now + DENIED_HOLD_S[0])
        assert it.heard.changes == [LOBBY]

    def test_it_is_tried_again_by_itself_which_ends_that(self, it, record):
        """Under upsert-only there is no other way, and one denial cut pods off for ever."""
        due = answered(it, record, modify(), ErrorKind.DENIED)
        assert refusal(it, record) is Refused.REJECTED
        it.clock.advance(due)
        it.writer.step()
        assert not it.views.unmodifiable.at(it.clock.monotonic())

    def test_a_code_nobody_foresaw_is_asked_again_once(self, it, record):
        """So an accident costs nothing, and an entry that cannot be changed is replaced soon."""
        assert answered(it, record, modify(), ErrorKind.UNCLASSIFIED) == -1.0
        due = answered(it, record, modify(), ErrorKind.UNCLASSIFIED)
        assert due == pytest.approx(REFUSED_RETRY_S[0])
        assert it.writer.refusals(record.uid)[entry()].count == 2

    def test_credentials_that_are_refused_say_nothing_against_the_change(self, it, record):
        assert answered(it, record, modify(), ErrorKind.AUTH) == 0.0
        assert refusal(it, record) is None


def test_a_row_that_is_taken_disproves_the_limit_that_a_refusal_showed(it, record):
    """Else others are told for minutes that the table is full."""
    answered(it, record, create(), ErrorKind.QUOTA)
    assert it.views.pool.limit(GATEWAY, it.clock.monotonic()) == 0
    it.clock.advance(REFUSED_RETRY_S[0])
    it.writer.step()
    assert it.views.table(GATEWAY).owned_by(record.uid)
    assert it.views.pool.limit(GATEWAY, it.clock.monotonic()) != 0


class TestDelete:
    """Of a row that is there."""

    @pytest.fixture(autouse=True)
    def there(self, it: AtWork, record: PodDNAT) -> None:
        now = it.clock.monotonic()
        listed = row("fwd-1", owner=record.uid)
        it.cloud.rows = {"fwd-1": listed}
        it.views.table(GATEWAY).merge(reading(now, listed), now)

    def test_one_that_is_gone_is_gone(self, it, record):
        assert answered(it, record, delete(), ErrorKind.GONE) == pytest.approx(RETRY_S[0])
        assert it.views.table(GATEWAY).row("fwd-1") is not None, "the table has it still"
        it.cloud.rows = {}
        it.clock.advance(RETRY_S[0])
        assert answered(it, record, delete(), ErrorKind.GONE) == -1.0
        assert it.views.table(GATEWAY).row("fwd-1") is None

    @pytest.mark.parametrize("kind", [ErrorKind.GONE, ErrorKind.GONE_OR_BUSY])
    def test_who_waits_for_its_address_or_its_room_is_told_that_it_is_gone(self, it, record, kind):
        waits = Key("games", "next")
        it.views.ips.pod_changed(None, Pod(waits, "uid-next", "1", {}, ips=(POD_IP,)))
        it.cloud.rows = {}
        for _ in range(3):
            it.clock.advance(60.0)
            if answered(it, record, delete(), kind) == -1.0:
                break
        assert it.views.table(GATEWAY).row("fwd-1") is None
        assert waits in it.heard.changes
        assert it.heard.rooms == 1

    def test_one_that_was_just_made_may_be_unknown_still_to_who_says_it_is_gone(self, it, record):
        it.views.table(GATEWAY).created(entry().as_row("fwd-2"), it.clock.monotonic())
        late = delete("fwd-2")
        for tries in range(DOUBTED):
            due = answered(it, record, late, ErrorKind.GONE)
            assert due == pytest.approx(RETRY_S[0] * 2**tries)
            assert it.views.table(GATEWAY).row("fwd-2") is not None
            it.clock.advance(due)
        assert answered(it, record, late, ErrorKind.GONE) == -1.0
        assert it.views.table(GATEWAY).row("fwd-2") is None

    def test_that_its_table_is_not_found_proves_nothing_of_the_row(self, it, record):
        """It may be another account's key that asks: whether the gateway is gone is looked up."""
        assert answered(it, record, delete(), ErrorKind.GATEWAY) >= 0.0
        assert it.views.table(GATEWAY).row("fwd-1") is not None
        assert it.doubts == 1

    def test_where_one_code_means_gone_and_busy_the_table_tells_which(self, it, record):
        assert answered(it, record, delete(), ErrorKind.GONE_OR_BUSY) == 0.0
        it.cloud.rows = {}
        due = 0.0
        for _ in range(3):  # what one answer takes back is believed when another agrees
            it.clock.advance(60.0)
            due = answered(it, record, delete(), ErrorKind.GONE_OR_BUSY) if due >= 0 else due
        assert due == -1.0
        assert it.views.table(GATEWAY).row("fwd-1") is None

    @pytest.mark.parametrize("kind", [ErrorKind.MISMATCH, ErrorKind.CONFLICT])
    def test_one_refused_for_its_token_or_an_address_waits_longer_each_time(self, it, record, kind):
        """Whoever looks wants it again: without a pause that is ten times a second."""
        for tries in range(3):
            pause = answered(it, record, delete(), kind)
            assert pause == pytest.approx(RETRY_S[0] * 2**tries)
            it.clock.advance(pause)
        assert len(set(it.cloud.tokens)) == 3, "the same would be answered alike"
        assert "Some.Code" in it.writer.hindrances(record.uid)["fwd-1"]

    def test_what_hinders_it_is_told_once(self, it, record):
        answered(it, record, delete(), ErrorKind.DENIED)
        assert "Some.Code" in it.writer.hindrances(record.uid)["fwd-1"]
        assert it.heard.changes.count(LOBBY) >= 1
        assert it.writer.refusals(record.uid) == {}

    def test_what_passes_by_itself_hinders_nothing(self, it, record):
        answered(it, record, delete(), ErrorKind.BUSY)
        assert it.writer.hindrances(record.uid) == {}

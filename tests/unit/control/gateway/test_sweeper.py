"""What the sweeper does with what is left to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.sweeper import FOLLOW_S, Sweeper
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.model import ForwardEntry
from dnatctl.objects import Adopted, PodDNAT, PodDNATSpec
from dnatctl.orders import Order, OrderKind, Orders
from dnatctl.table.orphans import BUDGET, MANY, MIN_AGE_S, Patience
from dnatctl.table.view import READ_LAG_S
from tests.unit.control.gateway.made import LOBBY, AtWork, create, delete
from tests.unit.plan.made import pod
from tests.unit.table.made import EIP, GATEWAY, MARKS, reading, row, uid

STAMP = "2026-01-01T12:00:00Z"


class Ledger:
    """A ledger that keeps what was struck, or does not answer."""

    def __init__(self) -> None:
        self.struck: list[tuple[str, set[str]]] = []
        self.down = False

    def strike(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        if self.down:
            raise KubeError(Failure.UNREACHABLE, "away")
        self.struck.append((gateway_id, set(entry_ids)))


class Api:
    """An API server that counts how often all PodDNATs were listed."""

    def __init__(self) -> None:
        self.lists = 0
        self.uids: set[str] = set()

    def known_uids(self) -> set[str]:
        self.lists += 1
        return self.uids


class Counting:
    """A lock that counts how often it was taken while nobody had it."""

    def __init__(self) -> None:
        self.times = self.depth = 0

    def __enter__(self) -> None:
        self.times += not self.depth
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def sweeper_of(it: AtWork, ledger: Any, api: Api, had: frozenset[str] = frozenset()) -> Sweeper:
    """`had`: the rows that living pods are left with."""
    return Sweeper(
        it.views,
        it.gateways,
        it.metrics,
        ledger=ledger,
        known_uids=api.known_uids,
        may_delete=lambda: True,
        cycle_s=5.0,
        left_with=lambda _key: had,
    )


@pytest.fixture
def sweeper(it: AtWork, ledger: Any, api: Api) -> Sweeper:
    return sweeper_of(it, ledger, api)


def test_rows_of_another_cluster_with_the_same_id_are_told_also_where_one_was_adopted(it, sweeper):
    """A cluster made anew, say, adopts what the PodDNATs that were brought along record."""
    it.views.identify("00000001")
    twin = replace(MARKS, tag="00000002")
    names = {f"fwd-{n}": twin.name(uid(n), "games-lobby-0") for n in (1, 2)}
    rows = [replace(row(i, f"{EIP}:60{i[-1]}"), name=name) for i, name in names.items()]
    own = row("fwd-3", f"{EIP}:603", owner=uid(3))
    it.views.adopt({"fwd-1": Adopted(uid(1))})
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
        it.views.adopt(dict.fromkeys(adopted, Adopted(uid(1))))
        it.views.table("ngw-other")
        it.cloud.rows = {i: row(i) for i in (*adopted, "fwd-foreign")}
        self.read(it)
        it.cloud.rows = {}
        self.read(it)
        it.clock.advance(READ_LAG_S)  # all at once: it has to last
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


class TestUnread:
    """It went while the table of its claim was not read yet: there was no saying what it had."""

    def gone(self, it: AtWork, *, lost: bool = False) -> PodDNAT:
        del it.views.tables[GATEWAY]
        record = it.stored(it.record())
        it.views.ips.pod_changed(None, replace_struct(pod(), key=record.key))
        it.gone(record, lost=lost)
        return record

    def read(self, it: AtWork, record: PodDNAT) -> None:
        it.clock.advance(FOLLOW_S)
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, row("fwd-1", owner=record.uid)), now)

    @pytest.mark.parametrize("had", [True, False])
    def test_what_it_left_goes_at_the_first_reading_unless_its_pod_has_it(
        self, it, ledger, api, had
    ):
        sweeper = sweeper_of(it, ledger, api, frozenset({"fwd-1"} if had else ()))
        record = self.gone(it)
        sweeper.step()
        self.read(it, record)
        sweeper.sweep()
        assert it.writer.is_wanted(record.uid, delete("fwd-1")) is not had
        assert not it.views.going, "its pod may claim it again"

    def test_it_is_not_kept_where_it_claimed_nothing(self, it):
        nothing = replace_struct(it.record(2), spec=PodDNATSpec())
        it.gone(it.stored(nothing))
        assert not it.gateways.remains.take().vanished

    def test_no_table_is_made_for_what_anybody_names(self, it):
        named = replace_struct(it.record().spec, gateway_id="ngw-invented")
        it.gone(it.stored(replace_struct(it.record(), spec=named)))
        assert it.views.tables.keys() == {GATEWAY}


class TestAsking:
    """All PodDNATs are listed for what can be deleted then, not for as long as it cannot be."""

    def left(self, it: AtWork, *ids: str) -> PodDNAT:
        """A PodDNAT that is gone and has left these rows."""
        record = it.stored(it.record())
        rows = [row(i, f"{EIP}:60{i[-1]}", owner=record.uid) for i in ids]
        it.views.table(GATEWAY).merge(reading(1.0, *rows), 1.0)
        it.gone(record)
        return record

    def sweep(self, it: AtWork, sweeper: Sweeper, cycles: int = 3) -> None:
        for _ in range(cycles):
            it.clock.advance(5.0)
            sweeper.step()

    @pytest.mark.parametrize("target", ["all", f"gateway/{GATEWAY}"])
    def test_not_for_a_paused_gateway_but_when_it_goes_on(self, it, sweeper, api, target):
        self.left(it, "fwd-1")
        it.views.order(Orders((Order(OrderKind.PAUSE, target),)))
        self.sweep(it, sweeper)
        assert (api.lists, it.writer.backlog()) == (0, 0)
        it.views.order(Orders())
        self.sweep(it, sweeper)
        assert (api.lists, it.writer.backlog()) == (1, 1)

    def test_not_for_a_gateway_that_nobody_writes_to(self, it, sweeper, api):
        self.left(it, "fwd-1")
        it.gateways.fleet.dismiss(GATEWAY)
        self.sweep(it, sweeper)
        assert api.lists == 0

    def test_once_for_a_delete_that_waits_or_is_under_way(self, it, sweeper, api):
        self.left(it, "fwd-1")
        self.sweep(it, sweeper)
        assert it.writer.backlog() == 1
        it.writer.step()
        assert it.writer.backlog() == 0
        self.sweep(it, sweeper)
        assert api.lists == 1

    def test_afresh_for_a_row_that_is_left_once_more(self, it, sweeper, api):
        """What was said before of its PodDNAT is not gone by."""
        record = self.left(it, "fwd-1")
        self.sweep(it, sweeper)
        it.writer.forget(record.uid)
        api.uids = {record.uid}
        self.sweep(it, sweeper)
        assert it.writer.backlog() == 0

    def test_what_waits_stays_wanted_when_another_row_of_its_poddnat_is_found(self, it, sweeper):
        record = self.left(it, "fwd-1")
        self.sweep(it, sweeper)
        it.clock.advance(1.0)
        more = [row(f"fwd-{n}", f"{EIP}:60{n}", owner=record.uid) for n in (1, 2)]
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, *more), now)
        self.sweep(it, sweeper)
        assert it.writer.backlog() == 2

    def test_what_waited_among_the_last_goes_first_once_it_is_known_to_be_left(self, it, sweeper):
        """Its pod's IP may be another's any moment."""
        other = it.stored(it.record(2))
        it.gateways.want(other.uid, other.key, (create(),))
        record = self.left(it, "fwd-1")
        it.writer.want(record.uid, "", (delete("fwd-1"),), orphan=True)
        self.sweep(it, sweeper)
        it.writer.step()
        assert it.writer.is_wanted(other.uid, create())
        assert not it.writer.is_wanted(record.uid, delete("fwd-1"))

    def test_nothing_is_remembered_of_what_has_been_deleted(self, it, sweeper):
        self.left(it, "fwd-1")
        self.sweep(it, sweeper)
        it.writer.step()
        assert not it.writer._backlog._records
        assert not it.writer._backlog._expedited


class TestPausedPods:
    """Of a pod that is paused nothing is changed, not even what its lost PodDNAT left to it."""

    PAUSE = Orders((Order(OrderKind.PAUSE, f"pod/{LOBBY}"),))

    def left(self, it: AtWork, *rows: ForwardEntry) -> None:
        """Orphans: these, and two that lead to the pod; few beside what is claimed."""
        it.views.ips.pod_changed(None, replace_struct(pod(), key=LOBBY))
        led = [row(f"fwd-{n}", f"{EIP}:60{n}", owner=uid(7)) for n in (1, 2)]
        served = it.stored(it.record()).uid
        claimed = [row(f"fwd-c{n}", f"{EIP}:{700 + n}", owner=served) for n in range(20)]
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, *led, *rows, *claimed), now)

    def sweep(self, it: AtWork, sweeper: Sweeper, *rows: ForwardEntry) -> None:
        for _ in range(3):
            it.clock.advance(MIN_AGE_S)
            self.left(it, *rows)
            sweeper.sweep()

    def waiting(self, it: AtWork, *entry_ids: str, owner: int = 7) -> list[bool]:
        return [it.writer.is_wanted(uid(owner), delete(entry_id)) for entry_id in entry_ids]

    def test_keep_what_leads_to_them_until_they_are_resumed(self, it, sweeper, api):
        it.views.order(self.PAUSE)
        self.sweep(it, sweeper)
        assert (it.writer.backlog(), api.lists) == (0, 0)
        it.views.order(Orders())
        self.sweep(it, sweeper)
        assert self.waiting(it, "fwd-1", "fwd-2") == [True, True]

    def test_keep_it_although_its_poddnat_was_seen_to_go(self, it, sweeper):
        record = it.stored(it.record(7))
        self.left(it)
        it.views.order(self.PAUSE)
        it.gone(record)
        self.sweep(it, sweeper)
        assert it.writer.backlog() == 0

    def test_keep_it_where_its_delete_was_not_sent_yet(self, it, sweeper):
        self.sweep(it, sweeper)
        assert self.waiting(it, "fwd-1", "fwd-2") == [True, True]
        it.views.order(self.PAUSE)
        sweeper.sweep()
        assert it.writer.backlog() == 0

    def test_keep_it_although_they_were_paused_only_while_all_poddnats_were_listed(
        self, it, sweeper, api, monkeypatch
    ):
        """What is had by whom it leads to is had on the same terms."""

        def pause() -> set[str]:
            it.views.order(self.PAUSE)
            return set()

        monkeypatch.setattr(sweeper, "_known_uids", pause)
        while not it.views.orders.paused(GATEWAY, LOBBY):
            it.clock.advance(MIN_AGE_S)
            self.left(it)
            sweeper.sweep()
        assert it.writer.backlog() == 0

    def test_keep_nobody_elses(self, it, sweeper, monkeypatch):
        monkeypatch.setattr(sweeper._sightings, "patience", Patience(budget=2))
        it.views.order(self.PAUSE)
        other = row("fwd-3", f"{EIP}:603", "10.0.0.99:80", owner=uid(8))
        self.sweep(it, sweeper)
        self.sweep(it, sweeper, other)
        assert self.waiting(it, "fwd-3", owner=8) == [True]
        assert it.writer.backlog() == 1

    def test_that_have_ended_keep_nothing(self, it, ledger, api):
        """Their IP may be another's any moment."""
        ended = replace_struct(pod(ended=True), key=LOBBY)
        sweeper = Sweeper(
            it.views,
            it.gateways,
            it.metrics,
            ledger=ledger,
            known_uids=api.known_uids,
            may_delete=lambda: True,
            pod=lambda key: ended if key == LOBBY else None,
        )
        it.views.order(self.PAUSE)
        self.sweep(it, sweeper)
        assert self.waiting(it, "fwd-1", "fwd-2") == [True, True]


class TestCalledOff:
    """A delete may wait for hours, for a permission say: by then it may not be wanted any more."""

    @pytest.fixture
    def left(self) -> set[str]:
        """The rows that a living pod is left with."""
        return set()

    @pytest.fixture
    def policy(self) -> dict[str, bool]:
        return {"deletes": True}

    @pytest.fixture
    def sweeper(self, it: AtWork, ledger: Any, api: Api, left: set[str], policy: Any) -> Sweeper:
        it.views.ips.pod_changed(None, replace_struct(pod(), key=LOBBY))
        sweeper = Sweeper(
            it.views,
            it.gateways,
            it.metrics,
            ledger=ledger,
            known_uids=api.known_uids,
            may_delete=lambda: policy["deletes"],
            left_with=lambda _key: left,
        )
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2))
        assert self.waiting(it) == ["fwd-1", "fwd-2"]
        return sweeper

    def orphan(self, number: int, owner: int = 7) -> ForwardEntry:
        return row(f"fwd-{number}", f"{EIP}:6{number:02}", owner=uid(owner))

    def sweep(self, it: AtWork, sweeper: Sweeper, *orphans: ForwardEntry, cycles: int = 3) -> None:
        """Look for orphans where there are these, few beside what is claimed."""
        served = it.stored(it.record()).uid
        claimed = [row(f"fwd-c{n}", f"{EIP}:{700 + n}", owner=served) for n in range(20)]
        for _ in range(cycles):
            it.clock.advance(MIN_AGE_S)
            now = it.clock.monotonic()
            it.views.table(GATEWAY).merge(reading(now, *orphans, *claimed), now)
            sweeper.sweep()

    def waiting(self, it: AtWork, owner: int = 7) -> list[str]:
        """What is to be deleted of that owner."""
        numbers = range(1, MANY + 3)
        return [f"fwd-{n}" for n in numbers if it.writer.is_wanted(uid(owner), delete(f"fwd-{n}"))]

    def test_what_is_as_it_was_goes_on(self, it, sweeper, api):
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2))
        assert (self.waiting(it), api.lists) == (["fwd-1", "fwd-2"], 1)

    def test_where_nothing_may_be_deleted_any_more(self, it, sweeper, policy):
        policy["deletes"] = False
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2), cycles=1)
        assert it.writer.backlog() == 0
        policy["deletes"] = True
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2), cycles=1)
        assert self.waiting(it) == ["fwd-1", "fwd-2"]

    def test_where_there_are_too_many_by_now_but_what_a_vanished_poddnat_left(self, it, sweeper):
        record = it.stored(it.record(8))
        bereft = row("fwd-12", f"{EIP}:650", "10.0.0.99:80", owner=record.uid)
        few = [self.orphan(1), self.orphan(2)]
        self.sweep(it, sweeper, *few, bereft, cycles=1)
        it.gone(record)
        self.sweep(it, sweeper, *few, bereft, cycles=1)
        assert (self.waiting(it), self.waiting(it, 8)) == (["fwd-1", "fwd-2"], ["fwd-12"])
        many = [self.orphan(n) for n in range(1, MANY + 2)]
        self.sweep(it, sweeper, *many, bereft, cycles=1)
        assert sweeper.notes()
        assert (self.waiting(it), self.waiting(it, 8)) == ([], ["fwd-12"])

    def test_what_a_living_pod_has_by_now_and_nothing_else(self, it, sweeper, left):
        left.add("fwd-1")
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2), cycles=1)
        assert self.waiting(it) == ["fwd-2"]

    def test_what_a_poddnat_claims_again(self, it, sweeper):
        """As it was before, of a backup: it wants nothing, so that it replaces nothing."""
        it.gateways.want(it.stored(it.record(7)).uid, LOBBY, ())
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2), cycles=1)
        assert it.writer.backlog() == 0

    def test_but_not_what_its_poddnat_wants_deleted_itself(self, it, sweeper):
        it.gateways.want(it.stored(it.record(7)).uid, LOBBY, (delete("fwd-2"),))
        self.sweep(it, sweeper, self.orphan(1), self.orphan(2), cycles=1)
        assert self.waiting(it) == ["fwd-2"]

    def test_what_got_no_answer_is_not_asked_for_again(self, it, sweeper, policy):
        it.cloud.answers = [CloudError(Operation.DELETE, ErrorKind.UNKNOWN)]
        it.writer.step()
        policy["deletes"] = False
        sweeper.sweep()
        for _ in range(5):
            it.clock.advance(60.0)
            it.writer.step()
        assert len(it.cloud.tokens) == 1


def test_what_living_pods_have_waits_for_no_person(it, ledger, api):
    """They claim it again, or their players leave: people would delete what they are shown."""
    had = [row(f"fwd-{n}", f"{EIP}:6{n:02}", owner=uid(n)) for n in range(1, MANY + 2)]
    left = row("fwd-left", f"{EIP}:700", "10.0.0.99:80", owner=uid(99))
    it.views.ips.pod_changed(None, replace_struct(pod(), key=LOBBY))
    sweeper = Sweeper(
        it.views,
        it.gateways,
        it.metrics,
        ledger=ledger,
        known_uids=api.known_uids,
        may_delete=lambda: True,
        left_with=lambda key: {each.entry_id for each in had} if key == LOBBY else set(),
    )

    def sweep(*rows: ForwardEntry) -> None:
        for _ in range(3):
            it.clock.advance(MIN_AGE_S)
            now = it.clock.monotonic()
            it.views.table(GATEWAY).merge(reading(now, *rows), now)
            sweeper.sweep()

    sweep(*had)
    assert sweeper.notes() == []
    sweep(*had, left)
    (note,) = sweeper.notes()
    assert "1 entries" in note
    assert it.writer.backlog() == 0


def test_no_lock_is_held_for_longer_than_one_table_takes(it, sweeper):
    """All tenants' pods wait for it."""
    for number in range(5):
        gateway_id = f"ngw-{number}"
        rows = [row(f"fwd-{number}-{n}", owner=uid(n)) for n in range(1, 4)]
        it.views.table(gateway_id).merge(reading(1.0, *rows), 1.0)
    lock = it.views.lock = it.views.ips._lock = Counting()
    known: list[int] = []
    it.views.made_by_us = lambda _entry: known.append(lock.times) or True
    assert len(sweeper.find()) == 15
    assert max(known.count(times) for times in known) == 3
    before = lock.times
    it.views.claimed_rows()
    assert lock.times - before == len(it.views.tables)


@pytest.mark.parametrize("undefined", [True, False])
def test_what_goes_with_its_definition_is_not_to_be_released(it, undefined):
    """Its pod may claim it again, as soon as there is a definition: even before a sweep."""
    it.views.went_along = lambda created: undefined and created == STAMP
    record = it.stored(replace_struct(it.record(), created=STAMP))
    it.cloud.rows = {"fwd-1": row("fwd-1", owner=record.uid)}
    it.clock.advance(1.0)
    it.poller._read(it.poller._facts(), asked=True)
    it.gone(record)
    assert (record.uid in it.views.going) is not undefined


def test_nor_is_it_where_that_is_known_only_after_it_was_seen_to_go(it, sweeper):
    record = it.stored(replace_struct(it.record(), created=STAMP))
    it.views.ips.pod_changed(None, replace_struct(pod(), key=record.key))
    rows = reading(it.clock.monotonic(), row("fwd-1", owner=record.uid))
    it.views.table(GATEWAY).merge(rows, it.clock.monotonic())
    it.gone(record)
    assert it.views.going == {record.uid}
    it.views.went_along = lambda created: created == STAMP
    for _ in range(3):
        sweeper.sweep()
        it.clock.advance(FOLLOW_S)
    assert (it.views.going, it.writer.backlog()) == (set(), 0)


@pytest.mark.parametrize("had", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_what_is_lost_as_the_api_server_goes_back_is_left_to_its_pod(it, ledger, api, lost, had):
    """If that lives: a backup may lack the pod as well."""
    left = frozenset({"fwd-1"} if had and lost else ())
    sweeper = sweeper_of(it, ledger, api, left)
    record = it.stored(it.record())
    it.views.ips.pod_changed(None, replace_struct(pod(), key=record.key))
    now = it.clock.monotonic()
    it.views.table(GATEWAY).merge(reading(now, row("fwd-1", owner=record.uid)), now)
    it.gone(record, lost=lost)
    for _ in range(3):
        sweeper.sweep()
        it.clock.advance(FOLLOW_S)
    assert it.views.going == (set() if lost else {record.uid})
    assert it.writer.backlog() == (0 if left else 1)


def test_what_the_cloud_refuses_to_delete_keeps_no_other_orphan_from_going(
    it: AtWork, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five are deleted in a cycle: those that cannot go are not among them while others can."""
    stuck = {f"fwd-{n}": "Forbidden.RAM" for n in range(BUDGET)}
    old = [row(entry_id, f"{EIP}:61{n}", owner=uid(7)) for n, entry_id in enumerate(stuck)]
    young = row("fwd-young", f"{EIP}:620", owner=uid(8))
    monkeypatch.setattr(it.writer, "hindrances", lambda _uid: stuck)
    owner = it.stored(it.record()).uid
    old += [row(f"fwd-held-{n}", f"{EIP}:{7000 + n}", owner=owner) for n in range(40)]
    for rows in (old, [*old, young], [*old, young]):
        it.clock.advance(MIN_AGE_S)
        now = it.clock.monotonic()
        it.views.table(GATEWAY).merge(reading(now, *rows), now)
        sweeper.sweep()
    assert it.writer.is_wanted(uid(8), delete("fwd-young"))

"""Readings of a table that are late, that are old, that disagree, or that miscount."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest

from dnatctl.cloud import hollow
from dnatctl.table import past, vain, view
from dnatctl_sim.cloud import Fault, Scenario, Settle, reads
from tests.support.gate import CLOUD_WRITES
from tests.support.stage import Running, Stage, eventually, fast, stage

NAMES = [f"web-{n}" for n in range(6)]

DELETES_REFUSED = Fault(
    action="error",
    stage="before",
    apis=["DeleteForwardEntry"],
    times=None,
    code="Forbidden.RAM",
    status=403,
)


def world(**knobs: Any) -> Scenario:
    return Scenario(knobs=fast(**knobs))


def assert_made_once(it: Stage, names: list[str] = NAMES) -> None:
    """Each pod's row was made once, in one try, and never thought lost."""
    creates = it.calls("CreateForwardEntry")
    assert len([call for call in creates if call.committed]) == len(names)
    refused = [call.code for call in creates if call.code.startswith("OperationUnsupported")]
    assert refused == [], "against its own rows"
    for name in names:
        assert "EntryRepaired" not in it.events(name), "a live address was withdrawn"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes tens of seconds takes one."""
    for module in (past, view):
        monkeypatch.setattr(module, "READ_LAG_S", 1.0)
    monkeypatch.setattr(view, "ASK_S", 0.3)


def test_two_backends_in_turn_one_of_them_behind() -> None:
    with stage(world(backend_lag=4.0), resync="1s") as it:
        it.start_controller()
        for name in NAMES:
            it.pod(name)
        before = {name: it.ready(name) for name in NAMES}
        reads = len(it.calls("DescribeForwardTableEntries"))
        eventually(lambda: len(it.calls("DescribeForwardTableEntries")) > reads + 12)
        assert {name: it.entries(name) for name in NAMES} == before
        assert_made_once(it)
        for name in NAMES:
            it.delete_pod(name)
        for name in NAMES:
            it.gone(name)
        assert it.own_rows() == []
        it.pod("next")
        it.ready("next")
        it.assert_at_rest()


def test_what_is_made_and_released_at_once_is_not_thought_gone_by_an_old_reading() -> None:
    with stage(world(backend_lag=3.0, settle=Settle(create=0.02, delete=1.0)), resync="1s") as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        it.delete_pod("web", grace=0)
        it.gone("web")
        assert it.own_rows() == []
        it.assert_at_rest()


@pytest.mark.parametrize("wrong", [1, -1, 7])
def test_a_wrong_total_keeps_nobody_waiting(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for an empty table that counts rows: that takes a minute to be believed."""
    monkeypatch.setattr(hollow, "BELIEVED", 2)
    monkeypatch.setattr(hollow, "BELIEVED_S", 0.5)
    with stage(world(total_error=wrong), resync="1s") as it:
        it.start_controller()
        for name in NAMES:
            it.pod(name)
        for name in NAMES:
            it.ready(name)
        assert_made_once(it)
        it.delete_pod(NAMES[0])
        it.gone(NAMES[0])
        it.assert_at_rest()


def test_rows_that_are_counted_and_not_listed_are_there() -> None:
    """Else all addresses are withdrawn, and a PodDNAT goes before its entry."""
    with stage() as it:
        run = it.start_controller()
        for name in NAMES:
            it.pod(name)
        for name in NAMES:
            it.ready(name)
        *staying, going = NAMES
        it.cloud.add_fault(DELETES_REFUSED)
        it.cloud.set_knobs(lists_nothing=True)
        it.delete_pod(going, grace=0)
        (gateway,) = it.cloud.scenario.gateways
        poller = run.controller.parts.gateways.fleet.poller(gateway.id)
        reads = len(it.calls("DescribeForwardTableEntries"))

        def read_often() -> bool:
            poller.nudge()
            poller.read_soon()
            return len(it.calls("DescribeForwardTableEntries")) > reads + 8

        eventually(read_often)
        assert [len(it.entries(name)) for name in staying] == [1] * len(staying)
        assert it.record(going), "its entry is there"
        it.cloud.set_knobs(lists_nothing=False)
        it.cloud.clear_faults()
        it.gone(going)
        assert_made_once(it)
        it.assert_at_rest()


class Forgetful:
    """Leaves one field out of every row that is listed, from when it is told until it stops."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.field = ""
        self.left_out = 0
        self._real = reads._row
        monkeypatch.setattr(reads, "_row", self._row)

    def _row(self, *args: Any) -> dict[str, object]:
        row = self._real(*args)
        self.left_out += row.pop(self.field, None) is not None
        return row

    def answer_once(self, it: Stage, run: Running, field: str) -> None:
        """Have the table read while it lacks that; until the next reading that is one."""
        (gateway,) = it.cloud.scenario.gateways
        poller = run.controller.parts.gateways.fleet.poller(gateway.id)
        table = run.controller.parts.views.table(gateway.id)
        before, self.left_out, self.field = table.generation, 0, field
        poller.nudge()
        poller.read_soon()
        eventually(lambda: self.left_out)
        self.field = ""
        eventually(lambda: table.generation > before)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Forgetful:
    return Forgetful(monkeypatch)


def assert_costs_nothing(forgetful: Forgetful, field: str) -> None:
    """One such answer, and nobody loses his entry, nor is anything written."""
    with stage() as it:
        run = it.start_controller()
        for name in NAMES:
            it.pod(name)
        before = {name: it.ready(name) for name in NAMES}
        it.quiet()
        written = len(it.calls(*CLOUD_WRITES))
        forgetful.answer_once(it, run, field)
        it.quiet()
        assert len(it.calls(*CLOUD_WRITES)) == written
        assert {name: it.entries(name) for name in NAMES} == before
        it.assert_at_rest()


@pytest.mark.parametrize("field", ["ForwardEntryId", "ExternalPort", "InternalIp"])
def test_what_one_answer_lacks_costs_nobody_his_entry(forgetful: Forgetful, field: str) -> None:
    """Each was taken for a row that leads elsewhere, and put right or deleted."""
    assert_costs_nothing(forgetful, field)


class Odd(Forgetful):
    """Says one field of every row that is listed in another way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], object]) -> None:
        super().__init__(monkeypatch)
        self._say = say

    def _row(self, *args: Any) -> dict[str, object]:
        row = self._real(*args)
        if self.field in row:
            self.left_out += 1
            row[self.field] = self._say(str(row[self.field]))
        return row


SENSELESS: Final[tuple[tuple[str, Callable[[str], object]], ...]] = (
    ("ExternalPort", float),
    ("ExternalPort", lambda port: f"{port}-{port}"),
    ("InternalPort", lambda port: f"{port}.0"),
    ("InternalPort", lambda _: "70000"),
    ("IpProtocol", lambda _: "6"),
    ("IpProtocol", lambda protocol: f"{protocol} "),
    ("IpProtocol", lambda _: "TCP,UDP"),
    ("InternalIp", lambda ip: f"::ffff:{ip}"),
    ("InternalIp", lambda ip: ".".join(part.zfill(3) for part in ip.split("."))),
    ("ExternalIp", lambda _: 3405803777),
)


@pytest.mark.parametrize(("field", "say"), SENSELESS)
def test_what_one_answer_makes_no_sense_of_costs_nobody_his_entry(
    monkeypatch: pytest.MonkeyPatch, field: str, say: Callable[[str], object]
) -> None:
    """Each was taken for a row that leads elsewhere, and put right or deleted."""
    odd = Odd(monkeypatch, say)
    assert_costs_nothing(odd, field)


def test_a_row_that_goes_on_making_no_sense_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Odd(monkeypatch, lambda _: "6")
    with stage(resync="1s") as it:
        run = it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.quiet()
        odd.field = "IpProtocol"
        why = f"row {entry['forwardEntryId']} makes no sense: IpProtocol '6'"
        eventually(lambda: why in str(list(run.controller.parts.gateways.fleet.complaints())))
        assert it.entries("web") == [entry]
        odd.field = ""
        eventually(lambda: not list(run.controller.parts.gateways.fleet.complaints()))
        it.assert_at_rest()


def test_a_new_leader_waits_for_an_answer_that_makes_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Odd(monkeypatch, float)
    with stage() as it:
        it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.quiet()
        it.stop_controllers()
        written = len(it.calls(*CLOUD_WRITES))
        odd.field = "ExternalPort"
        it.start_controller()
        eventually(lambda: odd.left_out)
        odd.field = ""
        it.quiet()
        assert len(it.calls(*CLOUD_WRITES)) == written
        assert it.entries("web") == [entry]
        it.assert_at_rest()


def test_what_is_odd_of_a_foreign_row_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It covers all that it may, and its endpoints are avoided."""
    odd = Odd(monkeypatch, lambda protocol: "sctp" if protocol == "udp" else protocol)
    with stage() as it:
        (gateway,) = it.cloud.scenario.gateways
        it.acts.create_entry(gateway.id, gateway.eips[0], "9", "10.0.98.1", "9", protocol="udp")
        odd.field = "IpProtocol"
        it.start_controller()
        it.pod("web")
        assert it.ready("web")


def version_of(record: Any) -> str:
    return str(record["metadata"]["resourceVersion"])


@pytest.mark.parametrize("lost", ["", "Modifying"])
def test_one_answer_that_does_not_say_how_far_rows_are_costs_nobody_his_status(
    monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    odd = Odd(monkeypatch, lambda _: lost)
    with stage() as it:
        run = it.start_controller()
        for name in NAMES:
            it.pod(name)
        before = {name: it.ready(name) for name in NAMES}
        versions = [version_of(it.record(name)) for name in NAMES]
        it.quiet()
        odd.answer_once(it, run, "Status")
        it.quiet()
        assert {name: it.entries(name) for name in NAMES} == before
        now = [version_of(it.record(name)) for name in NAMES]
        assert now == versions, "nothing was withdrawn meanwhile"
        it.assert_at_rest()


def test_a_row_that_goes_on_saying_nothing_of_how_far_it_is_is_withdrawn_and_comes_back_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = Odd(monkeypatch, lambda _: "Modifying")
    with stage(resync="1s") as it:
        run = it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.quiet()
        (gateway,) = it.cloud.scenario.gateways
        poller = run.controller.parts.gateways.fleet.poller(gateway.id)
        odd.field = "Status"
        poller.read_soon()
        eventually(lambda: not it.entries("web"))
        odd.field = ""
        back = run.controller.parts.views.table(gateway.id).generation + 3
        eventually(lambda: it.entries("web") == [entry])
        assert run.controller.parts.views.table(gateway.id).generation <= back
        it.assert_at_rest()


def test_a_row_that_goes_on_lacking_something_is_told(forgetful: Forgetful) -> None:
    with stage(resync="1s") as it:
        run = it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.quiet()
        forgetful.field = "InternalPort"
        why = f"row {entry['forwardEntryId']} has no InternalPort"
        eventually(lambda: why in str(list(run.controller.parts.gateways.fleet.complaints())))
        assert it.entries("web") == [entry]
        forgetful.field = ""
        eventually(lambda: not list(run.controller.parts.gateways.fleet.complaints()))
        it.assert_at_rest()


def test_a_poddnat_stays_while_its_row_goes_though_an_answer_lacks_the_names(
    forgetful: Forgetful,
) -> None:
    settle = Settle(create=0.02, delete=600.0)
    with stage(world(settle=settle)) as it:
        run = it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.delete_pod("web", grace=0)
        eventually(lambda: any(row["status"] == "Deleting" for row in it.rows()))
        forgetful.answer_once(it, run, "ForwardEntryName")
        it.acts.release_entry(entry["forwardEntryId"])
        it.gone("web")
        assert it.rows() == []
        it.assert_at_rest()


def test_a_claim_stays_while_its_row_is_made_though_an_answer_lacks_the_names(
    forgetful: Forgetful,
) -> None:
    with stage(world(settle=Settle(create=600.0, delete=0.02))) as it:
        run = it.start_controller()
        it.pod("web")
        eventually(it.rows)
        (row,) = it.rows()
        forgetful.answer_once(it, run, "ForwardEntryName")
        it.acts.release_entry(row["entry_id"])
        (entry,) = it.ready("web")
        assert entry["forwardEntryId"] == row["entry_id"]
        assert len(it.calls("CreateForwardEntry")) == 1
        assert "EntriesAdopted" not in it.events("web")
        it.assert_at_rest()


def test_a_row_that_lists_do_not_show_is_asked_for_by_its_id() -> None:
    with stage(world(read_lag=3600.0, read_lag_by_id=False)) as it:
        it.start_controller()
        for name in NAMES:
            it.pod(name)
        for name in NAMES:
            it.ready(name)
        assert_made_once(it)


@pytest.mark.usefixtures("hasty")
def test_rows_listed_far_later_than_anybody_thought_are_waited_for() -> None:
    with stage(world(read_lag=4.0), resync="1s") as it:
        run = it.start_controller()
        for name in NAMES:
            it.pod(name)
        for name in NAMES:
            it.ready(name)
        creates = it.calls("CreateForwardEntry")
        assert len([call for call in creates if call.committed]) == len(NAMES)
        taken = [call for call in creates if call.code.startswith("OperationUnsupported")]
        assert len(taken) <= len(NAMES), "one try each tells that the row is there"
        (gateway,) = it.cloud.scenario.gateways
        lag = run.controller.parts.views.table(gateway.id).lag
        while lag.late * past.MARGIN < 4.0:  # readings of a busy machine may have missed little
            name = f"more-{len(it.records())}"
            it.pod(name)
            it.ready(name)
        it.pod("later")
        it.ready("later")
        tries = [call for call in it.calls("CreateForwardEntry") if call.name.endswith("later")]
        assert len([call for call in tries if call.code != "IncorretForwardEntryStatus"]) == 1
        it.assert_at_rest()


@pytest.mark.usefixtures("hasty")
def test_deleted_rows_that_are_listed_far_longer_than_anybody_thought() -> None:
    with stage(world(delete_lag=4.0), resync="1s") as it:
        it.start_controller()
        for name in NAMES:
            it.pod(name)
        for name in NAMES:
            it.ready(name)
        it.delete_pod(NAMES[0])
        it.gone(NAMES[0])
        it.pod("next")
        it.ready("next")
        assert_made_once(it, [*NAMES, "next"])


@pytest.mark.usefixtures("hasty")
def test_a_delete_that_was_accepted_and_came_to_nothing_is_asked_for_anew() -> None:
    """The entry is Available again, and the same token would be answered with no effect."""
    with stage(world(settle=Settle(create=0.02, delete=600.0)), resync="1s") as it:
        it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.delete_pod("web")
        eventually(lambda: [row["status"] for row in it.own_rows()] == ["Deleting"])
        it.acts.fail_entry(entry["forwardEntryId"])
        it.cloud.set_knobs(settle=Settle.all(0.02))
        it.gone("web")
        assert it.own_rows() == []
        it.assert_at_rest()


@pytest.mark.usefixtures("hasty")
def test_a_delete_that_is_accepted_and_never_done_is_told_and_ends_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for ever less often, others are served, and it is done when the cloud does it."""
    monkeypatch.setattr(vain, "AGAIN_S", (0.5, 1.0))

    def undone() -> str:
        """What its PodDNAT says of that, as long as it says anything."""
        if [row["status"] for row in it.own_rows("web")] == ["Deleting"]:
            with suppress(LookupError):  # done in between, after all
                it.acts.fail_entry(entry["forwardEntryId"])
        conditions = (it.record("web") or {}).get("status", {}).get("conditions", [])
        held = [each["message"] for each in conditions if each.get("reason") == "DeletionHeld"]
        return "; ".join(held)

    with stage(world(settle=Settle(create=0.02, delete=600.0)), resync="1s") as it:
        it.start_controller()
        it.pod("web")
        (entry,) = it.ready("web")
        it.delete_pod("web")
        assert "again and again" in eventually(undone)
        eventually(lambda: undone() and "DeletionHeld" in it.events("web"))
        it.cloud.set_knobs(settle=Settle.all(0.02))
        it.pod("next")
        it.ready("next")
        eventually(lambda: undone() or it.record("web") is None)
        it.gone("web")
        assert len(it.own_rows()) == 1
        it.assert_at_rest()


def test_an_entry_that_is_said_to_be_gone_and_is_listed_keeps_its_poddnat() -> None:
    """A backend that is behind, or a slip: the entry leads on, and is asked for again."""
    wrong = Fault(
        action="error",
        stage="before",
        apis=["DeleteForwardEntry"],
        times=1,
        status=404,
        code="InvalidForwardEntryId.NotFound",
    )
    with stage(world(), resync="1s") as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        it.cloud.add_fault(wrong)
        it.delete_pod("web")
        it.gone("web")
        assert it.own_rows() == []
        it.assert_at_rest()

"""The explorer finds faults: each of these, put into the program, breaks the rule it ought to."""

from __future__ import annotations

import pytest

from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.plan import adoption, release
from dnatctl.plan import plan as planning
from dnatctl.plan.owners import was_let_go
from dnatctl.pool import Pool
from dnatctl.pool.quarantine import Quarantine
from dnatctl.table import doubts
from dnatctl.table.backlog import Backlog
from dnatctl.table.marks import Marks
from tests.model import scenarios
from tests.model.conftest import Explore
from tests.model.explore import CounterexampleError
from tests.model.world import Scenario

ENOUGH = 20_000


def _story(explore: Explore, scenario: Scenario, budget: dict[str, int]) -> str:
    with pytest.raises(CounterexampleError) as caught:
        explore(scenario, budget, ENOUGH)
    return str(caught.value)


def test_finalizer_dropped_while_rows_are_left(explore, monkeypatch):
    monkeypatch.setattr(release, "until_rows_are_gone", lambda *_: None)
    story = _story(explore, scenarios.CHURN, {"a_goes": 1})
    assert "Rule 3: the finalizer goes only after the rows. But fwd-1 is still there" in story


def test_status_not_withdrawn_before_rows_are_deleted(explore, monkeypatch):
    monkeypatch.setattr(release, "_withdraw", lambda *_: None)
    story = _story(explore, scenarios.CHURN, {"a_goes": 1})
    assert "Rule 4: status lists only addresses that reach the pod. But delete of fwd-1" in story


def test_clean_ups_taken_for_wishes(explore, monkeypatch):
    monkeypatch.setattr(planning, "serves", lambda *_: False)
    story = _story(explore, scenarios.GOING, {"namespace": 1})
    assert "A row goes only when its pod's containers have ended" in story


def test_a_pod_let_go_taken_for_another(explore, monkeypatch):
    monkeypatch.setattr(planning, "is_for", lambda _seen, record, pod: not was_let_go(record, pod))
    story = _story(explore, scenarios.LET_GO, {"orphan": 1})
    assert "A row goes only when its pod's containers have ended" in story


def test_no_quarantine(explore, monkeypatch):
    monkeypatch.setattr(Quarantine, "begin", lambda *_: None)
    monkeypatch.setattr(Views, "durable", lambda _self, endpoints: frozenset(endpoints))
    story = _story(explore, scenarios.SCARCE, {"a_ends": 1})
    assert "Rule 5: an endpoint is not handed to another pod before its quarantine" in story


def test_quarantine_not_noted_for_the_next_leader(explore, monkeypatch):
    monkeypatch.setattr(Views, "durable", lambda _self, endpoints: frozenset(endpoints))
    story = _story(explore, scenarios.SCARCE, {"a_ends": 1, "crash": 1})
    assert "Rule 5: an endpoint is not handed to another pod before its quarantine" in story


def test_lost_answers_forgotten(explore, monkeypatch):
    monkeypatch.setattr(Backlog, "unanswered", lambda *_: False)
    story = _story(explore, scenarios.LOST, {"a_goes": 1, "request_lost": 1})
    assert "Rule 3: the finalizer goes only after the rows." in story


def test_rows_of_others_not_seen_by_the_pool(explore, monkeypatch):
    monkeypatch.setattr(
        Pool, "is_free", lambda self, gateway, e, now: not self._claims.is_claimed(e)
    )
    story = _story(explore, scenarios.FOREIGN, {})
    assert "Rule 1: no endpoint is handed out while a row covers it." in story


def test_any_name_taken_for_a_mark(explore, monkeypatch):
    monkeypatch.setattr(Marks, "owner", lambda self, name: name.split("_")[-1])
    with pytest.raises(CounterexampleError):
        explore(scenarios.FOREIGN, {"squat": 1}, ENOUGH)


def test_rows_adopted_on_the_word_of_a_record(explore, monkeypatch):
    monkeypatch.setattr(adoption, "_leads_to_own_pod", lambda *_: True)
    story = _story(explore, scenarios.ADOPTED, {})
    assert "Rule 2: only rows that lead to the record's own pod are adopted. But fwd-x2" in story


def test_a_reading_believed_that_is_older_than_a_write(explore, monkeypatch):
    monkeypatch.setattr(doubts.Doubts, "should_be_listed", lambda self, row, started: True)
    monkeypatch.setattr(doubts, "AGREE", 1)
    story = _story(explore, scenarios.LATE, {"slow_read": 1, "a_goes": 1})
    assert "Rule" in story


def test_a_reading_believed_that_is_older_than_the_last_one(explore, monkeypatch):
    monkeypatch.setattr(doubts, "AGREE", 1)
    story = _story(explore, scenarios.STALE, {"falls_behind": 1, "stale_read": 1, "a_goes": 1})
    assert "Rule" in story


def test_others_wait_for_a_record_that_cannot_end(explore, monkeypatch):
    monkeypatch.setattr(Reconciler, "_stays", lambda *_: None)
    story = _story(explore, scenarios.END_REFUSED, {"a_goes": 1, "refuse": 1})
    assert "pod b has no PodDNAT though 1 endpoints are free" in story


def test_rows_left_where_a_status_cannot_be_written(explore, monkeypatch):
    monkeypatch.setattr(planning, "_unannounced", lambda *_: ())
    story = _story(explore, scenarios.END_REFUSED, {"a_goes": 1, "silence": 1})
    assert "leads to 10.0.0.1, which is not a" in story

"""One at a time thinks, and nobody is stopped by who does not pass the baton on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from dnatctl.baton import Baton, put_down
from dnatctl.control.state.queue import NoMetrics
from dnatctl.control.worker.workers import Workers, pod_queue
from dnatctl.heartbeat import Heartbeats
from dnatctl.objects import Key, PodRef
from dnatctl.observe.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.stage import eventually


def is_free(baton: Baton) -> bool:
    """Whether another thread gets it now."""

    def take() -> bool:
        with baton.in_hand() as mine:
            return mine

    return elsewhere(take)


def elsewhere(work: Callable[[], bool]) -> bool:
    with ThreadPoolExecutor(1) as other:
        return other.submit(work).result(timeout=30)


@pytest.fixture
def baton() -> Baton:
    return Baton(most_s=0)


def test_one_has_it_until_its_work_is_done(baton: Baton) -> None:
    with baton.in_hand() as mine:
        assert mine
        assert not is_free(baton)
    assert is_free(baton)


def test_others_have_it_while_one_waits(baton: Baton) -> None:
    with baton.in_hand():
        with put_down():
            assert is_free(baton)
        assert not is_free(baton)
    assert is_free(baton)


def test_work_that_fails_gives_it_back(baton: Baton) -> None:
    def fail() -> None:
        with baton.in_hand(), put_down():
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        fail()
    assert is_free(baton)


def test_a_wait_that_fails_ends_with_it_in_hand(baton: Baton) -> None:
    with baton.in_hand():
        with pytest.raises(ValueError, match="no answer"), put_down():
            raise ValueError("no answer")
        assert not is_free(baton)


def test_who_goes_on_without_gives_nothing_away(baton: Baton) -> None:
    def wait_without() -> bool:
        with baton.in_hand() as mine, put_down():
            return mine

    with baton.in_hand():
        assert not elsewhere(wait_without)
        assert not is_free(baton)


def test_it_stays_with_who_took_it_while_one_waited(baton: Baton) -> None:
    taken, enough = threading.Event(), threading.Event()

    def keep() -> bool:
        with baton.in_hand() as mine:
            taken.set()
            return enough.wait(30) and mine

    with ThreadPoolExecutor(1) as other, baton.in_hand():
        with put_down():
            kept = other.submit(keep)
            assert taken.wait(30)
        with put_down():
            assert not is_free(baton), "it has gone on without"
        enough.set()
        assert kept.result(timeout=30)
    assert is_free(baton)


def test_who_has_begun_something_comes_before_who_begins_and_each_in_turn() -> None:
    baton, order = Baton(most_s=60), list[str]()
    away, answered = threading.Event(), threading.Event()

    def come_back() -> None:
        with baton.in_hand():
            with put_down():
                away.set()
                answered.wait(30)
            order.append("back")

    def begin(name: str) -> None:
        with baton.in_hand():
            order.append(name)

    with ThreadPoolExecutor(3) as others:
        asked = others.submit(come_back)
        assert away.wait(30)
        with baton.in_hand():
            first = others.submit(begin, "new 1")
            eventually(lambda: len(baton._new) == 1)
            second = others.submit(begin, "new 2")
            eventually(lambda: len(baton._new) == 2)
            answered.set()
            eventually(lambda: len(baton._back) == 1)
        for each in (asked, first, second):
            each.result(timeout=30)
    assert order == ["back", "new 1", "new 2"]


def test_who_has_none_puts_nothing_down() -> None:
    with put_down():
        pass


def test_a_worker_has_it_while_it_works_on_a_pod(baton: Baton) -> None:
    clock, free = FakeClock(), []
    queue = pod_queue(clock, NoMetrics(), 1)

    def reconcile(_ref: PodRef) -> None:
        free.append(is_free(baton))
        with put_down():
            free.append(is_free(baton))

    workers = Workers(
        queue,
        reconcile,
        lambda _ref: None,
        Metrics(CollectorRegistry()),
        clock,
        1,
        Heartbeats(clock),
        baton,
    )
    queue.add(PodRef("u", Key("games", "a")))
    assert workers._step(0) == 0.0
    assert free == [False, True]
    assert is_free(baton)


def test_a_worker_has_it_when_it_chooses_and_not_while_there_is_nothing_to_do(
    baton: Baton, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    queue, free = pod_queue(clock, NoMetrics(), 1), list[bool]()
    monkeypatch.setattr(queue, "get", lambda timeout: free.append(is_free(baton)))
    metrics = Metrics(CollectorRegistry())
    workers = Workers(
        queue, lambda _ref: None, lambda _ref: None, metrics, clock, 1, Heartbeats(clock), baton
    )
    workers._step(0)
    assert free == [False, True]

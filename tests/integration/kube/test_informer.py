"""The informer against every kind of trouble that a list or a watch can meet.

Most tests take single steps under a clock that stands still, so that the delays it asks for can
be read off; those of threads run it as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

from dnatctl.clock import SystemClock
from dnatctl.kube.client import KubeClient
from dnatctl.kube.informer import Informer, InformerSettings
from dnatctl.kube.pods import PodSource
from dnatctl.objects import Key, Pod
from tests.integration.kube.conftest import client_of
from tests.support.clock import FakeClock
from tests.support.kubejson import Json, bookmark, event, listing, pod, status
from tests.support.scripted import RUNS_OUT_S, Exchange, ScriptedServer

Until = Callable[[Callable[[], object]], None]

TOO_LARGE = status(
    504,
    "Timeout",
    "Too large resource version: 99, current: 5",
    causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
)


class Api:
    """What the server answers to lists and to watches, in order; the last answer is repeated."""

    def __init__(self) -> None:
        self.lists: list[bytes | Callable[[Exchange], None]] = []
        self.watches: list[Callable[[Exchange], None]] = []

    def __call__(self, exchange: Exchange) -> None:
        if exchange.asked.query.get("watch"):
            (self.watches.pop(0) if len(self.watches) > 1 else self.watches[0])(exchange)
            return
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, bytes):
            exchange.answer(200, answer)
        else:
            answer(exchange)


class Rig:
    """An informer of pods with what it works on."""

    def __init__(self, server: ScriptedServer, client: KubeClient, **settings: float) -> None:
        self.server = server
        self.api = Api()
        server.script(self.api)
        self.clock = FakeClock()
        self.changes: list[tuple[str, str]] = []
        self.informer = Informer(
            client,
            PodSource(),
            clock=self.clock,
            random=Random(1),
            settings=InformerSettings(**settings),  # type: ignore[arg-type]
        )
        self.informer.on_change(self._note)

    def _note(self, old: Pod | None, new: Pod | None) -> None:
        what = "changed" if old and new else "added" if new else "deleted"
        self.changes.append((what, (new or old).key.name))  # type: ignore[union-attr]

    def step(self) -> float:
        return self.informer.step()

    @property
    def asked(self) -> list[dict[str, str]]:
        """The queries so far: of lists, and of watches without what is always the same."""
        queries = []
        for request in self.server.requests:
            query = dict(request.query)
            if query.pop("watch", None):
                assert query.pop("allowWatchBookmarks") == "true"
                assert 300 <= int(query.pop("timeoutSeconds")) <= 600
                query = {"watch": query.pop("resourceVersion"), **query}
            queries.append(query)
        return queries

    @property
    def names(self) -> set[str]:
        return {held.key.name for held in self.informer.values()}


@pytest.fixture
def rig(server: ScriptedServer, client: KubeClient) -> Rig:
    return Rig(server, client)


def streams(*lines: bytes) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.stream(*lines)


def refuses(code: int, body: Json, **headers: str) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.answer(code, body, **headers)


def test_lists_in_pages_then_watches_from_there(rig: Rig) -> None:
    rig.api.lists = [
        listing(pod("a", 3), version=10, next_page="p2"),
        listing(pod("b", 4), pod("other", annotations={}), version=10),
    ]
    rig.api.watches = [
        streams(event("ADDED", pod("c", 11)), event("DELETED", pod("a", 12)), bookmark(20))
    ]
    assert rig.step() == 0.0
    assert rig.informer.synced.is_set()
    assert rig.names == {"a", "b"}
    rig.step()
    assert rig.names == {"b", "c"}
    rig.step()
    assert rig.asked == [
        {"limit": "500"},
        {"limit": "500", "continue": "p2"},
        {"watch": "10"},
        {"watch": "20"},
    ]


def test_a_pod_that_loses_its_annotation_is_seen_to_its_end(rig: Rig) -> None:
    rig.api.lists = [listing(pod("a"), version=10)]
    rig.api.watches = [
        streams(
            event("MODIFIED", pod("a", 11, annotations={"other": "x"})),
            event("MODIFIED", pod("stranger", 12, annotations={})),
        ),
        streams(event("DELETED", pod("a", 13, annotations={}))),
    ]
    rig.step()
    rig.step()
    (held,) = rig.informer.values()
    assert (held.key.name, held.annotations, held.resource_version) == ("a", {}, "11")
    rig.step()
    assert rig.changes == [("added", "a"), ("changed", "a"), ("deleted", "a")]


def test_a_new_pod_of_the_name_without_annotations_ends_the_old(rig: Rig) -> None:
    rig.api.lists = [listing(pod("a", 5), version=10)]
    rig.api.watches = [streams(event("ADDED", pod("a", 12, uid="another", annotations={})))]
    rig.step()
    rig.step()
    assert rig.changes == [("added", "a"), ("deleted", "a")]


@pytest.mark.parametrize(
    "watch",
    [
        refuses(410, status(410, "Expired", "too old resource version")),
        streams(event("ERROR", status(410, "Expired", "too old resource version"))),
        streams(event("ERROR", status(410, "Gone", "too old resource version"))),
        refuses(504, TOO_LARGE),
        streams(event("ERROR", TOO_LARGE)),
    ],
    ids=["http-410", "event-expired", "event-gone", "http-too-large", "event-too-large"],
)
def test_a_version_out_of_reach_means_a_quorum_list(
    rig: Rig, watch: Callable[[Exchange], None]
) -> None:
    rig.api.lists = [
        listing(pod("a"), pod("b"), version=10),
        listing(pod("b", 12), pod("c", 13), version=20),
    ]
    rig.api.watches = [watch, streams()]
    for _ in range(4):
        rig.step()
    assert rig.asked == [
        {"limit": "500"},
        {"watch": "10"},
        {"limit": "500"},
        {"watch": "20"},
    ]
    assert rig.changes[2:] == [("deleted", "a"), ("changed", "b"), ("added", "c")]


def test_a_list_that_expires_between_pages_is_taken_in_one_piece(rig: Rig) -> None:
    rig.api.lists = [
        listing(pod("a"), version=10, next_page="p2"),
        refuses(410, status(410, "Expired", "continue token expired")),
        listing(pod("a"), pod("b"), version=30),
    ]
    rig.step()
    assert not rig.informer.synced.is_set()
    assert rig.names == set(), "half a list says nothing of what was deleted"
    rig.step()
    assert rig.names == {"a", "b"}
    assert rig.asked[-1] == {}


def test_a_watch_that_always_ends_at_once_is_asked_ever_more_slowly(rig: Rig) -> None:
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [streams()]
    rig.step()
    delays = []
    for _ in range(9):
        delays.append(rig.step())
        rig.clock.advance(delays[-1])
    assert delays[0] == 0.0, "the first reconnection is free"
    bounds = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    for delay, base in zip(delays[1:], bounds, strict=True):
        assert base <= delay < 2 * base
    rig.clock.advance(120)
    assert rig.step() == 0.0, "two healthy minutes make up for it"


def test_a_refused_watch_is_asked_again_from_where_it_was(rig: Rig) -> None:
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [refuses(403, status(403, "")), streams(event("ADDED", pod("a", 11)))]
    rig.step()
    rig.step()
    rig.step()
    assert rig.asked[1:] == [{"watch": "10"}, {"watch": "10"}]
    assert rig.names == {"a"}


@pytest.mark.parametrize(
    "fails",
    [
        refuses(403, status(403, "")),
        refuses(500, status(500, "")),
        streams(event("ERROR", status(500, ""))),
        Exchange.cut,
    ],
    ids=["forbidden", "error", "error event", "cut"],
)
def test_where_every_watch_fails_it_lists_now_and_then_and_says_so(
    rig: Rig, fails: Callable[[Exchange], None]
) -> None:
    """What is held grew old without end: nobody learnt of new pods, nor of ended ones."""
    rig.api.lists = [listing(pod("a", 10), version=10), listing(pod("b", 50), version=50)]
    rig.api.watches = [fails]
    since = rig.clock.monotonic()
    while "b" not in rig.names and rig.clock.monotonic() < since + 120.0:
        rig.clock.advance(rig.step() + 0.1)
    assert rig.names == {"b"}
    (note,) = rig.informer.notes()
    assert note.startswith("[!]pods: they are listed now and then, as every watch fails: ")
    lists, contact = rig.informer.stats.lists["ok"], rig.informer.stats.last_contact
    until = rig.clock.monotonic() + 300.0
    while rig.clock.monotonic() < until:
        rig.clock.advance(rig.step() + 0.1)
    assert 3 <= rig.informer.stats.lists["ok"] - lists <= 10, "it does not grow old, nor storm"
    assert rig.informer.stats.last_contact == contact, "the alert for it goes on"
    rig.api.watches = [streams(event("ADDED", pod("c", 60)))]
    while "c" not in rig.names:
        rig.clock.advance(rig.step() + 0.1)
    assert rig.informer.notes() == []


@pytest.mark.parametrize(
    "answer",
    [
        refuses(429, status(429, "TooManyRequests"), Retry_After="8"),
        streams(event("ERROR", status(429, "TooManyRequests", retryAfterSeconds=8))),
    ],
    ids=["http", "event"],
)
def test_too_many_requests_waits_as_told_and_does_not_list(
    rig: Rig, answer: Callable[[Exchange], None]
) -> None:
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [answer]
    rig.step()
    assert rig.step() >= 8
    assert rig.step() >= 8
    assert rig.asked[1:] == [{"watch": "10"}, {"watch": "10"}]


def test_too_many_requests_for_a_list(rig: Rig) -> None:
    rig.api.lists = [refuses(429, status(429, "TooManyRequests"), Retry_After="9"), listing()]
    assert rig.step() >= 9
    assert rig.step() == 0.0
    assert rig.asked[0] == rig.asked[1], "nothing wrong with asking the cache again"


def test_an_unreachable_server_is_tried_ever_more_slowly() -> None:
    with ScriptedServer(Exchange.cut) as gone:
        client = client_of(gone.url)
    informer: Informer[Pod] = Informer(client, PodSource(), clock=FakeClock(), random=Random(1))
    delays = [informer.step() for _ in range(5)]
    assert delays[0] == 0.0
    assert delays[1:] == sorted(delays[1:])
    assert delays[1] >= 0.8
    assert informer.stats.lists["Unreachable"] == 5


def test_half_an_event_is_none(rig: Rig) -> None:
    whole, half = event("ADDED", pod("a", 11)), event("ADDED", pod("b", 12))[:-30]
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [streams(whole, half), streams()]
    rig.step()
    rig.step()
    rig.step()
    assert rig.names == {"a"}
    assert rig.asked[-1] == {"watch": "11"}


def test_lines_that_make_no_sense_are_passed_over(rig: Rig) -> None:
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [
        streams(
            b"<html>\n",
            b'{"type":"ADDED"}\n',
            event("RENAMED", pod("x", 11)),
            event("ADDED", pod("a", 12)),
        )
    ]
    rig.step()
    rig.step()
    assert rig.names == {"a"}
    assert rig.informer.stats.unreadable == 2
    assert rig.informer.stats.events == {"ADDED": 1, "unknown": 1}


def test_a_watch_of_nothing_but_nonsense_is_given_up(rig: Rig) -> None:
    """Each such line costs time, and a line in the log: a server may send millions of them."""
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [
        streams(*[b"5\n"] * 1000, event("ADDED", pod("a", 11))),
        streams(event("ADDED", pod("b", 12))),
    ]
    for _ in range(4):
        rig.step()
    assert rig.informer.stats.unreadable == 100
    assert rig.names == {"b"}


def test_one_object_that_cannot_be_read_stops_nothing_and_counts_as_no_deletion(
    rig: Rig,
) -> None:
    broken = pod("a", 12, status={"podIPs": "none"})
    rig.api.lists = [
        listing(pod("a"), pod("b"), version=10),
        listing(broken, pod("b", 14), version=20),
    ]
    rig.api.watches = [
        streams(
            event("MODIFIED", broken),
            event("MODIFIED", pod("b", 13)),
            event("ERROR", status(410, "Expired")),
        )
    ]
    for _ in range(3):
        rig.step()
    assert rig.changes == [("added", "a"), ("added", "b"), ("changed", "b"), ("changed", "b")]
    assert rig.names == {"a", "b"}
    assert rig.informer.stats.unreadable == 2


def test_an_empty_answer_that_is_no_list_takes_nothing_away(rig: Rig) -> None:
    """A proxy's, which says yes: all claims were forgotten until the next list."""
    empty = b'{"kind":"PodList","metadata":{},"items":[]}'
    rig.api.lists = [listing(pod("a"), version=10), empty, listing(pod("a"), version=20)]
    rig.api.watches = [streams(event("ERROR", status(410, "Expired"))), streams()]
    delays = [rig.step() for _ in range(5)]
    assert delays[2] > 0, "it is asked for again, after a pause"
    assert rig.changes == [("added", "a")]
    assert rig.asked[-1] == {"watch": "20"}


def test_a_watch_that_goes_back_in_time_is_not_believed(rig: Rig) -> None:
    rig.api.lists = [listing(pod("a", 9), version=10), listing(pod("a", 9), version=15)]
    rig.api.watches = [streams(event("MODIFIED", pod("a", 3)))]
    rig.step()
    rig.step()
    assert rig.informer.get(Key("default", "a")).resource_version == "9"  # type: ignore[union-attr]
    rig.step()
    assert rig.asked[-1] == {"limit": "500"}


def test_a_server_restored_from_an_old_backup_is_believed(rig: Rig) -> None:
    rig.api.lists = [listing(pod("a", 90), version=100), listing(pod("b", 4), version=5)]
    rig.api.watches = [refuses(504, TOO_LARGE), streams(event("MODIFIED", pod("b", 6)))]
    rig.step()
    rig.informer.note_written(PodSource().event(event("ADDED", pod("c", 120)), _any).object)  # type: ignore[arg-type]
    for _ in range(3):
        rig.step()
    assert rig.names == {"b"}
    assert rig.asked[-1] == {"watch": "5"}
    assert rig.informer.get(Key("default", "b")).resource_version == "6"  # type: ignore[union-attr]


def _any(key: Key, uid: str) -> bool:
    return True


@pytest.mark.parametrize("end", [Exchange.cut, refuses(503, status(503, ""))])
def test_a_server_that_was_away_is_looked_at_before_it_is_watched_on(
    rig: Rig, end: Callable[[Exchange], None]
) -> None:
    rig.api.lists = [listing(version=10), listing(version=12)]
    rig.api.watches = [end, streams()]
    for _ in range(4):
        rig.step()
    assert rig.asked[1:] == [{"watch": "10"}, {"limit": "1"}, {"watch": "10"}]


def test_a_server_that_came_back_older_is_listed_anew(rig: Rig) -> None:
    rig.api.lists = [listing(pod("a"), version=10), listing(version=4), listing(version=4)]
    rig.api.watches = [Exchange.cut, streams()]
    for _ in range(5):
        rig.step()
    assert rig.asked[2:] == [{"limit": "1"}, {"limit": "500"}, {"watch": "4"}]
    assert rig.names == set()


def test_the_look_is_repeated_until_it_succeeds(rig: Rig) -> None:
    busy = refuses(429, status(429, "TooManyRequests"), Retry_After="9")
    rig.api.lists = [listing(version=10), busy, b"<html>", listing(version=10)]
    rig.api.watches = [Exchange.cut, streams()]
    delays = [rig.step() for _ in range(6)]
    assert delays[2] >= 9
    assert delays[3] > 0
    assert [query for query in rig.asked if "limit" in query][1:] == [{"limit": "1"}] * 3
    assert rig.asked[-1] == {"watch": "10"}


def test_a_dead_connection_is_noticed_and_the_watch_goes_on_where_it_was(
    server: ScriptedServer, client: KubeClient
) -> None:
    rig = Rig(server, client, silence=RUNS_OUT_S)

    def falls_silent(exchange: Exchange) -> None:
        exchange.begin()
        exchange.chunk(bookmark(15))
        exchange.hold()

    rig.api.lists = [listing(version=10), listing(version=15)]
    rig.api.watches = [falls_silent, streams()]
    for _ in range(4):
        rig.step()
    assert rig.asked[1:] == [{"watch": "10"}, {"limit": "1"}, {"watch": "15"}]
    assert rig.informer.stats.watches == {"Unknown": 1, "closed": 1}


def test_the_last_contact_is_the_last_line(rig: Rig) -> None:
    rig.api.lists = [listing(version=10)]
    rig.api.watches = [streams(bookmark(11))]
    rig.step()
    rig.clock.advance(50)
    assert rig.informer.stats.last_contact == rig.clock.monotonic() - 50
    rig.step()
    assert rig.informer.stats.last_contact == rig.clock.monotonic()


# --- as it runs


@pytest.fixture
def running(server: ScriptedServer, client: KubeClient) -> Iterator[Rig]:
    rig = Rig(server, client)
    rig.informer = Informer(client, PodSource(), clock=SystemClock())
    yield rig
    rig.informer.stop()
    assert rig.informer.join(60)


def begin_and_hold(*lines: bytes) -> Callable[[Exchange], None]:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for line in lines:
            exchange.chunk(line)
        exchange.hold()

    return script


@pytest.mark.parametrize(
    ("lists", "watches", "requests"),
    [
        (Exchange.hold, Exchange.hold, 1),
        (listing(version=10), Exchange.hold, 2),
        (listing(version=10), begin_and_hold(bookmark(11)), 2),
        (listing(version=10), refuses(429, status(429, ""), Retry_After="60"), 2),
    ],
    ids=["in-list", "before-headers", "in-watch", "in-back-off"],
)
def test_stop_is_prompt(
    running: Rig,
    until: Until,
    lists: bytes | Callable[[Exchange], None],
    watches: Callable[[Exchange], None],
    requests: int,
) -> None:
    running.api.lists, running.api.watches = [lists], [watches]
    running.informer.start()
    until(lambda: len(running.server.requests) == requests)
    started = time.monotonic()
    running.informer.stop()
    assert running.informer.join(60)
    assert time.monotonic() - started < 20, "sooner than a watch ends by itself"
    assert running.informer.join(0)


def test_stop_before_start(running: Rig) -> None:
    running.informer.stop()
    assert running.informer.join(0)


def test_events_arrive_while_the_watch_is_open(running: Rig, until: Until) -> None:
    running.api.lists = [listing(version=10)]
    running.api.watches = [begin_and_hold(event("ADDED", pod("a", 11)))]
    running.informer.start()
    until(lambda: running.names == {"a"})


def test_a_list_asked_for_is_made_once_however_often_its_end_is_asked_for(
    running: Rig, until: Until
) -> None:
    looked = threading.Event()

    def once_looked(exchange: Exchange) -> None:
        looked.wait(60)
        exchange.answer(200, listing(pod("b"), version=20))

    running.api.lists = [listing(pod("a"), version=10), once_looked]
    running.api.watches = [begin_and_hold()]
    running.informer.start()
    until(lambda: len(running.server.requests) == 2)
    is_done = running.informer.relist()
    assert not is_done()
    until(lambda: len(running.server.requests) == 3)
    looked.set()
    until(is_done)
    assert running.names == {"b"}
    until(lambda: len(running.server.requests) == 4)
    assert is_done()
    assert [("watch" in asked) for asked in running.asked] == [False, True, False, True]


def test_it_outlives_what_nobody_foresaw(
    running: Rig, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.api.lists = [listing(pod("a"), version=10)]
    running.api.watches = [begin_and_hold()]
    replace, calls = running.informer.replace, iter([MemoryError("none left")])

    def fails_once(*args: object, **kwargs: object) -> None:
        if (error := next(calls, None)) is not None:
            raise error
        replace(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(running.informer, "replace", fails_once)
    running.informer.start()
    until(lambda: running.names == {"a"})

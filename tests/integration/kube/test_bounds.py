"""An answer that never ends, or has no measure, costs its deadline and no more."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from dnatctl.clock import SystemClock
from dnatctl.kube import client as client_module
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.informer import Informer, InformerSettings
from dnatctl.kube.leftovers import Leftovers
from dnatctl.kube.lines import LONGEST_LINE
from dnatctl.kube.poddnats import PodDNATSource, Served
from dnatctl.kube.pods import PodSource
from dnatctl.kube.workloads import SAID_FOR_S, WorkloadApi
from dnatctl.objects import Owner
from tests.support.clock import FakeClock
from tests.support.hostile import ENDLESS, ENORMOUS, drip
from tests.support.kubejson import bookmark, event, listing, pod
from tests.support.scripted import RUNS_OUT_S, Exchange, ScriptedServer

AMPLE_S = 6.0
"""A deadline that is not to run out, of a stream that takes longer."""
PATIENCE = 20.0
"""Far more than the deadline, far less than the answers here would last."""


def failure_of(call: Callable[[], object]) -> KubeError:
    with pytest.raises(KubeError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("script", ENDLESS)
def test_an_answer_that_drips_is_given_up(
    server: ScriptedServer, client: KubeClient, script: Callable[[Exchange], None]
) -> None:
    server.script(script)
    started = time.monotonic()
    error = failure_of(lambda: client.request("PATCH", "/x", body={}, timeout=RUNS_OUT_S))
    assert error.unsure
    assert time.monotonic() - started < PATIENCE
    server.script(lambda exchange: exchange.answer(200, {"next": True}))
    assert client.request("GET", "/x") == b'{"next":true}'


@pytest.mark.parametrize("script", ENORMOUS)
def test_an_answer_that_is_too_large_is_not_taken(
    server: ScriptedServer, client: KubeClient, script: Callable[[Exchange], None]
) -> None:
    server.script(script)
    error = failure_of(lambda: client.request("POST", "/x", body={}, most=1_000_000))
    assert (error.failure, error.unsure) == (Failure.TOO_LARGE, True)
    server.script(lambda exchange: exchange.answer(200, {"next": True}))
    assert client.request("GET", "/x") == b'{"next":true}'


def test_a_watch_that_is_refused_at_length_is_bounded_too(
    server: ScriptedServer, client: KubeClient
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        drip(exchange, b"x" * 100_000, 0.0)

    server.script(script)
    assert failure_of(lambda: client.stream("/x")).failure is Failure.TOO_LARGE


@pytest.mark.parametrize("length", [b"-2", b"zz", b"", b"9" * 400, b"-" + b"9" * 40], ids=repr)
def test_chunks_of_no_sensible_length_are_no_answer(
    server: ScriptedServer, client: KubeClient, length: bytes
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.wfile.write(length + b"\r\nabc\r\n")
        exchange.cut()

    server.script(script)
    assert failure_of(lambda: client.request("GET", "/x")).failure is Failure.UNKNOWN
    with client.stream("/x") as lines:
        assert failure_of(lambda: list(lines)).failure is Failure.UNKNOWN


@pytest.mark.parametrize("piece", [b" ", b"\n"], ids=["no line", "empty lines"])
def test_a_watch_without_a_line_is_silent(
    server: ScriptedServer, client: KubeClient, piece: bytes
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.chunk(b"one\n")
        drip(exchange, b"1\r\n%s\r\n" % piece)

    server.script(script)
    with client.stream("/x", read_timeout=RUNS_OUT_S) as lines:
        assert failure_of(lambda: list(lines)).failure is Failure.UNKNOWN


def test_a_watch_with_lines_goes_on_for_as_long_as_it_likes(
    server: ScriptedServer, client: KubeClient
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for _ in range(5):
            exchange.chunk(b"one\n")
            exchange.server.stopping.wait(AMPLE_S / 4)
        exchange.end()

    server.script(script)
    with client.stream("/x", read_timeout=AMPLE_S) as lines:
        assert len(list(lines)) == 5


def test_a_line_without_end_is_not_kept(server: ScriptedServer, client: KubeClient) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for _ in range(LONGEST_LINE // 1_000_000 + 2):
            exchange.chunk(b"x" * 1_000_000)
        exchange.hold()

    server.script(script)
    with client.stream("/x") as lines:
        assert failure_of(lambda: list(lines)).failure is Failure.TOO_LARGE


def test_what_is_told_of_a_broken_answer_is_short(
    server: ScriptedServer, client: KubeClient
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.wfile.write(b"\xff" * 60_000 + b"\r\n")
        exchange.cut()

    server.script(script)
    with client.stream("/x") as lines:
        assert len(str(failure_of(lambda: list(lines)))) < 1000
    assert len(str(failure_of(lambda: client.request("GET", "/x")))) < 1000


def test_a_chunk_of_a_negative_length_is_not_kept(
    server: ScriptedServer, client: KubeClient
) -> None:
    """It may be read to the end of the stream, which is none."""

    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.wfile.write(b"-1\r\n")
        for _ in range(LONGEST_LINE // 1_000_000 + 2):
            exchange.wfile.write(b"x" * 1_000_000)
        exchange.hold()

    server.script(script)
    with client.stream("/x", read_timeout=20) as lines:
        error = failure_of(lambda: list(lines))
    assert error.failure in {Failure.UNKNOWN, Failure.TOO_LARGE}
    assert "silent" not in error.message


EVIL_NAME = (
    "../../../../../../api/v1/pods?watch=true&timeoutSeconds=3600"
    "&x=/../../../api/v1/namespaces/tenant/pods/anchor"
)


@pytest.mark.parametrize(
    "owner",
    [
        Owner("apps/v1", "StatefulSet", EVIL_NAME, "u"),
        Owner("apps/v1", "StatefulSet", "..", "u"),
        Owner("apps/v1", "StatefulSet", "a/status", "u"),
        Owner("apps/v1", "StatefulSet", "%2e%2e%2fpods", "u"),
        Owner("apps/v1", "StatefulSet", "x" * 250_000, "u"),
        Owner("../../api/v1/pods?watch=true&x=/v1", "StatefulSet", "db", "u"),
        Owner("apps/v1/../../../api/v1", "StatefulSet", "db", "u"),
        Owner("apps/..", "StatefulSet", "db", "u"),
        Owner("v1?watch=true", "StatefulSet", "db", "u"),
        Owner("", "StatefulSet", "db", "u"),
    ],
    ids=lambda owner: f"{owner.api_version} {owner.name}"[:40],
)
def test_an_owner_is_asked_for_by_its_name_or_not_at_all(
    server: ScriptedServer, client: KubeClient, owner: Owner
) -> None:
    """A name that no object can have belongs to no object: the workload is not there."""

    def script(exchange: Exchange) -> None:
        if exchange.asked.query.get("watch"):
            drip(exchange, b"{}\n")
        elif exchange.asked.route == "/apis/apps/v1":
            exchange.answer(200, {"resources": [{"name": "statefulsets", "kind": "StatefulSet"}]})
        elif exchange.asked.route == "/apis":
            apps = {"name": "apps", "versions": [{"version": "v1"}]}
            exchange.answer(200, {"groups": [apps]})
        else:
            exchange.answer(404, {"reason": "NotFound"})

    server.script(script)
    clock = FakeClock()
    workloads = WorkloadApi(client, clock)
    with suppress(KubeError):  # a kind that is nowhere is gone when that has been said for a while
        workloads.get("tenant", owner)
    clock.advance(SAID_FOR_S)
    assert workloads.get("tenant", owner) is None
    assert all(seen.query == {} for seen in server.requests)
    assert {seen.route.split("/")[1] for seen in server.requests} <= {"apis", "api"}
    assert not [seen for seen in server.requests if "/pods" in seen.route]


def test_no_request_leaves_with_a_path_that_has_to_be_resolved(
    server: ScriptedServer, client: KubeClient
) -> None:
    for path in ("/api/v1/../pods", "/api/v1/pods?watch=true", "/x#y", "/a//b"):
        with pytest.raises(KubeError) as caught:
            client.request("GET", path)
        assert caught.value.failure is Failure.INVALID
    assert server.requests == []


def informer_of(client: KubeClient, source: PodSource | PodDNATSource) -> Informer:
    return Informer(
        client,
        source,
        clock=SystemClock(),
        random=Random(1),
        settings=InformerSettings(backoff=(0.001, 0.002)),
    )


def test_pages_that_are_too_large_are_asked_for_smaller(
    server: ScriptedServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnatctl.kube.informer._LARGEST_INFORMER_PAGE", 100_000)
    monkeypatch.setattr(client_module, "_OVERHEAD", 0)
    everyone = [pod(f"p{n}", 1, annotations={}) for n in range(1000)]

    def script(exchange: Exchange) -> None:
        query = exchange.asked.query
        begin, limit = int(query.get("continue", 0)), int(query.get("limit", 10**9))
        end = begin + limit
        rest = str(end) if end < len(everyone) else ""
        exchange.answer(200, listing(*everyone[begin:end], version=5, next_page=rest))

    server.script(script)
    informer = informer_of(client, PodSource())
    for _ in range(10):
        if not informer.synced.is_set():
            informer.step()
    assert informer.synced.is_set()


def test_no_page_is_held_that_takes_a_good_part_of_memory(
    server: ScriptedServer, client: KubeClient
) -> None:
    """Whoever may write pods has them as long as they like."""
    padding = b" " * (17 << 20)

    def script(exchange: Exchange) -> None:
        many = int(exchange.asked.query["limit"]) > 300
        exchange.answer(200, listing(pod("a"), version=5) + (padding if many else b""))

    server.script(script)
    informer = informer_of(client, PodSource())
    informer.step()
    assert not informer.synced.is_set()
    informer.step()
    assert informer.synced.is_set()


def test_who_takes_dnatctl_away_decodes_no_page_at_once(
    server: ScriptedServer, client: KubeClient
) -> None:
    tiny = {format(number, "x"): "" for number in range(14_500)}
    body = listing(*(pod(f"p{number}", annotations=tiny) for number in range(60)))
    server.script(lambda exchange: exchange.answer(200, body))
    leftovers = Leftovers(client, "dnatctl", None)
    tracemalloc.start()
    try:
        assert leftovers.pods() == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(body)


def test_after_a_big_page_a_smaller_one_is_asked_for_and_no_more_calls_than_need_be(
    server: ScriptedServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Big objects must not cost a page full of them in memory; small ones not a call each."""
    monkeypatch.setattr("dnatctl.kube.source._USUAL_PAGE", 100_000)
    big = [pod(f"big-{n}", 1, annotations={"x": "y" * 5_000}) for n in range(600)]
    everyone = big + [pod(f"small-{n}", 1, annotations={}) for n in range(600)]
    sizes: list[int] = []

    def script(exchange: Exchange) -> None:
        query = exchange.asked.query
        begin = int(query.get("continue", 0))
        end = begin + int(query["limit"])
        rest = str(end) if end < len(everyone) else ""
        body = listing(*everyone[begin:end], version=5, next_page=rest)
        sizes.append(len(body))
        exchange.answer(200, body)

    server.script(script)
    informer = informer_of(client, PodSource())
    informer.step()
    assert informer.synced.is_set()
    assert max(sizes[1:]) <= 200_000
    assert len(sizes) < 40


def test_one_object_that_is_nested_without_end_holds_up_no_other(
    server: ScriptedServer, client: KubeClient
) -> None:
    """As whoever writes PodDNATs can store under a CRD that keeps unknown fields."""
    deep = b'{"x":' * 3_000 + b"1" + b"}" * 3_000
    meta = b'{"name":"poison","namespace":"n","uid":"u","resourceVersion":"6"}'
    poison = b'{"metadata":%s,"deep":%s}' % (meta, deep)

    def script(exchange: Exchange) -> None:
        if exchange.asked.query.get("watch"):
            second = poison.replace(b"poison", b"second").replace(b'"u"', b'"v"')
            line = b'{"type":"ADDED","object":%s}\n' % second
            exchange.stream(line, event("ADDED", pod("late", 7)), bookmark(8))
        else:
            whole = listing(pod("fine", 3), version=5)
            exchange.answer(200, whole.replace(b'"items":[', b'"items":[%s,' % poison))

    server.script(script)
    informer = informer_of(client, PodDNATSource(Served(client, "v1")))
    informer.step()
    informer.step()
    held = {value.key.name for value in informer.values()}
    assert held == {"fine", "poison", "second", "late"}

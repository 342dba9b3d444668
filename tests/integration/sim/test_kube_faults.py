"""Faults on purpose: each does what it says, once or as long as asked, and to no one else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import urllib3

from dnatctl_sim.kube import Fault, KubeServer, Match, Settings, Stage, Write
from tests.integration.sim.kube_support import MERGE, Http, config_map, eventually
from tests.support.scripted import RUNS_OUT_S

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
CUT = (urllib3.exceptions.ProtocolError, urllib3.exceptions.NewConnectionError)


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False, bookmarks=0.05)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url, "victim/1")


def now(http: Http) -> str:
    version: str = http("GET", MAPS)["metadata.resourceVersion"]
    return version


def test_an_error_instead_of_the_answer(http: Http, server: KubeServer) -> None:
    rule = server.faults.add(Fault(code=429, retry_after=7), Match(verb="create"), times=2)
    for _ in range(2):
        reply = http("POST", MAPS, config_map("a"))
        assert (reply.code, reply["reason"]) == (429, "TooManyRequests")
        assert reply.headers["Retry-After"] == "7"
        assert reply["details.retryAfterSeconds"] == 7
    assert http("GET", f"{MAPS}/a").code == 404, "nothing was stored"
    assert http("POST", MAPS, config_map("a")).code == 201, "only twice"
    assert rule.hits == 2


@pytest.mark.parametrize("code", [403, 409, 500, 503, 504])
def test_every_code_has_its_status_object(http: Http, server: KubeServer, code: int) -> None:
    server.faults.add(Fault(code=code))
    reply = http("GET", MAPS)
    assert (reply.code, reply["code"], reply["kind"]) == (code, code, "Status")


def test_faults_meet_only_whom_they_are_for(http: Http, server: KubeServer) -> None:
    http("POST", MAPS, config_map("a"))
    match = Match(
        verb="patch", resource="configmaps", namespace="default", name="a", user_agent="victim"
    )
    server.faults.add(Fault(code=500), match, times=None)
    patch = {"data": {"k": "w"}}
    assert http("PATCH", f"{MAPS}/a", patch, MERGE).code == 500
    assert Http(server.url, "other/1")("PATCH", f"{MAPS}/a", patch, MERGE).code == 200
    assert http("GET", f"{MAPS}/a").code == 200
    server.faults.clear()
    assert http("PATCH", f"{MAPS}/a", patch, MERGE).code == 200


def test_a_rule_can_be_cancelled(http: Http, server: KubeServer) -> None:
    rule = server.faults.add(Fault(code=500), times=None)
    assert http("GET", MAPS).code == 500
    rule.cancel()
    assert http("GET", MAPS).code == 200


def test_latency(http: Http, server: KubeServer) -> None:
    server.faults.add(Fault(delay=0.2))
    started = time.monotonic()
    assert http("GET", MAPS).code == 200
    assert time.monotonic() - started >= 0.2


def test_a_reset_before_the_write_leaves_nothing(http: Http, server: KubeServer) -> None:
    server.faults.add(Fault(drop=True))
    with pytest.raises(CUT):
        http("POST", MAPS, config_map("a"))
    assert http("GET", f"{MAPS}/a").code == 404


def test_a_lost_reply_leaves_the_write(http: Http, server: KubeServer) -> None:
    server.faults.add(Fault(drop=True, after=True))
    with pytest.raises(CUT):
        http("POST", MAPS, config_map("a"))
    assert http("GET", f"{MAPS}/a").code == 200


def test_an_error_after_the_write_leaves_the_write(http: Http, server: KubeServer) -> None:
    server.faults.add(Fault(code=504, after=True))
    assert http("POST", MAPS, config_map("a")).code == 504
    assert http("GET", f"{MAPS}/a").code == 200


def test_the_hook_is_asked_before_and_after_every_write(http: Http, server: KubeServer) -> None:
    seen: list[tuple[Stage, str, str, int, bool]] = []

    def hook(write: Write) -> Fault | None:
        stored = server.store.get("configmaps", "default", "a") is not None
        seen.append((write.stage, write.verb, write.resource, write.code, stored))
        return None

    server.faults.on_write = hook
    http("GET", MAPS)
    http("POST", MAPS, config_map("a"))
    assert seen == [
        (Stage.BEFORE, "create", "configmaps", 0, False),
        (Stage.AFTER, "create", "configmaps", 201, True),
    ]


@pytest.mark.parametrize(("stage", "stored"), [(Stage.BEFORE, 404), (Stage.AFTER, 200)])
def test_the_hook_can_crash_a_write(
    http: Http, server: KubeServer, stage: Stage, stored: int
) -> None:
    drop = Fault(drop=True)
    server.faults.on_write = lambda write: drop if write.stage is stage else None
    with pytest.raises(CUT):
        http("POST", MAPS, config_map("a"))
    server.faults.on_write = None
    assert http("GET", f"{MAPS}/a").code == stored


def test_closed_watches_end_cleanly(http: Http, server: KubeServer) -> None:
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        eventually(lambda: server.watches.count("configmaps") == 1)
        assert server.watches.close("secrets") == 0
        assert server.watches.close("configmaps") == 1
        assert stream.rest() == []
    eventually(lambda: server.watches.count() == 0)


def test_reset_watches_break(http: Http, server: KubeServer) -> None:
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        eventually(lambda: server.watches.count() == 1)
        server.watches.close(reset=True)
        with pytest.raises(urllib3.exceptions.HTTPError):
            stream.rest()


def silent(http: Http, server: KubeServer, *, freeze: str = "", seconds: float = 60.0) -> bool:
    """Whether a watch is told of no change, then gets no bookmark for so long, and stays open."""
    url = f"{server.url}{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={now(http)}"
    response = http.pool.request("GET", url, preload_content=False, timeout=60)
    deadline = time.monotonic() + 60
    try:
        eventually(lambda: server.watches.count() > 0)
        if freeze:
            server.watches.freeze("configmaps")
        name = f"n{time.monotonic_ns()}"
        http("POST", MAPS, config_map(name))
        response.connection.sock.settimeout(seconds)
        heard = b""
        for chunk in response.stream(1024):
            heard += chunk
            if name.encode() in heard:
                return False
            # A bookmark from before the freeze may have been on its way.
            assert time.monotonic() < deadline, "bookmarks come, but no change"
    except urllib3.exceptions.ReadTimeoutError:
        return True
    finally:
        response.close()
    raise AssertionError("the watch has ended")


def test_frozen_watches_are_half_open(http: Http, server: KubeServer) -> None:
    assert silent(http, server, freeze="now", seconds=RUNS_OUT_S)
    assert not silent(http, server), "later ones work"


def test_watches_to_come_can_be_frozen_too(http: Http, server: KubeServer) -> None:
    server.watches.freeze("configmaps", coming=True)
    assert silent(http, server, seconds=RUNS_OUT_S)
    server.watches.thaw()
    assert not silent(http, server)


def test_swallowed_changes_are_never_told(http: Http, server: KubeServer) -> None:
    version = now(http)
    server.faults.watches.swallow("configmaps", 2)
    with http.watch(MAPS, resourceVersion=version) as live:
        for name in "abc":
            http("POST", MAPS, config_map(name))
        assert live.take(1) == [("ADDED", "c")]
    with http.watch(MAPS, resourceVersion=version) as late:
        assert late.take(1) == [("ADDED", "c")]
    assert len(http("GET", MAPS)["items"]) == 3


def test_reordered_changes(http: Http, server: KubeServer) -> None:
    server.faults.watches.reorder("configmaps", 3)
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        for name in "abcd":
            http("POST", MAPS, config_map(name))
        assert [name for _, name in stream.take(4)] == ["c", "b", "a", "d"]


def test_expired_watches_as_event_and_as_status(http: Http, server: KubeServer) -> None:
    version = now(http)
    server.faults.expire_watches("configmaps")
    with http.watch(MAPS, resourceVersion=version) as stream:
        kind, status = stream.next()
        assert (stream.code, kind, status["code"]) == (200, "ERROR", 410)
    server.faults.expired_over_http = True
    server.faults.expire_watches("configmaps")
    reply = http("GET", MAPS, watch="1", resourceVersion=version)
    assert (reply.code, reply["reason"]) == (410, "Expired")
    with http.watch(MAPS, resourceVersion=version, timeoutSeconds=1) as stream:
        assert stream.rest() == []


def test_expired_pages(http: Http, server: KubeServer) -> None:
    for name in "abc":
        http("POST", MAPS, config_map(name))
    token = http("GET", MAPS, limit=1)["metadata.continue"]
    server.faults.expire_pages()
    assert http("GET", MAPS, limit=1, **{"continue": token}).code == 410
    assert http("GET", MAPS, limit=1, **{"continue": token}).code == 200


def test_a_paused_server_answers_nobody_until_it_goes_on(http: Http, server: KubeServer) -> None:
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        server.pause()
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            http.pool.request("GET", server.url + MAPS, timeout=0.2)
        server.store.create("configmaps", config_map("a", namespace="default"))
        server.resume()
        assert stream.take(1) == [("ADDED", "a")]
    assert http("GET", f"{MAPS}/a").code == 200


def test_a_server_that_goes_away_comes_back_with_all_it_had(http: Http, server: KubeServer) -> None:
    created = http("POST", MAPS, config_map("a"))
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        eventually(lambda: server.watches.count() == 1)
        server.go_offline()
        with pytest.raises(urllib3.exceptions.HTTPError):
            stream.rest()
        with pytest.raises(CUT):
            http("GET", MAPS)
    url = server.url
    server.go_online()
    assert server.url == url
    assert http("GET", f"{MAPS}/a").body == created.body


def test_a_restored_store_goes_back_in_time(http: Http, server: KubeServer) -> None:
    http("POST", MAPS, config_map("a"))
    backup = server.backup()
    version = now(http)
    http("DELETE", f"{MAPS}/a")
    http("POST", MAPS, config_map("b"))
    later = now(http)
    server.restore(backup)
    listed = http("GET", MAPS)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
    assert listed["metadata.resourceVersion"] == version
    reply = http("GET", MAPS, resourceVersion=later)
    assert (reply.code, reply["reason"]) == (504, "Timeout")


def test_watches_from_the_future_can_be_refused(http: Http, server: KubeServer) -> None:
    server.faults.refuse_future_watches = True
    reply = http("GET", MAPS, watch="1", resourceVersion="999999")
    assert (reply.code, reply["reason"]) == (504, "Timeout")


def test_the_log_knows_who_asked_what(http: Http, server: KubeServer) -> None:
    server.requests.clear()
    http("POST", MAPS, config_map("a"))
    http("GET", f"{MAPS}/nosuch")
    Http(server.url, "other/1")("DELETE", f"{MAPS}/a")
    first, second, third = server.requests.all()
    assert (first.verb, first.resource, first.namespace, first.code) == (
        "create",
        "configmaps",
        "default",
        201,
    )
    assert (second.verb, second.name, second.code) == ("get", "nosuch", 404)
    assert (third.verb, third.user_agent) == ("delete", "other/1")
    assert [request.verb for request in server.requests.writes("victim")] == ["create"]


def test_stopping_leaves_nothing_behind(no_leaked_threads: None) -> None:
    with KubeServer() as server:
        http = Http(server.url)
        with http.watch(MAPS) as stream:
            eventually(lambda: server.watches.count() == 1)
            server.stop()
            with pytest.raises(urllib3.exceptions.HTTPError):
                stream.rest()
    server.store.create("secrets", {"metadata": {"name": "s", "namespace": "default"}})
    assert server.store.get("secrets", "default", "s"), "the store outlives the server"

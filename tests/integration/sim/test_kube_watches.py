"""Watches: what is told, in which order, from where on, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.kube import KubeServer, Settings
from tests.integration.sim.kube_support import (
    MERGE,
    Http,
    config_map,
    crd,
    eventually,
    pod_dnat,
)

MAPS = "/api/v1/namespaces/default/configmaps"
SYSTEM = "/api/v1/namespaces/kube-system/configmaps"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False, history=50, bookmarks=0.05)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def now(http: Http) -> str:
    version: str = http("GET", MAPS)["metadata.resourceVersion"]
    return version


def label(http: Http, name: str, value: str | None) -> None:
    patch = {"metadata": {"labels": {"on": value}}}
    assert http("PATCH", f"{MAPS}/{name}", patch, MERGE).code == 200


def test_without_version_the_state_comes_first(http: Http) -> None:
    for name in ("b", "a"):
        http("POST", MAPS, config_map(name))
    with http.watch(MAPS) as stream:
        assert sorted(stream.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        http("DELETE", f"{MAPS}/a")
        assert stream.take(1) == [("DELETED", "a")]


def test_only_the_gap_is_replayed(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    version = now(http)
    http("POST", MAPS, config_map("b"))
    http("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, MERGE)
    http("DELETE", f"{MAPS}/b")
    with http.watch(MAPS, resourceVersion=version) as stream:
        expected = [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
        assert stream.take(3) == expected


def test_a_deletion_carries_the_last_state_and_its_own_version(http: Http) -> None:
    created = http("POST", MAPS, config_map("a"))
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        http("DELETE", f"{MAPS}/a")
        kind, obj = stream.next()
    assert (kind, obj["data"]) == ("DELETED", {"k": "v"})
    assert int(obj["metadata"]["resourceVersion"]) > int(created["metadata.resourceVersion"])


def test_other_namespaces_are_not_told_of(http: Http) -> None:
    with http.watch(MAPS, resourceVersion=now(http)) as stream:
        http("POST", SYSTEM, config_map("x"))
        http("POST", MAPS, config_map("a"))
        assert stream.take(1) == [("ADDED", "a")]


def test_entering_and_leaving_a_selection(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    with http.watch(MAPS, resourceVersion=now(http), labelSelector="on=yes") as stream:
        for value in ("yes", "yes", "no", "yes"):
            label(http, "a", value)
            http("PATCH", f"{MAPS}/a", {"data": {value: str(now(http))}}, MERGE)
        events = [stream.next() for _ in range(6)]
    kinds = [kind for kind, _ in events]
    assert kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED", "ADDED", "MODIFIED"]
    left = events[3][1]
    assert left["metadata"]["labels"] == {"on": "yes"}, "told with the last state that matched"


def test_one_object_by_field(http: Http) -> None:
    version = now(http)
    for name in ("a", "b"):
        http("POST", MAPS, config_map(name))
    selector = "metadata.name=b"
    with http.watch(MAPS, resourceVersion=version, fieldSelector=selector) as stream:
        assert stream.take(1) == [("ADDED", "b")]


def test_bookmarks_move_the_version_on_past_foreign_changes(http: Http) -> None:
    with http.watch(MAPS, resourceVersion=now(http), allowWatchBookmarks="true") as stream:
        other = http("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})

        def caught_up() -> bool:
            kind, obj = stream.next()
            assert kind == "BOOKMARK"
            assert obj["kind"] == "ConfigMap"
            seen = int(obj["metadata"]["resourceVersion"])
            return seen >= int(other["metadata.resourceVersion"])

        eventually(caught_up)


def test_no_bookmarks_unless_asked_for(http: Http) -> None:
    with http.watch(MAPS, resourceVersion=now(http), timeoutSeconds=1) as stream:
        assert stream.rest() == []


def test_initial_events_end_with_a_marked_bookmark(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    with http.watch(MAPS, **query) as stream:
        assert stream.take(1) == [("ADDED", "a")]
        kind, obj = stream.next()
    assert kind == "BOOKMARK"
    assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_timeout_ends_the_stream_cleanly(http: Http) -> None:
    version = now(http)
    http("POST", MAPS, config_map("a"))
    with http.watch(MAPS, resourceVersion=version, timeoutSeconds=4) as stream:
        assert [event["type"] for event in stream.rest()] == ["ADDED"]


def test_a_version_before_the_history_is_gone(http: Http, server: KubeServer) -> None:
    version = now(http)
    http("POST", MAPS, config_map("a"))
    server.api.store.compact()
    with http.watch(MAPS, resourceVersion=version) as stream:
        kind, status = stream.next()
        assert stream.code == 200
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert stream.rest() == [], "and the stream ends"


def test_history_is_bounded(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    version = now(http)
    for number in range(120):
        http("PATCH", f"{MAPS}/a", {"data": {"k": str(number)}}, MERGE)
    with http.watch(MAPS, resourceVersion=version) as stream:
        assert stream.next()[0] == "ERROR"
    recent = int(now(http)) - 40
    with http.watch(MAPS, resourceVersion=recent) as stream:
        assert stream.take(40) == [("MODIFIED", "a")] * 40


def test_a_version_yet_to_come_is_waited_for_in_silence(http: Http) -> None:
    """kube-apiserver does so too: a watch that has seen more than a restored etcd hears nothing."""
    ahead = int(now(http)) + 2
    query = {"resourceVersion": ahead, "allowWatchBookmarks": "true"}
    with http.watch(MAPS, **query) as stream:
        for name in "abc":
            http("POST", MAPS, config_map(name))
        told = [stream.next()]
        while told[-1][0] == "BOOKMARK":  # on a busy machine one fits in before the third
            told.append(stream.next())
        after = stream.next()
    assert all(int(it["metadata"]["resourceVersion"]) >= ahead for _, it in told)
    assert (told[-1][0], told[-1][1]["metadata"]["name"]) == ("ADDED", "c")
    assert after[0] == "BOOKMARK"


def test_the_watch_parameter_means_nothing_for_one_object(http: Http) -> None:
    created = http("POST", MAPS, config_map("a"))
    assert http("GET", f"{MAPS}/a", watch="1").body == created.body


def test_every_version_of_a_custom_resource_is_told_in_its_own_terms(http: Http) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    http("POST", crds, crd())
    base = "/apis/alibabacloud.com/{}/namespaces/default/poddnats"
    version = now(http)
    with (
        http.watch(base.format("v1"), resourceVersion=version) as new,
        http.watch(base.format("v1beta1"), resourceVersion=version) as old,
    ):
        http("POST", base.format("v1"), pod_dnat("web", "v1"))
        assert new.next()[1]["apiVersion"] == "alibabacloud.com/v1"
        assert old.next()[1]["apiVersion"] == "alibabacloud.com/v1beta1"


def test_many_writers_and_watchers_see_the_same_order(http: Http, server: KubeServer) -> None:
    version = now(http)
    with (
        http.watch(MAPS, resourceVersion=version) as first,
        http.watch(MAPS, resourceVersion=version) as second,
    ):
        for number in range(40):
            server.store.create("configmaps", config_map(f"m{number}", namespace="default"))
        seen = first.take(40)
        assert seen == [("ADDED", f"m{number}") for number in range(40)]
        assert second.take(40) == seen

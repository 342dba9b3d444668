"""Lists: selectors, pages over a consistent snapshot, old and future revisions, forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl_sim.kube import KubeServer, Settings
from tests.integration.sim.kube_support import MERGE, Http, Reply, config_map, pod

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def names(reply: Reply) -> list[str]:
    assert reply.code == 200, reply.body
    return [item["metadata"]["name"] for item in reply["items"]]


def fill(http: Http, count: int) -> None:
    for number in range(count):
        body = config_map(f"m{number:02}", labels={"n": str(number), "even": str(number % 2 == 0)})
        assert http("POST", MAPS, body).code == 201


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("n=1", ["m01"]),
        ("n==1", ["m01"]),
        ("n in (0, 3)", ["m00", "m03"]),
        ("n notin (0,1),even=True", ["m02"]),
        ("n!=0,even!=False", ["m02"]),
        ("nosuch", []),
        ("!nosuch,n in (2)", ["m02"]),
        ("n,even=False", ["m01", "m03"]),
    ],
)
def test_label_selectors(http: Http, selector: str, expected: list[str]) -> None:
    fill(http, 4)
    assert names(http("GET", MAPS, labelSelector=selector)) == expected


def test_field_selectors(http: Http) -> None:
    fill(http, 3)
    assert names(http("GET", MAPS, fieldSelector="metadata.name=m01")) == ["m01"]
    assert names(http("GET", MAPS, fieldSelector="metadata.name!=m01")) == ["m00", "m02"]
    reply = http("GET", MAPS, fieldSelector="spec.nodeName=x")
    message = '"spec.nodeName" is not a known field selector: only "metadata.name", '
    assert (reply.code, reply["message"]) == (400, message + '"metadata.namespace"')


def test_field_selectors_of_pods(http: Http, server: KubeServer) -> None:
    pods = "/api/v1/namespaces/default/pods"
    for name in ("a", "b"):
        http("POST", pods, pod(name))
    http("PATCH", f"{pods}/b/status", {"status": {"phase": "Running", "podIP": "10.1.1.1"}}, MERGE)
    for selector in ("status.phase=Running", "status.podIP=10.1.1.1", "status.phase!=Pending"):
        assert names(http("GET", "/api/v1/pods", fieldSelector=selector)) == ["b"]
    assert names(http("GET", "/api/v1/pods", fieldSelector="spec.nodeName=")) == ["a", "b"]


def test_items_of_built_in_lists_have_no_kind_but_custom_ones_do(http: Http) -> None:
    fill(http, 1)
    listed = http("GET", MAPS)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert not {"kind", "apiVersion"} & listed["items.0"].keys()
    assert listed["items.0.metadata.name"] == "m00"


def test_one_namespace_or_all(http: Http) -> None:
    fill(http, 1)
    http("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("other"))
    assert names(http("GET", MAPS)) == ["m00"]
    assert names(http("GET", "/api/v1/configmaps")) == ["m00", "other"]


def pages(http: Http, first: Reply, limit: int, **query: Any) -> list[str]:
    found, reply = names(first), first
    while token := reply["metadata"].get("continue"):
        reply = http("GET", MAPS, limit=limit, **{"continue": token}, **query)
        assert reply["metadata.resourceVersion"] == first["metadata.resourceVersion"]
        found += names(reply)
    return found


def test_pages_show_one_snapshot_whatever_happens_between(http: Http) -> None:
    fill(http, 7)
    first = http("GET", MAPS, limit=3)
    assert names(first) == ["m00", "m01", "m02"]
    assert first["metadata.remainingItemCount"] == 4
    http("DELETE", f"{MAPS}/m04")
    http("PATCH", f"{MAPS}/m05", {"data": {"k": "new"}}, MERGE)
    http("POST", MAPS, config_map("m045"))
    assert pages(http, first, 3) == [f"m{n:02}" for n in range(7)]
    assert names(http("GET", MAPS))[4:] == ["m045", "m05", "m06"]


def test_pages_with_a_selector(http: Http) -> None:
    fill(http, 7)
    first = http("GET", MAPS, limit=2, labelSelector="even=True")
    assert "remainingItemCount" not in first["metadata"]
    found = pages(http, first, 2, labelSelector="even=True")
    assert found == ["m00", "m02", "m04", "m06"]


def test_a_page_after_compaction_is_gone_and_can_be_taken_up_again(
    http: Http, server: KubeServer
) -> None:
    fill(http, 4)
    first = http("GET", MAPS, limit=2)
    http("DELETE", f"{MAPS}/m03")
    server.api.store.compact()
    second = http("GET", MAPS, limit=2, **{"continue": first["metadata.continue"]})
    assert (second.code, second["reason"]) == (410, "Expired")
    again = http("GET", MAPS, limit=2, **{"continue": second["metadata.continue"]})
    assert names(again) == ["m02"]


def test_bad_continue_token(http: Http) -> None:
    reply = http("GET", MAPS, limit=2, **{"continue": "nonsense"})
    assert (reply.code, reply["reason"]) == (400, "BadRequest")


def test_any_version_is_served_whole_from_the_cache(http: Http) -> None:
    fill(http, 4)
    reply = http("GET", MAPS, limit=2, resourceVersion="0")
    assert len(names(reply)) == 4
    assert "continue" not in reply["metadata"]


def test_exact_old_version(http: Http) -> None:
    fill(http, 2)
    before = http("GET", MAPS)["metadata.resourceVersion"]
    http("DELETE", f"{MAPS}/m00")
    query = {"resourceVersion": before, "resourceVersionMatch": "Exact"}
    reply = http("GET", MAPS, **query)
    assert names(reply) == ["m00", "m01"]
    assert reply["metadata.resourceVersion"] == before
    newer = http("GET", MAPS, resourceVersion=before)
    assert names(newer) == ["m01"]


def test_a_version_yet_to_come_is_too_large(http: Http) -> None:
    for path in (MAPS, f"{MAPS}/x"):
        reply = http("GET", path, resourceVersion="999999")
        assert (reply.code, reply["reason"]) == (504, "Timeout")
        assert reply["details.causes.0.reason"] == "ResourceVersionTooLarge"
        assert "Too large resource version" in reply["message"]


def test_pinned_list_shows_the_past(http: Http, server: KubeServer) -> None:
    fill(http, 2)
    old = http("GET", MAPS)["metadata.resourceVersion"]
    server.pin_lists("configmaps")
    http("DELETE", f"{MAPS}/m00")
    stale = http("GET", MAPS, resourceVersion="0")
    assert names(stale) == ["m00", "m01"]
    assert int(stale["metadata.resourceVersion"]) == int(old)
    assert names(http("GET", MAPS)) == ["m01"], "a quorum read sees the present"
    server.unpin_lists("configmaps")
    assert names(http("GET", MAPS, resourceVersion="0")) == ["m01"]


def test_table_and_metadata_forms(http: Http, server: KubeServer) -> None:
    fill(http, 2)
    http("POST", "/api/v1/namespaces/default/pods", pod("p"))

    def ask(path: str, accept: str) -> Any:
        import json

        reply = http.pool.request("GET", server.url + path, headers={"Accept": accept})
        return json.loads(reply.data)

    table = ask("/api/v1/pods", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert table["kind"] == "Table"
    columns = [column["name"] for column in table["columnDefinitions"]]
    assert columns[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["p", "0/1", "Pending", "0"]
    assert table["rows"][0]["object"]["metadata"]["name"] == "p"
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    partial = ask(MAPS, accept)
    assert partial["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in partial["items"]] == [["apiVersion", "kind", "metadata"]] * 2


def test_objects_in_bulk(http: Http, server: KubeServer) -> None:
    """They are stored as they are, status included, and told to those who watch."""
    pods = "/api/v1/namespaces/games/pods"
    version = http("GET", MAPS)["metadata.resourceVersion"]
    bodies = (
        {
            **pod(f"p{n:04}", namespace="games", labels={"n": str(n % 2)}),
            "status": {"phase": "Running"},
        }
        for n in range(2500)
    )
    assert server.store.create_many("pods", bodies) == 2500
    first = http("GET", pods, limit=500, labelSelector="n=1", fieldSelector="status.phase=Running")
    assert names(first)[:2] == ["p0001", "p0003"]
    assert len(names(first)) == 500
    whole = http("GET", "/api/v1/pods")
    assert len({item["metadata"]["uid"] for item in whole["items"]}) == 2500
    with http.watch(pods, resourceVersion=version) as stream:
        assert stream.take(2500) == [("ADDED", f"p{n:04}") for n in range(2500)]

"""What an account lacks is named, with what that costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import yaml

from dnatctl.kube import ledger
from dnatctl.kube.access import needed, unserved
from dnatctl.kube.errors import Failure, KubeError

MANIFESTS = Path(__file__).parents[3] / "manifests"
CONTROLLERS = ("dnatctl", "dnatctl-pod-condition")

GROUPS = {
    "apps": [("statefulsets", "StatefulSet"), ("statefulsets/scale", "Scale")],
    "apps.kruise.io": [("statefulsets", "StatefulSet"), ("clonesets", "CloneSet")],
    "game.kruise.io": [("gameserversets", "GameServerSet")],
}


class Server:
    """Serves these groups, one of which is down, and denies what it is told to."""

    def __init__(self, *denied: str, but_in: Collection[str] = ()) -> None:
        self.denied = denied
        self.but_in = but_in

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        if method == "POST":
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked["subresource"])))
            wish = f"{asked['verb']} {asked['group']} {resource}"
            allowed = not {wish, f"{wish} {asked['name']}"} & set(self.denied)
            allowed = allowed or asked.get("namespace") in self.but_in
            return orjson.dumps({"status": {"allowed": allowed}})
        if path == "/apis":
            names = [*GROUPS, "metrics.k8s.io"]
            groups = [
                {"name": n, "preferredVersion": {"groupVersion": f"{n}/v1", "version": "v1"}}
                for n in names
            ]
            return orjson.dumps({"groups": groups})
        group = path.split("/")[2]
        if group not in GROUPS:
            raise KubeError(Failure.SERVER, "down", status=503)
        resources = [{"name": name, "kind": kind} for name, kind in GROUPS[group]]
        return orjson.dumps({"resources": resources})


def lacking(
    server: Any,
    *kinds: str,
    condition: bool = True,
    annotation: bool = False,
    labels: bool = False,
    listed: Collection[str] = (),
) -> list[str]:
    found = needed(
        server,
        kinds,
        "ops",
        condition=condition,
        annotation=annotation,
        labels=labels,
        listed=listed,
    )
    return [str(leave) for leave, may in found if not may]


def test_nothing_is_missing_where_all_is_granted() -> None:
    assert lacking(Server(), "GameServerSet") == []


def test_where_namespaces_are_listed_leave_in_each_of_them_will_do() -> None:
    writes = ("create alibabacloud.com poddnats", "patch  pods/status")
    server = Server(*writes, "list  pods", but_in=("games",))
    assert lacking(server, listed=("games",)) == ["list pods"]
    assert lacking(server, listed=("games", "shop")) == [
        "list pods",
        "create poddnats.alibabacloud.com in shop",
        "patch pods/status in shop",
    ]
    assert "patch pods/status" in lacking(server)


def test_every_group_that_has_the_kind_counts() -> None:
    server = Server(
        "get apps.kruise.io statefulsets", "update apps.kruise.io statefulsets/finalizers"
    )
    assert lacking(server) == [
        "get statefulsets.apps.kruise.io",
        "update statefulsets/finalizers.apps.kruise.io",
    ]


def test_kinds_that_are_not_named_are_not_asked_for() -> None:
    server = Server("get game.kruise.io gameserversets", "get apps.kruise.io clonesets")
    assert lacking(server) == []
    assert lacking(server, "GameServerSet") == ["get gameserversets.game.kruise.io"]


def test_watching_namespaces_is_asked_for_only_where_labels_decide() -> None:
    server = Server("list  namespaces", "watch  namespaces")
    assert lacking(server) == []
    assert lacking(server, labels=True) == ["list namespaces", "watch namespaces"]


def test_what_tells_a_wish_from_a_clean_up_is_asked_for() -> None:
    server = Server("get  namespaces", "get apiextensions.k8s.io customresourcedefinitions")
    assert lacking(server) == [
        "get namespaces",
        "get customresourcedefinitions.apiextensions.k8s.io poddnats.alibabacloud.com",
    ]


def test_leave_to_tell_pods_is_asked_for_where_they_are_to_be_told() -> None:
    server = Server("patch  pods/status")
    assert lacking(server) == ["patch pods/status"]
    assert lacking(server, condition=False) == []


def test_leave_to_write_annotations_is_asked_for_where_they_are_to_be_written() -> None:
    server = Server("patch  pods")
    assert lacking(server) == []
    assert lacking(server, annotation=True) == ["patch pods"]


def test_what_is_granted_in_the_controllers_namespace_is_asked_for_there() -> None:
    server = Server("update coordination.k8s.io leases", "create  configmaps")
    assert lacking(server) == [
        "update leases.coordination.k8s.io dnatctl in ops",
        "create configmaps in ops",
    ]


def test_leave_for_many_objects_is_asked_for_by_name_and_told_as_one() -> None:
    others = len(ledger.NAMES) - 1
    assert lacking(Server("patch  configmaps")) == [
        f"patch configmaps {ledger.FACTS} and {others} more in ops"
    ]
    assert lacking(Server("patch  configmaps dnatctl-parked-7")) == [
        "patch configmaps dnatctl-parked-7 in ops"
    ]
    assert lacking(Server("get  configmaps dnatctl-orders")) == [
        "get configmaps dnatctl-orders in ops"
    ]


def _granted() -> Iterator[str]:
    """Each verb that the manifests grant the controller, as the server is asked for it."""
    for text in (MANIFESTS / "base/rbac.yaml", MANIFESTS / "pod-condition/rbac.yaml"):
        for each in yaml.safe_load_all(text.read_text()):
            if each["kind"] in ("ClusterRole", "Role") and each["metadata"]["name"] in CONTROLLERS:
                for rule in each["rules"]:
                    names = rule.get("resourceNames", [""])
                    for group, resource, verb, name in product(
                        rule["apiGroups"], rule["resources"], rule["verbs"], names
                    ):
                        yield f"{verb} {group} {resource} {name}".rstrip()


def test_all_that_the_manifests_grant_is_asked_for() -> None:
    lacks = {line: lacking(Server(line)) for line in _granted()}
    assert len(lacks) > 20
    assert [line for line, found in lacks.items() if not found] == []


def test_a_kind_that_nothing_serves_is_named() -> None:
    server: Any = Server()
    assert unserved(server, ["GameServerSet", "Typo"]) == ["Typo"]

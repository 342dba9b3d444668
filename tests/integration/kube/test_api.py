"""Reads and writes of single objects against the emulated API server."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from dnatctl.kube import discovery, poddnats
from dnatctl.kube.access import needed, unserved
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import PodDNATApi, PodDNATSource, Served, served_version
from dnatctl.kube.pods import PodApi
from dnatctl.kube.workloads import SAID_FOR_S, WorkloadApi
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import (
    FINALIZER,
    POD_READY,
    Condition,
    Key,
    Owner,
    Pod,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    StatusEntry,
)
from dnatctl_sim.kube import KubeServer
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.clock import FakeClock

CRD = yaml.safe_load(
    (Path(__file__).parents[3] / "manifests" / "crd" / "poddnats.yaml").read_text()
)
RECORDS = "poddnats.alibabacloud.com"
KEY = Key("default", "web-0")
TCP, UDP = Protocol.TCP, Protocol.UDP
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def pods(wire: KubeClient) -> PodApi:
    return PodApi(wire)


@pytest.fixture
def records(kube: KubeServer, wire: KubeClient) -> PodDNATApi:
    kube.store.create("customresourcedefinitions.apiextensions.k8s.io", CRD)
    return PodDNATApi(wire, Served(wire, served_version(wire)))


def failure_of(call: Any, *args: Any, **kwargs: Any) -> Failure:
    with pytest.raises(KubeError) as caught:
        call(*args, **kwargs)
    return caught.value.failure


def add_pod(kube: KubeServer, pods: PodApi) -> Pod:
    kube.store.create(
        "pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": KEY.name,
                "namespace": KEY.namespace,
                "annotations": {"k8s.aliyun.com/pod-dnat": "", "other": "x"},
            },
            "spec": {"containers": [{"name": "main", "image": "x"}]},
        },
    )
    found = pods.get(KEY)
    assert found is not None
    return found


def conditions(kube: KubeServer) -> dict[str, Any]:
    pod = kube.store.get("pods", *msgspec.structs.astuple(KEY))
    assert pod is not None
    return {entry["type"]: entry for entry in pod["status"].get("conditions", [])}


# --- pods


def test_a_pod_that_is_not_there(pods: PodApi) -> None:
    assert pods.get(KEY) is None


def test_a_condition_is_set_beside_those_of_others(kube: KubeServer, pods: PodApi) -> None:
    pod = add_pod(kube, pods)
    others = [{"type": "Ready", "status": "True"}]
    kube.store.patch("pods", "default", "web-0", {"status": {"conditions": others}}, "status")
    wanted = Condition(POD_READY, "False", "Waiting", "not yet", NOW)
    patched = pods.patch_condition(pod, wanted)
    assert patched.condition == wanted
    assert set(conditions(kube)) == {"Ready", POD_READY}
    flipped = Condition(POD_READY, "True", "Usable", "go", "2026-01-01T00:05:00Z")
    assert pods.patch_condition(patched, flipped).condition == flipped
    assert conditions(kube)["Ready"]["status"] == "True"


def test_the_transition_time_moves_with_the_status_only(kube: KubeServer, pods: PodApi) -> None:
    pod = pods.patch_condition(
        add_pod(kube, pods), Condition(POD_READY, "False", "Waiting", "one", NOW)
    )
    later = Condition(POD_READY, "False", "Waiting", "two", "2026-01-01T09:00:00Z")
    patched = pods.patch_condition(pod, later)
    assert patched.condition is not None
    assert (patched.condition.message, patched.condition.since) == ("two", NOW)


def test_the_same_condition_is_not_written_again(kube: KubeServer, pods: PodApi) -> None:
    wanted = Condition(POD_READY, "False", "Waiting", "one", NOW)
    pod = pods.patch_condition(add_pod(kube, pods), wanted)
    kube.requests.clear()
    again = Condition(POD_READY, "False", "Waiting", "one", "2026-01-01T09:00:00Z")
    assert pods.patch_condition(pod, again) is pod
    assert kube.requests.writes() == []


def test_a_condition_goes_and_leaves_those_of_others(kube: KubeServer, pods: PodApi) -> None:
    pod = pods.patch_condition(add_pod(kube, pods), Condition(POD_READY, "True", "Usable", "", NOW))
    others = {"conditions": [{"type": "Ready", "status": "True"}]}
    kube.store.patch("pods", "default", "web-0", {"status": others}, "status")
    pod = pods.remove_condition(pod)
    assert pod.condition is None
    assert POD_READY not in conditions(kube)
    assert conditions(kube)["Ready"]["status"] == "True"
    kube.requests.clear()
    assert pods.remove_condition(pod) is pod
    assert kube.requests.writes() == []


def test_another_pod_of_the_name_is_left_alone(kube: KubeServer, pods: PodApi) -> None:
    old = add_pod(kube, pods)
    kube.store.delete("pods", "default", "web-0", grace=0)
    add_pod(kube, pods)
    condition = Condition(POD_READY, "True", "Usable", "", NOW)
    assert failure_of(pods.patch_condition, old, condition) is Failure.CONFLICT
    assert failure_of(pods.patch_annotation, old, "a", "b") is Failure.CONFLICT
    told = replace(old, condition=condition)
    assert failure_of(pods.remove_condition, told) is Failure.CONFLICT
    # As a real server answers: to a patch a UID is a field that may not change.
    assert {request.code for request in kube.requests.all() if request.verb == "patch"} == {422}
    assert POD_READY not in conditions(kube)


def test_a_pod_that_is_gone(kube: KubeServer, pods: PodApi) -> None:
    pod = add_pod(kube, pods)
    kube.store.delete("pods", "default", "web-0", grace=0)
    condition = Condition(POD_READY, "True", "Usable", "", NOW)
    assert failure_of(pods.patch_condition, pod, condition) is Failure.NOT_FOUND


def test_annotations_come_and_go(kube: KubeServer, pods: PodApi) -> None:
    name = "k8s.aliyun.com/pod-dnat-endpoints"
    pod = pods.patch_annotation(add_pod(kube, pods), name, "47.0.0.1:512")
    assert pod.annotations[name] == "47.0.0.1:512"
    kube.requests.clear()
    assert pods.patch_annotation(pod, name, "47.0.0.1:512") is pod
    assert kube.requests.writes() == []
    pod = pods.patch_annotation(pod, name, None)
    assert name not in pod.annotations
    assert kube.store.get("pods", "default", "web-0")["metadata"]["annotations"]["other"] == "x"  # type: ignore[index]


# --- PodDNATs


SPEC = PodDNATSpec(
    gateway_id="ngw-1",
    external_ip="47.0.0.1",
    internal_ip="10.0.0.1",
    ports=(PortMapping(512, 80, TCP), PortMapping(513, 90, UDP)),
    eni="eni-1",
)
OWNER = Owner("v1", "Pod", "web-0", "pod-uid")


def new_record(spec: PodDNATSpec = SPEC) -> PodDNAT:
    return PodDNAT(KEY, "", "", finalizers=(FINALIZER,), owners=(OWNER,), spec=spec)


def test_v1_is_preferred_where_it_is_served(kube: KubeServer, wire: KubeClient) -> None:
    assert failure_of(served_version, wire) is Failure.NOT_FOUND
    with pytest.raises(KubeError, match="neither as v1 nor v1beta1"):
        served_version(wire)
    crd = copy.deepcopy(CRD)
    crd["spec"]["versions"] = [v for v in crd["spec"]["versions"] if v["name"] == "v1beta1"]
    kube.store.create("customresourcedefinitions.apiextensions.k8s.io", crd)
    assert served_version(wire) == "v1beta1"
    both = {"spec": {"versions": CRD["spec"]["versions"]}}
    kube.store.patch("customresourcedefinitions.apiextensions.k8s.io", "", RECORDS, both)
    assert served_version(wire) == "v1"


def test_v1_is_preferred_also_where_it_comes_while_versions_are_asked_for(
    kube: KubeServer, wire: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(client: KubeClient, group_version: str) -> list[discovery.Resource]:
        asked.append(group_version)
        try:
            return discovery.resources(client, group_version)
        finally:
            if len(asked) == 1:
                kube.store.create("customresourcedefinitions.apiextensions.k8s.io", CRD)

    monkeypatch.setattr(poddnats, "discovery", SimpleNamespace(resources=ask))
    assert served_version(wire) == "v1"


def test_a_claim_is_created_with_finalizer_and_owner(records: PodDNATApi) -> None:
    made = records.create(new_record())
    assert (made.spec, made.finalizers, made.owners) == (SPEC, (FINALIZER,), (OWNER,))
    assert made.uid
    assert records.get(KEY) == made
    assert failure_of(records.create, new_record()) is Failure.ALREADY_EXISTS


def test_both_versions_show_the_same_object(records: PodDNATApi, wire: KubeClient) -> None:
    made = records.create(new_record())
    assert PodDNATApi(wire, Served(wire, "v1beta1")).get(KEY) == made


def test_a_spec_is_replaced_as_a_whole(records: PodDNATApi) -> None:
    made = records.create(new_record())
    other = PodDNATSpec("ngw-2", "47.0.0.2", protocol=UDP, ports=(PortMapping(600, 80, UDP),))
    replaced = records.replace_spec(made, other)
    assert replaced.spec == other
    assert replaced.generation == made.generation + 1


def test_stale_writes_are_refused(records: PodDNATApi) -> None:
    made = records.create(new_record())
    records.replace_spec(made, PodDNATSpec())
    spec = PodDNATSpec(gateway_id="ngw-9")
    assert failure_of(records.replace_spec, made, spec) is Failure.CONFLICT
    assert failure_of(records.patch_finalizers, made, ()) is Failure.CONFLICT
    status = PodDNATStatus(observed_generation=1)
    assert failure_of(records.patch_status, made, status) is Failure.CONFLICT


def test_a_write_to_a_predecessor_is_refused(kube: KubeServer, records: PodDNATApi) -> None:
    old = records.create(msgspec.structs.replace(new_record(), finalizers=()))
    records.delete(old)
    new = records.create(new_record())
    disguised = msgspec.structs.replace(old, resource_version=new.resource_version)
    assert failure_of(records.replace_spec, disguised, PodDNATSpec()) is Failure.CONFLICT
    records.delete(old)
    assert records.get(KEY) == new


STATUS = PodDNATStatus(
    entries=(StatusEntry(Endpoint("47.0.0.1", 512, TCP), "10.0.0.1", 80, "fwd-1"),),
    conditions=(Condition("Ready", "True", "Usable", "", NOW, 1),),
    observed_generation=1,
)


def test_a_status_is_written_without_touching_the_spec(records: PodDNATApi) -> None:
    made = records.create(new_record())
    written = records.patch_status(made, STATUS)
    assert (written.status, written.spec, written.generation) == (STATUS, SPEC, made.generation)
    cleared = records.patch_status(written, PodDNATStatus())
    assert cleared.status == PodDNATStatus()


def test_what_is_the_same_is_not_written(kube: KubeServer, records: PodDNATApi) -> None:
    made = records.patch_status(records.create(new_record()), STATUS)
    kube.requests.clear()
    assert records.replace_spec(made, SPEC) is made
    assert records.patch_status(made, STATUS) is made
    assert records.patch_finalizers(made, (FINALIZER,)) is made
    assert records.patch_metadata(made, owners=(OWNER,)) is made
    assert kube.requests.writes() == []


def test_owners_and_finalizers_in_one_write(kube: KubeServer, records: PodDNATApi) -> None:
    made = records.create(new_record())
    owner = Owner("apps/v1", "StatefulSet", "web", "sts-uid")
    kube.requests.clear()
    changed = records.patch_metadata(made, finalizers=(FINALIZER, "x"), owners=(owner,))
    assert (changed.finalizers, changed.owners) == ((FINALIZER, "x"), (owner,))
    assert len(kube.requests.writes()) == 1


def finalizers_of(kube: KubeServer) -> list[str]:
    """As the server has them."""
    found = kube.store.get(RECORDS, KEY.namespace, KEY.name)
    assert found is not None
    return found["metadata"]["finalizers"]


@pytest.mark.parametrize("count", [1, 15, 16, 17, 100])
def test_of_any_number_of_finalizers_those_of_others_stay(
    kube: KubeServer, records: PodDNATApi, count: int
) -> None:
    theirs = [f"example.com/{n}" for n in range(count)]
    made = records.create(replace(new_record(), finalizers=(*theirs, FINALIZER)))
    assert FINALIZER in made.finalizers
    without = tuple(name for name in made.finalizers if name != FINALIZER)
    dropped = records.patch_finalizers(made, without)
    assert finalizers_of(kube) == theirs
    assert dropped.finalizers == without
    records.patch_metadata(dropped, finalizers=(*dropped.finalizers, FINALIZER), owners=(OWNER,))
    assert sorted(finalizers_of(kube)) == sorted([*theirs, FINALIZER])


def test_what_has_changed_in_a_long_list_of_finalizers_is_not_written_over(
    kube: KubeServer, records: PodDNATApi
) -> None:
    theirs = [f"example.com/{n}" for n in range(40)]
    made = records.create(replace(new_record(), finalizers=(FINALIZER, *theirs)))
    fewer = records.patch_finalizers(made, made.finalizers[:-1])
    assert finalizers_of(kube) == [name for name in (FINALIZER, *theirs) if name != theirs[14]]
    assert failure_of(records.patch_finalizers, made, ()) is Failure.CONFLICT
    assert len(finalizers_of(kube)) == 40
    assert fewer.finalizers[-1] == theirs[15]


def test_a_deleted_claim_stays_until_its_finalizer_is_gone(records: PodDNATApi) -> None:
    made = records.create(new_record())
    records.delete(made)
    held = records.get(KEY)
    assert held is not None
    assert held.deleting
    last = records.patch_finalizers(held, ())
    assert last.finalizers == ()
    assert records.get(KEY) is None
    records.delete(made)


def older_crd() -> dict[str, Any]:
    """That of an older program: one version, no conditions, no protocol of a single port."""
    crd = copy.deepcopy(CRD)
    crd["spec"]["versions"] = [v for v in crd["spec"]["versions"] if v["name"] == "v1beta1"]
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["status"]["properties"]["conditions"]
    del schema["spec"]["properties"]["portMapping"]["items"]["properties"]["protocol"]
    for part in (schema["spec"], schema["spec"]["properties"]["portMapping"]["items"]):
        part.pop("x-kubernetes-validations", None)
    crd["spec"]["versions"][0]["storage"] = True
    return crd


@pytest.fixture
def older(kube: KubeServer, wire: KubeClient) -> PodDNATApi:
    kube.store.create("customresourcedefinitions.apiextensions.k8s.io", older_crd())
    return PodDNATApi(wire, Served(wire, served_version(wire)))


def test_an_older_crd_holds_ports_of_several_protocols(older: PodDNATApi) -> None:
    made = older.create(new_record())
    assert made.spec == SPEC
    single = PodDNATSpec("ngw-1", "47.0.0.1", ports=(PortMapping(512, 80, TCP),))
    assert older.replace_spec(made, single).spec == single
    held = older.get(KEY)
    assert held is not None
    assert older.replace_spec(held, SPEC).spec == SPEC
    held = older.get(KEY)
    assert held is not None
    assert held.spec == SPEC


def test_a_claim_that_is_not_stored_as_it_was_meant_is_told(
    kube: KubeServer, wire: KubeClient
) -> None:
    crd = older_crd()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["spec"]["properties"]["portMapping"]
    kube.store.create("customresourcedefinitions.apiextensions.k8s.io", crd)
    assert failure_of(PodDNATApi(wire, Served(wire, "v1beta1")).create, new_record()) is (
        Failure.INVALID
    )


def test_a_version_that_is_served_no_more_says_nothing_of_an_object(
    kube: KubeServer, records: PodDNATApi
) -> None:
    made = records.create(new_record())
    name = "customresourcedefinitions.apiextensions.k8s.io"
    crd = copy.deepcopy(CRD)
    crd["spec"]["versions"] = [v for v in crd["spec"]["versions"] if v["name"] == "v1beta1"]
    kube.store.patch(name, "", RECORDS, {"spec": {"versions": crd["spec"]["versions"]}})
    assert failure_of(records.get, KEY) is Failure.UNSERVED
    held = records.get(KEY)
    assert held is not None
    assert held.uid == made.uid
    kube.store.patch(name, "", RECORDS, {"spec": {"versions": CRD["spec"]["versions"]}})
    records.served.look()
    assert records.served.version == "v1"
    records.delete(made)
    records.patch_finalizers(records.get(KEY) or made, ())
    assert records.get(KEY) is None


def test_an_older_crd_without_conditions_is_not_written_to_again_and_again(
    kube: KubeServer, older: PodDNATApi
) -> None:
    made = older.create(new_record(PodDNATSpec("ngw-1", ports=(PortMapping(512, 80, TCP),))))
    written = older.patch_status(made, STATUS)
    assert written.status.entries == STATUS.entries
    kube.requests.clear()
    assert older.patch_status(written, STATUS) is written
    assert kube.requests.writes() == []
    assert older.patch_status(written, PodDNATStatus()).status.entries == ()


def test_lists_and_watches_of_one_namespace(records: PodDNATApi, wire: KubeClient) -> None:
    made = records.create(new_record())
    source = PodDNATSource(Served(wire, "v1"), "default")
    page = source.page(wire.request("GET", source.path), lambda key, uid: False)
    assert page.items == [made]


# --- workloads


def stateful_set(name: str, **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "x", "template": template}
        | spec,
    }


def test_a_stateful_set(kube: KubeServer, wire: KubeClient) -> None:
    made = kube.store.create("statefulsets.apps", stateful_set("web", replicas=2))
    owner = Owner("apps/v1", "StatefulSet", "web", made["metadata"]["uid"], True)
    workloads = WorkloadApi(wire, FakeClock())
    found = workloads.get("default", owner)
    assert found is not None
    assert (found.replicas, found.deleting) == (2, False)
    assert [found.keeps(f"web-{n}") for n in range(3)] == [True, True, False]
    assert workloads.get("default", msgspec.structs.replace(owner, uid="another")) is None
    kube.requests.clear()
    workloads.get("default", owner)
    assert len(kube.requests.all()) == 1, "the plural is asked for once"
    kube.store.delete("statefulsets.apps", "default", "web")
    assert workloads.get("default", owner) is None


def kruise_crd(*versions: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "statefulsets.apps.kruise.io"},
        "spec": {
            "group": "apps.kruise.io",
            "scope": "Namespaced",
            "names": {"plural": "statefulsets", "singular": "statefulset", "kind": "StatefulSet"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "schema": {"openAPIV3Schema": schema},
                }
                for version in versions
            ],
        },
    }


def test_a_custom_kind_with_reserved_ordinals(kube: KubeServer, wire: KubeClient) -> None:
    kube.store.create(
        "customresourcedefinitions.apiextensions.k8s.io", kruise_crd("v1alpha1", "v1beta1")
    )
    kube.store.create(
        "statefulsets.apps.kruise.io",
        {
            "apiVersion": "apps.kruise.io/v1beta1",
            "kind": "StatefulSet",
            "metadata": {"name": "gs", "namespace": "default"},
            "spec": {"replicas": 3, "reserveOrdinals": [1, "3-4", "odd"]},
        },
    )
    owner = Owner("apps.kruise.io/v1beta1", "StatefulSet", "gs", "", True)
    found = WorkloadApi(wire, FakeClock()).get("default", owner)
    assert found is not None
    assert {n for n in range(9) if found.keeps(f"gs-{n}")} == {0, 2, 5}


def test_a_version_that_is_no_longer_served_and_a_kind_that_never_was(
    kube: KubeServer, wire: KubeClient
) -> None:
    kube.store.create("customresourcedefinitions.apiextensions.k8s.io", kruise_crd("v1beta1"))
    kube.store.create(
        "statefulsets.apps.kruise.io",
        {
            "apiVersion": "apps.kruise.io/v1beta1",
            "kind": "StatefulSet",
            "metadata": {"name": "gs", "namespace": "default"},
            "spec": {"replicas": 3},
        },
    )
    clock = FakeClock()
    workloads = WorkloadApi(wire, clock)
    old = Owner("apps.kruise.io/v1alpha1", "StatefulSet", "gs", "", True)
    assert workloads.get("default", old) is not None
    assert workloads.get("default", Owner("v1", "Pod", "gs", "", True)) is None
    never = Owner("example.com/v1", "Thing", "gs", "", True)
    assert failure_of(workloads.get, "default", never) is Failure.UNSERVED
    clock.advance(SAID_FOR_S)
    assert workloads.get("default", never) is None


def test_a_kind_that_moves_on_to_another_version_is_not_gone(
    kube: KubeServer, wire: KubeClient
) -> None:
    definitions = "customresourcedefinitions.apiextensions.k8s.io"
    made = kube.store.create(definitions, kruise_crd("v1alpha1", "v1beta1"))
    kube.store.create(
        "statefulsets.apps.kruise.io",
        {
            "apiVersion": "apps.kruise.io/v1beta1",
            "kind": "StatefulSet",
            "metadata": {"name": "gs", "namespace": "default"},
            "spec": {"replicas": 3},
        },
    )
    workloads = WorkloadApi(wire, FakeClock())
    owner = Owner("apps.kruise.io/v1alpha1", "StatefulSet", "gs", "", True)
    assert workloads.get("default", owner) is not None
    versions = made["spec"]["versions"]
    versions[0]["served"] = False
    kube.store.patch(
        definitions, "", "statefulsets.apps.kruise.io", {"spec": {"versions": versions}}
    )
    assert failure_of(workloads.get, "default", owner) is Failure.UNSERVED
    assert workloads.get("default", owner) is not None


def test_a_server_in_trouble_is_not_a_missing_workload(kube: KubeServer, wire: KubeClient) -> None:
    kube.go_offline()
    owner = Owner("apps/v1", "StatefulSet", "web", "", True)
    assert failure_of(WorkloadApi(wire, FakeClock()).get, "default", owner) is Failure.UNREACHABLE
    kube.go_online()


OWNERS_ENFORCED = (
    'poddnats.alibabacloud.com "web-0" is forbidden: cannot set blockOwnerDeletion if an '
    "ownerReference refers to a resource you can't set finalizers on: , <nil>"
)


def test_a_missing_verb_on_the_owners_finalizers_is_named(
    kube: KubeServer, records: PodDNATApi
) -> None:
    owner = Owner("apps.kruise.io/v1beta1", "StatefulSet", "web", "uid-set", controller=True)
    fault = Fault(403, OWNERS_ENFORCED)
    named = "lacks the verb update on the finalizers of StatefulSet (apps.kruise.io/v1beta1): poddn"
    kube.faults.add(fault, Match(verb="create", resource=RECORDS))
    with pytest.raises(KubeError, match=re.escape(named)):
        records.create(PodDNAT(KEY, "", "", owners=(owner,)))
    made = records.create(PodDNAT(KEY, "", ""))
    kube.faults.add(fault, Match(verb="patch", resource=RECORDS))
    with pytest.raises(KubeError, match=re.escape(named)):
        records.patch_metadata(made, owners=(owner,))


def test_what_an_account_may_do_is_asked_of_the_server(kube: KubeServer, wire: KubeClient) -> None:
    assert unserved(wire, ["StatefulSet", "GameServerSet"]) == ["GameServerSet"]
    found = needed(wire, ["Deployment"], "default", condition=True, annotation=False, labels=True)
    asked = {str(leave): may for leave, may in found}
    assert asked["get statefulsets.apps"]
    assert asked["update deployments/finalizers.apps"]

"""`dnatctl sim` in one shell, stock kubectl in another, the controller in a third."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from dnatctl_sim.cloud import CloudAdmin
from tests.integration.cli.processes import Program, eventually, kubectl, running

Object = dict[str, Any]

# The vendor's page on DNAT for pods, word by word.
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: example
  labels:
    app: example
spec:
  replicas: 1
  selector:
    matchLabels:
      app: example
  template:
    metadata:
      labels:
        app: example
      annotations:
        k8s.aliyun.com/pod-dnat: ""
        k8s.aliyun.com/pod-dnat-expose-port: "80"
    spec:
      containers:
      - name: example
        image: nginx
"""
PODDNAT = """\
apiVersion: alibabacloud.com/v1
kind: PodDNAT
metadata:
  creationTimestamp: "20**-09-20T03:26:44Z"
  finalizers:
  - natgw-controller
  generation: 2
  name: example-6cd498d7b-9****
  namespace: default
  ownerReferences:
  - apiVersion: v1
    blockOwnerDeletion: true
    kind: Pod
    name: example-6cd498d7b-9****
    uid: 7af54e1c-eeb7-4fd0-b070-ff99ddbd****
  resourceVersion: "357150"
  uid: 2fad9bb7-cc84-46b4-b6eb-5d15f06c****
spec:
  eni: eni-xxx
  externalIP: 114.55.**.**
  internalIP: 172.16.**.**
  portMapping:
  - externalPort: "512"
    internalPort: "80"
  protocol: tcp
  tableId: ngw-xxx
  vswitch: vsw-xxx
  zoneID: cn-hangzhou-k
status:
  entries:
  - externalIP: 114.55.**.**
    externalPort: "512"
    forwardEntryId: fwd-xxx
    internalIP: 172.16.**.**
    internalPort: "80"
    ipProtocol: tcp
"""


@dataclass
class Site:
    """Emulators and a controller, as three processes see them."""

    sim: Program
    controller: Program
    where: Object
    cloud: CloudAdmin

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return kubectl(self.where["kubeconfig"], *arguments, stdin=stdin)

    def get(self, kind: str) -> dict[str, Object]:
        """The objects of the namespace `default` by name, asked without kubectl: that is slow."""
        group = "apis/alibabacloud.com/v1" if kind == "poddnats" else "api/v1"
        url = f"{self.where['kubernetes']}/{group}/namespaces/default/{kind}"
        items = urllib3.request("GET", url, retries=False).json()["items"]
        return {item["metadata"]["name"]: item for item in items}

    def own_rows(self, name: str) -> list[Object]:
        uid = self.get("poddnats")[name]["metadata"]["uid"]
        return [row for row in self.cloud.rows() if uid in str(row["name"])]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "state"
    with running(tmp_path / "sim", "sim", "--json", "--settle", "0.2", "--dir", str(folder)) as sim:
        where = json.loads(sim.wait_for("\n"))
        config = Path(where["config"])
        content = yaml.safe_load(config.read_text("utf-8"))
        config.write_text(yaml.safe_dump(content | {"resync": "1s"}), "utf-8")
        arguments = [
            *where["run"][1:],
            *("--metrics-bind-address", "127.0.0.1:0"),
            *("--health-probe-bind-address", "127.0.0.1:0"),
            *("--status-bind-address", "127.0.0.1:0"),
        ]
        with running(tmp_path / "run", *arguments) as controller:
            yield Site(sim, controller, where, CloudAdmin(where["cloud"]))


def entries(record: Object) -> list[Object]:
    """What OpenKruiseGame reads."""
    return record.get("status", {}).get("entries") or []


def shape(value: object) -> object:
    """A value with its texts and numbers taken out: its fields and their kinds."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def test_the_documents_deployment_gives_the_documents_object(site: Site) -> None:
    assert Path(site.where["example"]).read_text("utf-8") == DEPLOYMENT
    assert "poddnats.alibabacloud.com" in site.kubectl("get", "crds", "-o", "name")

    site.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    eventually(
        lambda: [r for r in site.get("poddnats").values() if entries(r) and r["spec"].get("eni")]
    )
    (pod,) = site.get("pods").values()
    listed = yaml.safe_load(site.kubectl("get", "poddnats", "-oyaml"))
    (found,) = listed["items"]
    documented = yaml.safe_load(PODDNAT)

    for addition in ("conditions", "observedGeneration"):
        found["status"].pop(addition)
    assert shape(found) == shape(documented)
    assert found["apiVersion"] == documented["apiVersion"]
    assert found["kind"] == documented["kind"]
    check_metadata(found["metadata"], documented["metadata"], pod["metadata"])
    check_addresses(site, found, documented, pod["status"]["podIP"])
    check_end(site)


def check_metadata(found: Object, documented: Object, pod: Object) -> None:
    assert found["finalizers"] == documented["finalizers"]
    assert found["namespace"] == documented["namespace"]
    assert found["name"] == pod["name"]
    owner = {"name": pod["name"], "uid": pod["uid"]}
    assert found["ownerReferences"] == [documented["ownerReferences"][0] | owner]


def check_addresses(site: Site, found: Object, documented: Object, pod_ip: str) -> None:
    spec, (entry,), (row,) = found["spec"], entries(found), site.own_rows(found["metadata"]["name"])
    assert spec["portMapping"] == documented["spec"]["portMapping"]
    assert spec["protocol"] == documented["spec"]["protocol"]
    assert spec["internalIP"] == pod_ip
    assert spec["tableId"] == row["gateway"]
    assert spec["eni"].startswith("eni-")
    assert spec["vswitch"].startswith("vsw-")
    assert spec["zoneID"].startswith("cn-hangzhou-")
    assert entry == documented["status"]["entries"][0] | {
        "externalIP": spec["externalIP"],
        "internalIP": pod_ip,
        "forwardEntryId": row["entry_id"],
    }
    assert row["works"], row
    assert (row["external_ip"], row["external_port"]) == (spec["externalIP"], "512")
    assert (row["internal_ip"], row["internal_port"]) == (pod_ip, "80")


def check_end(site: Site) -> None:
    """SIGTERM ends both, and all that they started."""
    assert site.controller.end() == 0
    assert site.sim.end() == 0
    assert not site.sim.children
    assert site.sim.errors == ""


def test_entries_are_as_many_as_ports_exactly_while_traffic_passes(site: Site) -> None:
    three = DEPLOYMENT.replace('expose-port: "80"', 'expose-port: "80,443,8080"')
    site.kubectl("apply", "-f", "-", stdin=three)
    name, *_ = eventually(lambda: list(site.get("poddnats")))
    seen: set[tuple[int, bool]] = set()

    def agrees(*, passing: bool) -> bool:
        before = site.get("poddnats")[name]
        rows = site.own_rows(name)
        after = site.get("poddnats")[name]
        works = len(rows) == 3 and all(row["works"] for row in rows)
        listed = len(entries(after))
        if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]:
            seen.add((listed, works))
        return works == passing == (listed == 3)

    eventually(lambda: agrees(passing=True), what="three entries for three ports")
    # Until here nothing was out of the controller's hands: the world was never behind its word.
    assert seen <= {(0, False), (0, True), (3, True)}

    one = site.own_rows(name)[1]["entry_id"]
    site.cloud.act("hold_entry", entry_id=one)
    eventually(lambda: agrees(passing=False), what="withdrawn while a port cannot be reached")
    site.cloud.act("release_entry", entry_id=one)
    eventually(lambda: agrees(passing=True), what="listed again")

"""The components: valid on every version of Kubernetes that people run, and each does its part."""

from __future__ import annotations

import json
import re
from typing import Any

import kubernetes_validate
import pytest

from dnatctl.cloud.credentials import ADDON_TOKEN_FILE, KEY_FOLDER, KeyFiles
from tests.unit.manifests.built import MANIFESTS, Object, build, overlaid, with_component

COMPONENTS = sorted(folder.name for folder in (MANIFESTS / "components").iterdir())
IN_DEFAULT = {"claim-rules", "pdb"}
VERSIONS = [f"1.{minor}.0" for minor in range(27, 38)]
SINCE = dict.fromkeys(("write-guard", "admission", "admission-deny", "creation-rules"), "1.30.0")
"""The first version that knows what a component is made of, where that is later."""
OTHERS = {"alibabacloud.com", "monitoring.coreos.com"}
"""Groups that Kubernetes itself does not have."""
POLICIES = sorted((MANIFESTS / "ram").glob("policy*.json"))


def not_for_older() -> set[str]:
    """Components that the overlay for older clusters says it cannot have."""
    text = (MANIFESTS / "overlays/older/kustomization.yaml").read_text(encoding="utf-8")
    (told,) = re.findall(r"all but (.+?)\)", text, re.DOTALL)
    return set(re.findall(r"[a-z-]+", told)) & set(COMPONENTS)


def deployment(component: str) -> Any:
    (found,) = (item for item in with_component(component) if item["kind"] == "Deployment")
    return found["spec"]["template"]["spec"]


def mounted(spec: Any, folder: str) -> Any:
    """The volume that is mounted there."""
    (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == folder)
    assert mount["readOnly"]
    (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
    return volume


def valid(objects: list[Object], version: str) -> None:
    for item in objects:
        if item["apiVersion"].partition("/")[0] not in OTHERS:
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_installed_by_default_is_valid(version: str) -> None:
    valid(build("overlays/default"), version)


@pytest.mark.parametrize("component", sorted(set(COMPONENTS) - IN_DEFAULT))
def test_every_component_is_valid_on_the_oldest_and_the_newest(component: str) -> None:
    objects = list(with_component(component))
    assert objects != build("overlays/default")
    for version in (SINCE.get(component, VERSIONS[0]), VERSIONS[-1]):
        valid(objects, version)


def test_older_clusters_are_not_offered_what_they_do_not_know() -> None:
    """They begin at 1.20: what the default overlay has by itself came later too."""
    assert not_for_older() == IN_DEFAULT | SINCE.keys()


@pytest.mark.parametrize("component", sorted(set(COMPONENTS) - not_for_older()))
def test_what_older_clusters_are_offered_builds(component: str) -> None:
    objects = list(overlaid("older", component))
    assert objects != build("overlays/older")
    valid(objects, VERSIONS[0])


def test_an_access_key_is_mounted_where_it_is_looked_for() -> None:
    volume = mounted(deployment("access-key"), KEY_FOLDER)
    names = {f"{KEY_FOLDER}/{item['path']}" for item in volume["secret"]["items"]}
    assert names == set(KeyFiles().paths)


def test_the_addon_token_is_mounted_where_it_is_looked_for() -> None:
    folder, _, name = ADDON_TOKEN_FILE.rpartition("/")
    (item,) = mounted(deployment("addon-token"), folder)["secret"]["items"]
    assert item["path"] == name


def test_rrsa_sets_what_is_asked_for() -> None:
    spec = deployment("rrsa")
    given = {item["name"]: item["value"] for item in spec["containers"][0]["env"]}
    folder, _, name = given["ALIBABA_CLOUD_OIDC_TOKEN_FILE"].rpartition("/")
    (source,) = mounted(spec, folder)["projected"]["sources"]
    assert source["serviceAccountToken"]["path"] == name
    assert source["serviceAccountToken"]["audience"] == "sts.aliyuncs.com"
    assert given.keys() >= {"ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"}


def test_no_chart_ever_takes_the_definition_along() -> None:
    (crd,) = (o for o in build("overlays/default") if o["kind"] == "CustomResourceDefinition")
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_policy_allows_every_call_that_is_made(policy: Any) -> None:
    statements = json.loads(policy.read_text(encoding="utf-8"))["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    needed = {
        "vpc:CreateForwardEntry",
        "vpc:DeleteForwardEntry",
        "vpc:DescribeEipAddresses",
        "vpc:DescribeForwardTableEntries",
        "vpc:DescribeNatGateways",
        "ecs:DescribeNetworkInterfaces",
    }
    assert needed <= allowed


def test_a_policy_that_names_gateways_writes_to_their_tables_only() -> None:
    text = (MANIFESTS / "ram" / "policy-named-gateways.json").read_text(encoding="utf-8")
    for statement in json.loads(text)["Statement"]:
        writes = [a for a in statement["Action"] if not a.partition(":")[2].startswith("Describe")]
        tables = [":forwardtable/<" in resource for resource in statement["Resource"]]
        assert all(tables) or not writes

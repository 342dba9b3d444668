"""The custom resource: takes what the older program and dnatctl write, and says no to typos."""

from __future__ import annotations

from itertools import chain
from typing import Any

import cel
import jsonschema
import pytest
import yaml

from tests.unit.manifests.built import MANIFESTS, Object, the, with_component

DOCUMENTED = yaml.safe_load("""
apiVersion: alibabacloud.com/v1
kind: PodDNAT
metadata:
  finalizers: [natgw-controller]
  generation: 2
  name: example-6cd498d7b-9
  namespace: default
  ownerReferences:
  - {apiVersion: v1, blockOwnerDeletion: true, kind: Pod, name: example-6cd498d7b-9, uid: 7af54e1c}
spec:
  eni: eni-xxx
  externalIP: 114.55.1.2
  internalIP: 172.16.1.2
  portMapping:
  - externalPort: "512"
    internalPort: "80"
  protocol: tcp
  tableId: ngw-xxx
  vswitch: vsw-xxx
  zoneID: cn-hangzhou-k
status:
  entries:
  - externalIP: 114.55.1.2
    externalPort: "512"
    forwardEntryId: fwd-xxx
    internalIP: 172.16.1.2
    internalPort: "80"
    ipProtocol: tcp
""")

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "EntriesAvailable",
    "message": "",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "observedGeneration": 2,
}


@pytest.fixture(scope="module")
def crd() -> Object:
    return yaml.safe_load((MANIFESTS / "crd" / "poddnats.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema(crd: Object) -> Object:
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def changed(**fields: Any) -> Object:
    """The documented object with other values, by dotted key below it."""
    new = yaml.safe_load(yaml.safe_dump(DOCUMENTED))
    for key, value in fields.items():
        section, _, name = key.partition("__")
        new[section][name] = value
    return new


def pruned(value: Any, schema: Object, path: str = "") -> list[str]:
    """What a server would drop without a word, as the schema does not know it."""
    if isinstance(value, list):
        inner = [pruned(item, schema["items"], f"{path}[]") for item in value]
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        inner = [[f"{path}.{key}"] for key in value if key not in known]
        inner += [pruned(value[key], known[key], f"{path}.{key}") for key in value if key in known]
    else:
        inner = []
    return list(chain.from_iterable(inner))


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(DOCUMENTED, id="documented"),
        pytest.param(
            changed(
                spec__portMapping=[
                    {"externalPort": "512", "internalPort": "80", "protocol": "tcp"},
                    {"externalPort": "512", "internalPort": "80", "protocol": "udp"},
                ],
                status__conditions=[READY],
                status__observedGeneration=2,
            ),
            id="dnatctl",
        ),
        pytest.param(
            changed(
                spec__entryId="fwd-x",
                spec__externalPort="512",
                spec__internalPort="80",
                spec__protocol="TCP",
                status__created="true",
            ),
            id="older program",
        ),
        pytest.param({**DOCUMENTED, "spec": {}, "status": {}}, id="empty"),
    ],
)
def test_an_object_is_taken_and_loses_nothing(schema: Object, new: Object) -> None:
    jsonschema.validate(new, schema, format_checker=jsonschema.FormatChecker())
    assert pruned(new, {**schema, "properties": {**schema["properties"], "metadata": {}}}) == []


@pytest.mark.parametrize(
    "new",
    [
        changed(spec__externalIP="114.55.1"),
        changed(spec__internalIP="pod-1"),
        changed(spec__protocol="sctp"),
        changed(spec__tableId="ngw xxx"),
        changed(spec__portMapping=[{"externalPort": "http", "internalPort": "80"}]),
        changed(spec__portMapping=[{"externalPort": 512, "internalPort": "80"}]),
        changed(spec__portMapping=[{"externalPort": "123456", "internalPort": "80"}]),
        changed(status__conditions=[{**READY, "status": "Maybe"}]),
        changed(status__conditions=[{**READY, "reason": ""}]),
        changed(status__conditions=[{"type": "Ready", "status": "True"}]),
    ],
)
def test_a_typo_is_refused(schema: Object, new: Object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(new, schema)


def test_both_versions_are_served_alike_and_the_older_one_is_stored(crd: Object) -> None:
    v1, v1beta1 = crd["spec"]["versions"]
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    assert (v1["name"], v1beta1["name"]) == ("v1", "v1beta1")
    assert [v["served"] for v in (v1, v1beta1)] == [True, True]
    assert [v["storage"] for v in (v1, v1beta1)] == [False, True]
    for part in ("schema", "subresources", "additionalPrinterColumns"):
        assert v1[part] == v1beta1[part]


def test_every_field_says_what_it_means(schema: Object) -> None:
    def silent(schema: Object, path: str) -> list[str]:
        found = []
        for name, field in schema.get("properties", {}).items():
            here = f"{path}.{name}"
            found += [] if "description" in field or here == ".metadata" else [here]
            found += silent(field, here) + silent(field.get("items", {}), here)
        return found

    assert silent(schema, "") == []


def test_the_plain_definition_has_no_rule_that_older_servers_refuse() -> None:
    text = (MANIFESTS / "crd" / "poddnats.yaml").read_text(encoding="utf-8")
    assert "x-kubernetes-validations" not in text
    assert the("CustomResourceDefinition", folder="overlays/older") == yaml.safe_load(text)


OLD_BAD = {"portMapping": [{"externalPort": "65536", "internalPort": "80"}]}
GOOD = {"portMapping": [{"externalPort": "65535", "internalPort": "1"}]}


@pytest.mark.parametrize(
    ("new", "old", "allowed"),
    [
        pytest.param(GOOD, {}, True, id="first claim"),
        pytest.param(GOOD, OLD_BAD, True, id="repair"),
        pytest.param({}, GOOD, True, id="claim given up"),
        pytest.param(OLD_BAD, OLD_BAD, True, id="bad but unchanged"),
        pytest.param(OLD_BAD, GOOD, False, id="too high"),
        pytest.param(
            {"portMapping": [{"externalPort": "0", "internalPort": "80"}]}, GOOD, False, id="zero"
        ),
        pytest.param({"portMapping": [{"externalPort": "512"}]}, {}, False, id="half a mapping"),
    ],
)
def test_the_rule_looks_at_changed_claims_only(new: Object, old: Object, allowed: bool) -> None:
    versions = the("CustomResourceDefinition")["spec"]["versions"]
    rules = [
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]
        for version in versions
    ]
    assert rules[0] == rules[1]
    verdicts = [cel.evaluate(rule["rule"], {"self": new, "oldSelf": old}) for rule in rules[0]]
    assert all(verdicts) is allowed


@pytest.mark.parametrize(
    ("new", "allowed"),
    [
        pytest.param(GOOD, True, id="good"),
        pytest.param({}, True, id="nothing claimed"),
        pytest.param(OLD_BAD, False, id="too high"),
        pytest.param({"portMapping": [{"externalPort": "512"}]}, False, id="half a mapping"),
        pytest.param(
            {"portMapping": [*GOOD["portMapping"], {"externalPort": "512", "internalPort": ""}]},
            False,
            id="no port",
        ),
    ],
)
def test_the_rule_of_creation_looks_at_new_claims_only(new: Object, allowed: bool) -> None:
    (crd,) = (
        item
        for item in with_component("creation-rules")
        if item["kind"] == "CustomResourceDefinition"
    )
    for version in crd["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        _, rule = spec["x-kubernetes-validations"]
        assert rule["optionalOldSelf"]
        for old, verdict in (("optional.none()", allowed), ("optional.of(1)", True)):
            expression = rule["rule"].replace("oldSelf", old)
            assert cel.evaluate(expression, {"self": new}) is verdict

"""The Helm chart, rendered by the real helm."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dnatctl.config import parse
from hack.helm import ensure_helm, helm_major
from tests.unit.config.samples import DOCUMENTED
from tests.unit.manifests.built import MANIFESTS, Object, build, with_components
from tests.unit.manifests.commands import PAGES, commands

CHART = MANIFESTS / "chart"
IDENTITY = {
    "clusterID": "c11ba338192xxxxxxx",
    "regionID": "cn-hangzhou",
    "vpcID": "vpc-bp1rkq0zxxxxxx",
}
POOL = [
    {"natgwId": "ngw-xxx", "zoneId": "cn-hangzhou-j", "portRangeStart": 512, "portRangeEnd": 1024}
]
SERVES_POLICIES = (
    "--api-versions",
    "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
)
FILLED = IDENTITY | {"networkController": {"natGwPool": POOL}}


@cache
def helm() -> str:
    return str(ensure_helm())


def run(folder: Path, command: str, values: object, *more: str) -> subprocess.CompletedProcess[str]:
    file = folder / "values.yaml"
    file.write_text(values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8")
    name = () if command == "lint" else ("dnatctl",)
    chosen = ("--namespace", "dnatctl-system", "--values", str(file), *more)
    words = (helm(), command, *name, str(CHART), *chosen)
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


def render(folder: Path, values: object, *more: str) -> list[Object]:
    done = run(folder, "template", values, *more)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def of(objects: list[Object], kind: str, name: str = "dnatctl") -> Any:
    (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def configuration(objects: list[Object]) -> Any:
    return yaml.safe_load(of(objects, "ConfigMap", "dnatctl-config")["data"]["config.yaml"])


def pod(objects: list[Object]) -> Any:
    return of(objects, "Deployment")["spec"]["template"]["spec"]


def test_it_lints(tmp_path: Path) -> None:
    done = run(tmp_path, "lint", FILLED, "--strict")
    assert done.returncode == 0, done.stdout


def test_by_default_it_is_what_kustomize_builds(tmp_path: Path) -> None:
    """But for the namespace, which Helm does not own, and what makes a change of the file roll."""

    def told(objects: list[Object]) -> dict[tuple[str, str], Any]:
        named = {}
        for item in objects:
            kind, name = item["kind"], item["metadata"]["name"]
            if kind == "Deployment":
                template = item["spec"]["template"]
                template["metadata"]["annotations"].pop("checksum/config", None)
                (config,) = (v for v in template["spec"]["volumes"] if v["name"] == "config")
                config["configMap"]["name"] = "dnatctl-config"
            if kind == "ConfigMap":
                name = item["metadata"]["name"] = "dnatctl-config"
                item["data"] = configuration([item])
            named[kind, name] = item
        return named

    config = (
        yaml.safe_load((MANIFESTS / "overlays/default/config.yaml").read_text("utf-8")) | FILLED
    )
    charted = told(render(tmp_path, config, "--include-crds", *SERVES_POLICIES))
    built = told([item for item in build("overlays/default") if item["kind"] != "Namespace"])
    del config["credential"]
    built["ConfigMap", "dnatctl-config"]["data"] = config
    assert charted == built


@pytest.mark.parametrize("version", ["1.27.0", "1.37.0"])
def test_with_everything_on_it_is_valid(tmp_path: Path, version: str) -> None:
    on = {
        "credentialSecret": {"name": "alibaba-addon-secret", "accessKeyField": "access-key-id"},
        "rrsa": {
            "enabled": True,
            "roleARN": "acs:ram::1:role/x",
            "oidcProviderARN": "acs:ram::1:x",
        },
        "addonToken": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "secureMetrics": {"enabled": True},
        "openkruise": {"enabled": True},
        "image": {"pullSecrets": [{"name": "pull"}]},
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
        "tolerations": [{"operator": "Exists"}],
        "extraArgs": ["--concurrent-syncs=8"],
        "extraEnv": [{"name": "A", "value": "b"}],
        "logLevel": "debug",
    }
    for item in render(tmp_path, FILLED | on, "--namespace", "kube-system"):
        kubernetes_validate.validate(item, version, strict=True)


def test_what_outlives_the_namespace_is_found_by_its_label(tmp_path: Path) -> None:
    """With the namespace the release is gone, and `helm uninstall` knows of nothing any more."""
    parts = ("openkruise", "secureMetrics", "admission", "writeGuard")
    on = FILLED | {part: {"enabled": True} for part in parts}
    listed = {"namespaces": {"allow": ["games"]}, "listedNamespaces": {"enabled": True}}
    objects = render(tmp_path, on | listed, *SERVES_POLICIES)
    objects += render(tmp_path, on | {"namespaces": {"selector": "exposed=yes"}}, *SERVES_POLICIES)
    outside = [o for o in objects if o["metadata"].get("namespace") != "dnatctl-system"]
    install = MANIFESTS.parent / "docs" / "install.md"
    (command,) = (words for words in commands(install, "kubectl") if words[:2] == ["delete", "-A"])
    for item in outside:
        assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "dnatctl", item["metadata"]
    taken = [plural.removesuffix("ies").removesuffix("s") for plural in command[-1].split(",")]
    assert {item["kind"].lower().removesuffix("y") for item in outside} == set(taken)


def test_where_the_server_has_no_policies_none_is_installed(tmp_path: Path) -> None:
    assert not [o for o in render(tmp_path, FILLED) if o["kind"].startswith("Validating")]


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ({}, False),
        ({"publish": {"annotation": True}}, False),
        ({"publish": {"condition": True}}, True),
        ({"podCondition": {"enabled": True}}, True),
        ({"openkruise": {"enabled": True}}, True),
    ],
)
def test_who_tells_pods_may_and_does(tmp_path: Path, values: Object, may: bool) -> None:
    objects = render(tmp_path, FILLED | values)
    assert configuration(objects).get("publish", {}).get("condition", False) is may
    assert ("pods/status" in str(objects)) is may
    bound = {o["roleRef"]["name"] for o in objects if o["kind"] == "ClusterRoleBinding"}
    assert ("dnatctl-pod-condition" in bound) is may


TELLS, PUBLISHES, KRUISE = (
    f"dnatctl-{role}" for role in ("pod-condition", "publish-annotation", "openkruise")
)


@pytest.mark.parametrize(
    ("values", "roles"),
    [
        ({"podCondition": {"enabled": True}}, {TELLS}),
        ({"publish": {"condition": True}}, {TELLS}),
        ({"publish": {"annotation": True}}, {PUBLISHES}),
        ({"openkruise": {"enabled": True}}, {TELLS, PUBLISHES, KRUISE}),
    ],
)
def test_what_is_asked_for_besides_is_given_in_listed_namespaces_and_nowhere_else(
    tmp_path: Path, values: Object, roles: set[str]
) -> None:
    listed = {"namespaces": {"allow": ["games", "shop"]}, "listedNamespaces": {"enabled": True}}
    objects = render(tmp_path, FILLED | listed | values)
    bound = {
        (item["kind"], item["metadata"].get("namespace"), item["roleRef"]["name"])
        for item in objects
        if item.get("roleRef", {}).get("name") in {TELLS, PUBLISHES, KRUISE}
    }
    assert bound == {("RoleBinding", place, role) for place in ("games", "shop") for role in roles}
    for role in roles:
        of(objects, "ClusterRole", role)
    (everywhere,) = (item for item in objects if item["kind"] == "ClusterRoleBinding")
    rules = of(objects, "ClusterRole", everywhere["roleRef"]["name"])["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}


def test_policies_are_for_the_account_of_the_release(tmp_path: Path) -> None:
    guarded = FILLED | {"writeGuard": {"enabled": True}}
    objects = render(tmp_path, guarded, *SERVES_POLICIES, "--namespace", "edge")
    condition = of(objects, "ValidatingAdmissionPolicy", "dnatctl-pods")["spec"]["matchConditions"]
    assert "system:serviceaccount:edge:dnatctl" in condition[0]["expression"]


def test_in_another_namespace_nothing_names_the_usual_one(tmp_path: Path) -> None:
    parts = ("monitoring", "secureMetrics", "writeGuard", "admission", "openkruise")
    parts += ("networkPolicy", "podCondition")
    on = FILLED | {part: {"enabled": True} for part in parts}
    listed = {"namespaces": {"allow": ["games"]}, "listedNamespaces": {"enabled": True}}
    for values in (on, on | listed, on | {"namespaces": {"selector": "exposed=yes"}}):
        objects = render(tmp_path, values, *SERVES_POLICIES, "--namespace", "edge")
        assert "dnatctl-system" not in str(objects)
    (monitor,) = of(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert monitor["tlsConfig"]["serverName"] == "dnatctl-metrics.edge.svc"


@pytest.mark.parametrize("action", ["Warn", "Deny"])
def test_admission_warns_or_refuses(tmp_path: Path, action: str) -> None:
    values = FILLED | {"admission": {"enabled": True, "action": action}}
    objects = render(tmp_path, values, *SERVES_POLICIES)
    for name in ("dnatctl-annotations", "dnatctl-poddnats"):
        binding = of(objects, "ValidatingAdmissionPolicyBinding", name)
        assert binding["spec"]["validationActions"] == [action]
        kubernetes_validate.validate(binding, "1.30.0", strict=True)


def test_where_namespaces_are_listed_it_writes_in_those_alone(tmp_path: Path) -> None:
    listed = {"namespaces": {"allow": ["games", "shop"]}, "listedNamespaces": {"enabled": True}}
    objects = render(tmp_path, FILLED | listed)
    built = with_components("listed-namespaces")
    for name in ("dnatctl", "dnatctl-in-namespace"):
        theirs = of(list(built), "ClusterRole", name)
        assert of(objects, "ClusterRole", name)["rules"] == theirs["rules"]
    bound = {
        item["metadata"]["namespace"]
        for item in objects
        if item["kind"] == "RoleBinding" and item["roleRef"]["name"] == "dnatctl-in-namespace"
    }
    assert bound == {"games", "shop"}
    everywhere = {o["roleRef"]["name"] for o in objects if o["kind"] == "ClusterRoleBinding"}
    assert everywhere == {"dnatctl"}


@pytest.mark.parametrize("namespaces", [{}, {"allow": ["games-*"]}, {"selector": "dnat=allowed"}])
def test_what_is_to_be_listed_has_to_be_named(tmp_path: Path, namespaces: Object) -> None:
    values = FILLED | {"namespaces": namespaces, "listedNamespaces": {"enabled": True}}
    done = run(tmp_path, "template", values)
    assert done.returncode != 0
    assert "namespaces.allow must name them" in done.stderr


def test_who_selects_namespaces_by_label_gets_leave_to_watch_them(tmp_path: Path) -> None:
    def roles(values: Object) -> list[Object]:
        return [
            item
            for item in render(tmp_path, FILLED | values)
            if item["metadata"]["name"] == "dnatctl-namespace-selector"
        ]

    assert roles({}) == roles({"namespaces": {"allow": ["games"]}}) == []
    role, binding = roles({"namespaces": {"selector": "dnat=allowed"}})
    assert role["rules"][0]["verbs"] == ["list", "watch"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_the_values_of_the_vendor_s_page_are_values(tmp_path: Path) -> None:
    objects = render(tmp_path, DOCUMENTED)
    assert parse(yaml.safe_dump(configuration(objects))) == parse(DOCUMENTED)


@pytest.mark.parametrize("repository", ["dnatctl", "registry.example/dnatctl"])
def test_an_image_that_no_registry_has_is_told(tmp_path: Path, repository: str) -> None:
    if helm_major() < 4:
        pytest.skip("Helm 3 asks a cluster even for a client's dry run")
    values = FILLED | {"image": {"repository": repository}}
    told = run(tmp_path, "install", values, "--dry-run=client")
    assert told.returncode == 0, told.stderr
    assert ("--set image.repository=" in told.stdout) is (repository == "dnatctl")


def test_placeholders_are_refused_all_at_once(tmp_path: Path) -> None:
    told = run(tmp_path, "template", {}).stderr
    for key in ("clusterID", "regionID", "vpcID", "natGwPool[0].natgwId", "natGwPool[0].zoneId"):
        assert f"{key}: found" in told
    assert "(replace this placeholder)" in told


def without(key: str) -> Object:
    """The pool, its gateway without that key."""
    gateway = {name: value for name, value in POOL[0].items() if name != key}
    return {"networkController": {"natGwPool": [gateway]}}


def test_what_may_be_absent_of_a_gateway_may_be_absent(tmp_path: Path) -> None:
    """The template took an absent zone for a placeholder: Go prints nothing as `<nil>`."""
    objects = render(tmp_path, FILLED | without("zoneId"))
    assert configuration(objects).items() >= (FILLED | without("zoneId")).items()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (without("natgwId"), "natgwId"),
        (without("portRangeEnd"), "portRangeEnd"),
        ({"vpcID": None}, "vpcID: found nothing; allowed: the ID of a VPC"),
        ({"quarantin": "5s"}, "quarantin"),
        ({"networkController": {"natGwPool": [POOL[0] | {"port": 1}]}}, "port"),
        ({"replicaCount": "two"}, "replicaCount"),
        ({"policy": "delete"}, "policy"),
        ({"rrsa": {"enabled": True}}, "rrsa.roleARN"),
        (
            {"addonToken": {"enabled": True}},
            "addonToken.enabled: found in namespace dnatctl-system",
        ),
    ],
)
def test_what_is_no_value_is_refused(tmp_path: Path, values: Object, told: str) -> None:
    done = run(tmp_path, "template", FILLED | values)
    assert done.returncode != 0
    assert told in done.stderr


def test_an_access_key_never_lies_in_the_config_map(tmp_path: Path) -> None:
    keys = {"accessKey": "LTAI-sesame", "accessSecret": "open-sesame"}
    objects = render(tmp_path, FILLED | {"credential": keys})
    assert "sesame" not in str(of(objects, "ConfigMap", "dnatctl-config"))
    assert of(objects, "Secret", "dnatctl-access-key")["stringData"] == keys
    (volume,) = (v for v in pod(objects)["volumes"] if v["name"] == "credential")
    assert volume["secret"]["secretName"] == "dnatctl-access-key"


def test_the_charts_secret_is_not_the_one_that_people_are_told_to_make(tmp_path: Path) -> None:
    """Helm refuses to take over an object that is there; and what is its own it deletes, with the
    pair in it, when the values name a Secret instead."""
    keys = {"accessKey": "LTAI-sesame", "accessSecret": "open-sesame"}
    objects = render(tmp_path, FILLED | {"credential": keys})
    ours = {item["metadata"]["name"] for item in objects if item["kind"] == "Secret"}
    told = [
        words[words.index("generic") + 1]
        for page in PAGES
        for words in commands(page, "kubectl")
        if "secret" in words and "generic" in words
    ]
    assert told
    assert not ours & set(told)


def test_a_secret_that_is_there_is_used_and_none_made(tmp_path: Path) -> None:
    there = {
        "name": "alibaba-addon-secret",
        "accessKeyField": "access-key-id",
        "accessSecretField": "access-key-secret",
    }
    objects = render(tmp_path, FILLED | {"credentialSecret": there})
    assert not [item for item in objects if item["kind"] == "Secret"]
    (volume,) = (v for v in pod(objects)["volumes"] if v["name"] == "credential")
    items = {item["path"]: item["key"] for item in volume["secret"]["items"]}
    assert items == {"accessKey": "access-key-id", "accessSecret": "access-key-secret"}


def test_a_change_of_the_configuration_rolls_the_pods_and_nothing_else_does(tmp_path: Path) -> None:
    def stamp(**values: Any) -> str:
        deployment = of(render(tmp_path, FILLED | values), "Deployment")
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert stamp() == stamp(replicaCount=3)
    assert stamp() != stamp(quarantine="30s")


def test_openkruise_turns_on_what_its_webhook_waits_for(tmp_path: Path) -> None:
    objects = render(tmp_path, FILLED | {"openkruise": {"enabled": True}})
    assert configuration(objects)["publish"] == {"annotation": True, "condition": True}
    of(objects, "ClusterRole", "dnatctl-openkruise")


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ({}, False),
        ({"publish": {"condition": True}}, False),
        ({"publish": {"annotation": True}}, True),
        ({"openkruise": {"enabled": True}}, True),
    ],
)
def test_who_publishes_on_pods_may_patch_them(tmp_path: Path, values: Object, may: bool) -> None:
    objects = render(tmp_path, FILLED | values)
    assert configuration(objects).get("publish", {}).get("annotation", False) is may
    rules = [rule for item in objects if item["kind"] == "ClusterRole" for rule in item["rules"]]
    patched = [rule for rule in rules if "pods" in rule["resources"] and "patch" in rule["verbs"]]
    assert bool(patched) is may


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_monitoring_is_what_kustomize_builds(tmp_path: Path, kind: str) -> None:
    chosen = {"enabled": True, "kind": kind, "labels": {"release": "prometheus"}}
    objects = render(tmp_path, FILLED | {"monitoring": chosen})
    file = {"ServiceMonitor": "service-monitor", "PodMonitor": "pod-monitor"}[kind]
    alone = yaml.safe_load((MANIFESTS / "monitoring" / f"{file}.yaml").read_text("utf-8"))
    assert of(objects, kind)["spec"] == alone["spec"]
    assert of(objects, kind)["metadata"]["labels"]["release"] == "prometheus"
    built = {item["kind"]: item for item in build("monitoring")}
    assert of(objects, "PrometheusRule")["spec"] == built["PrometheusRule"]["spec"]
    assert of(objects, "ConfigMap", "dnatctl-dashboard")["data"] == {
        name: text.strip() for name, text in built["ConfigMap"]["data"].items()
    }


def test_secure_metrics_are_what_kustomize_builds(tmp_path: Path) -> None:
    on = {"secureMetrics": {"enabled": True}, "monitoring": {"enabled": True}}
    objects = render(tmp_path, FILLED | on)
    built = with_components("monitoring", "secure-metrics")
    for kind, name in (
        ("ServiceMonitor", "dnatctl"),
        ("ClusterRole", "dnatctl-secure-metrics"),
        ("ClusterRoleBinding", "dnatctl-secure-metrics"),
        ("ClusterRole", "dnatctl-metrics-reader"),
    ):
        ours, theirs = of(objects, kind, name), of(list(built), kind, name)
        assert {**ours, "metadata": 0} == {**theirs, "metadata": 0}
    ours, theirs = (of(list(each), "Deployment")["spec"]["template"] for each in (objects, built))
    assert ours["spec"]["containers"][0]["args"] == theirs["spec"]["containers"][0]["args"]
    for part in ("volumeMounts", "volumes"):
        both = (ours["spec"], theirs["spec"])
        if part == "volumeMounts":
            both = tuple(each["containers"][0] for each in both)
        tls = [[one for one in each[part] if one["name"] == "metrics-tls"] for each in both]
        assert tls[0] == tls[1] != []
    assert ours["metadata"]["annotations"]["prometheus.io/scheme"] == "https"


def test_a_monitor_that_sends_no_token_is_none_for_secure_metrics(tmp_path: Path) -> None:
    on = {"secureMetrics": {"enabled": True}, "monitoring": {"enabled": True, "kind": "PodMonitor"}}
    done = run(tmp_path, "template", FILLED | on)
    assert done.returncode != 0
    assert "needs monitoring.kind ServiceMonitor" in done.stderr


def test_alerts_lead_to_where_the_runbook_is_kept(tmp_path: Path) -> None:
    chosen = {"enabled": True, "runbookURL": "https://wiki.example/runbook"}
    objects = render(tmp_path, FILLED | {"monitoring": chosen})
    text = str(of(objects, "PrometheusRule"))
    assert "https://wiki.example/runbook#dnatctlabsent" in text
    assert "docs/runbook.md#" not in text


def test_only_kinds_of_monitors_that_there_are(tmp_path: Path) -> None:
    done = run(tmp_path, "template", FILLED | {"monitoring": {"enabled": True, "kind": "Probe"}})
    assert done.returncode != 0
    assert "allowed: ServiceMonitor or PodMonitor" in done.stderr

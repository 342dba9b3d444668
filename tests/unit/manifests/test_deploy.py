"""What is installed: builds, is locked down, and holds together."""

from __future__ import annotations

import pytest
import yaml

from dnatctl.config import ConfigErrors, Publishing, parse
from dnatctl.kube import ledger, orders
from tests.unit.manifests.built import (
    MANIFESTS,
    Object,
    build,
    overlaid,
    the,
    with_component,
    with_components,
    with_resources,
)

NAMESPACE = "dnatctl-system"
OVERLAYS = ["overlays/default", "overlays/older"]
IN_KUBE_SYSTEM = "overlays/kube-system"


@pytest.fixture
def pod() -> Object:
    return the("Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("folder", [*OVERLAYS, IN_KUBE_SYSTEM])
def test_every_overlay_builds_and_every_reference_leads_somewhere(folder: str) -> None:
    namespace = "kube-system" if folder == IN_KUBE_SYSTEM else NAMESPACE
    names = {(item["kind"], item["metadata"]["name"]) for item in build(folder)}
    assert len(names) == len(build(folder))
    for item in build(folder):
        if "roleRef" in item:
            assert (item["roleRef"]["kind"], item["roleRef"]["name"]) in names
            assert item["subjects"] == [
                {"kind": "ServiceAccount", "name": "dnatctl", "namespace": namespace}
            ]
        assert item["metadata"].get("namespace", namespace) == namespace
    spec = the("Deployment", folder=folder)["spec"]["template"]["spec"]
    config = spec["volumes"][0]
    assert ("ConfigMap", config["configMap"]["name"]) in names
    assert ("ServiceAccount", spec["serviceAccountName"]) in names


@pytest.mark.parametrize("folder", [*OVERLAYS, IN_KUBE_SYSTEM])
def test_the_configuration_is_found_by_its_label(folder: str) -> None:
    """Each change makes another; where the namespace stays, they are cleared away by that."""
    (config,) = (item for item in build(folder) if item["kind"] == "ConfigMap")
    assert config["metadata"]["labels"] == {"app.kubernetes.io/name": "dnatctl"}


def test_kube_system_itself_is_left_alone() -> None:
    """An overlay that holds it would lock it down, and `delete -k` would take it along."""
    assert not [item for item in build(IN_KUBE_SYSTEM) if item["kind"] == "Namespace"]
    assert NAMESPACE not in str(build(IN_KUBE_SYSTEM))
    volumes = the("Deployment", folder=IN_KUBE_SYSTEM)["spec"]["template"]["spec"]["volumes"]
    assert "addon-token" in {volume["name"] for volume in volumes}


def test_policies_name_the_account_where_it_is() -> None:
    """One that names another guards nothing, or keeps dnatctl from its own PodDNATs."""
    objects = overlaid("kube-system", "write-guard", "admission-deny")
    conditions = {
        condition["name"]: condition["expression"]
        for item in objects
        if item["kind"] == "ValidatingAdmissionPolicy"
        for condition in item["spec"].get("matchConditions", [])
    }
    account = "'system:serviceaccount:kube-system:dnatctl'"
    assert conditions["by-dnatctl"] == f"request.userInfo.username == {account}"
    assert conditions["not-by-dnatctl"] == f"request.userInfo.username != {account}"


WITHIN = {"claim-rules", "pdb", "admission", "addon-token", "listed-namespaces"}
"""Components that are in an overlay or another one, or are looked at apart: it leaves rules out."""

EVERY = tuple(sorted({path.name for path in (MANIFESTS / "components").iterdir()} - WITHIN))


@pytest.mark.parametrize(
    ("overlay", "components"),
    [("default", EVERY), ("default", ("monitoring",)), ("older", ()), ("kube-system", EVERY)],
)
def test_in_another_namespace_nothing_names_the_usual_one(
    overlay: str, components: tuple[str, ...]
) -> None:
    """The policies and the certificate have it within a string, where kustomize looks past it."""
    for more in ((), ("listed-namespaces",)):
        objects = overlaid(overlay, *components, *more, namespace="edge")
        assert NAMESPACE not in str(objects)
        assert "edge" in str(objects)
    if "secure-metrics" in components:
        (monitor,) = (item for item in objects if item["kind"] == "ServiceMonitor")
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["tlsConfig"]["serverName"] == "dnatctl-metrics.edge.svc"


def test_older_clusters_too_have_the_certificate_asked_for_by_its_name_elsewhere() -> None:
    """What does it is offered only: kubectl that is as old as they may be does not know it."""
    components = ("monitoring", "secure-metrics")
    objects = overlaid("older", *components, namespace="edge", offered="transformers")
    assert NAMESPACE not in str(objects)
    (monitor,) = (item for item in objects if item["kind"] == "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["tlsConfig"]["serverName"] == "dnatctl-metrics.edge.svc"


def test_what_puts_the_namespace_into_strings_is_understood_by_every_kubectl() -> None:
    """Before 1.35 it takes a pattern for a name that nothing has, and leaves all as it is."""
    file = MANIFESTS / "namespace-in-strings" / "replacements.yaml"
    (replacement,) = yaml.safe_load(file.read_text(encoding="utf-8"))["replacements"]
    names = [target["select"].get("name", "dnatctl") for target in replacement["targets"]]
    assert all(name.replace("-", "").isalpha() for name in names)


def test_selectors_meet_the_pods() -> None:
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    deployment, service = the("Deployment")["spec"], the("Service")["spec"]
    budget = the("PodDisruptionBudget")["spec"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    selectors = [deployment["selector"]["matchLabels"], service["selector"]]
    selectors += [item["labelSelector"]["matchLabels"] for item in spread]
    selectors += [budget["selector"]["matchLabels"]]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_the_pods_pass_the_restricted_standard(pod: Object) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {
        "configMap",
        "emptyDir",
    }
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPort" in port for port in container["ports"])
    enforce = the("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforce == "restricted"


def test_metrics_and_health_have_a_door_each_and_the_network_policy_knows_both(
    pod: Object,
) -> None:
    """Nothing that changes state has one: tests/unit/observe/test_health.py."""
    (container,) = pod["containers"]
    doors = {port["name"] for port in container["ports"]}
    (policy,) = (o for o in with_component("network-policy") if o["kind"] == "NetworkPolicy")
    let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert doors == let_in == {"metrics", "health"}


def test_probes_and_metrics_are_where_the_program_listens(pod: Object) -> None:
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")}
    assert ports == {"metrics": 8080, "health": 8081}
    assert probes == {
        "livenessProbe": {"path": "/healthz", "port": "health"},
        "readinessProbe": {"path": "/readyz", "port": "health"},
    }
    assert the("Service")["spec"]["ports"][0]["targetPort"] == "metrics"


def rules(kind: str, name: str = "dnatctl", folder: str = "overlays/default") -> set[str]:
    """What a role allows, as `verb group/resource` with the name where one is given."""
    return rules_of(the(kind, name, folder=folder))


def rules_of(role: Object) -> set[str]:
    return {
        f"{verb} {group}/{resource}{' ' + only if only else ''}"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for only in rule.get("resourceNames", [""])
    }


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_program_may_do_what_it_does_and_no_more(folder: str) -> None:
    assert rules("ClusterRole", folder=folder) == {
        "get /pods",
        "list /pods",
        "watch /pods",
        "update /pods/finalizers",
        "update apps/statefulsets/finalizers",
        "get apps/statefulsets",
        "get apps/deployments",
        "get apps/replicasets",
        "get /namespaces",
        "get apiextensions.k8s.io/customresourcedefinitions poddnats.alibabacloud.com",
        "list /nodes",
        "watch /nodes",
        "get alibabacloud.com/poddnats",
        "list alibabacloud.com/poddnats",
        "watch alibabacloud.com/poddnats",
        "create alibabacloud.com/poddnats",
        "patch alibabacloud.com/poddnats",
        "delete alibabacloud.com/poddnats",
        "patch alibabacloud.com/poddnats/status",
        "create events.k8s.io/events",
        "patch events.k8s.io/events",
    }
    assert rules("Role", folder=folder) == {
        "create coordination.k8s.io/leases",
        "get coordination.k8s.io/leases dnatctl",
        "update coordination.k8s.io/leases dnatctl",
        "create /configmaps",
        *(f"{verb} /configmaps {name}" for verb in ("get", "patch") for name in ledger.NAMES),
        f"get /configmaps {orders.NAME}",
    }


def test_the_threat_model_says_what_the_account_may() -> None:
    page = (MANIFESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| resources | names | at first | now |")
    told = set()
    for line in table.split("\n\n")[0].splitlines()[2:]:
        place, names, _, verbs = (cell.strip() for cell in line.strip("|").split("|"))
        resource, _, subresource = place.split("`")[1].partition("/")
        plural, _, group = resource.partition(".")
        whole = f"{group}/{plural}/{subresource}".rstrip("/")
        listed = ledger.NAMES if "ledger" in names else (names.strip("`"),)
        told |= {f"{verb} {whole} {name}".strip() for verb in verbs.split() for name in listed}
    assert told == rules("ClusterRole") | rules("Role")


@pytest.mark.parametrize("folder", [*OVERLAYS, IN_KUBE_SYSTEM])
def test_telling_pods_is_a_permission_of_its_own(folder: str) -> None:
    """That nobody has who does not ask for it."""
    granted = {rule for item in build(folder) if "rules" in item for rule in rules_of(item)}
    assert not {rule for rule in granted if "/pods/status" in rule}
    (config,) = (item for item in build(folder) if item["kind"] == "ConfigMap")
    assert not Publishing().condition
    assert "condition:" not in str(config["data"])
    more = [o for o in with_resources("pod-condition") if o not in build("overlays/default")]
    role, binding = sorted(more, key=lambda item: len(item["kind"]))
    assert rules_of(role) == {"patch /pods/status"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_an_example_that_waits_for_the_condition_says_what_that_takes() -> None:
    gated = {
        path.stem: text
        for path in (MANIFESTS / "examples").glob("*.yaml")
        if "pod-dnat-ready" in (text := path.read_text(encoding="utf-8"))
    }
    assert gated.keys() == {"waits-for-its-address"}
    head, _, _ = gated["waits-for-its-address"].partition("apiVersion")
    assert "pod-condition" in head
    assert "podCondition.enabled" in head


def test_with_listed_namespaces_it_may_do_the_same_but_write_in_those_alone() -> None:
    def granted(kind: str, name: str) -> set[str]:
        (role,) = (
            item
            for item in with_component("listed-namespaces")
            if (item["kind"], item["metadata"]["name"]) == (kind, name)
        )
        return rules_of(role)

    everywhere = granted("ClusterRole", "dnatctl")
    assert {rule.split()[0] for rule in everywhere} == {"get", "list", "watch"}
    inside = granted("ClusterRole", "dnatctl-in-namespace")
    assert everywhere | inside == rules("ClusterRole") | {"get /namespaces kube-system"}
    assert not everywhere & inside
    bound = {
        item["roleRef"]["name"]
        for item in with_component("listed-namespaces")
        if item["kind"] == "ClusterRoleBinding"
    }
    assert bound == {"dnatctl"}
    assert granted("Role", "dnatctl") == rules("Role")


def test_with_listed_namespaces_nothing_asked_for_besides_is_given_everywhere() -> None:
    """The bindings stay, with nobody in them: applying leaves what is no longer there as it was."""
    components = ("openkruise", "publish-annotation", "secure-metrics", "listed-namespaces")
    objects = with_components(*components, resources=("pod-condition",))
    bound = {
        item["roleRef"]["name"]: bool(item.get("subjects"))
        for item in objects
        if item["kind"] == "ClusterRoleBinding"
    }
    assert bound == {
        "dnatctl": True,
        "dnatctl-secure-metrics": True,  # asks the API server who scrapes; it stores nothing
        "dnatctl-pod-condition": False,
        "dnatctl-openkruise": False,
        "dnatctl-publish-annotation": False,
    }
    names = {item["metadata"]["name"] for item in objects if item["kind"] == "ClusterRole"}
    assert names >= bound.keys()


def test_publishing_into_annotations_is_a_permission_of_its_own() -> None:
    component = MANIFESTS / "components" / "publish-annotation"
    objects = list(yaml.safe_load_all((component / "rbac.yaml").read_text(encoding="utf-8")))
    assert objects[0]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}]
    assert objects[1]["subjects"][0]["name"] == "dnatctl"


def test_openkruises_workloads_are_a_permission_of_its_own() -> None:
    component = MANIFESTS / "components" / "openkruise"
    role, binding = yaml.safe_load_all((component / "rbac.yaml").read_text(encoding="utf-8"))
    granted = {
        (g, r, v)
        for x in role["rules"]
        for g in x["apiGroups"]
        for r in x["resources"]
        for v in x["verbs"]
    }
    assert granted == {
        ("apps.kruise.io", "statefulsets", "get"),
        ("apps.kruise.io", "statefulsets/finalizers", "update"),
    }
    assert binding["subjects"][0]["name"] == "dnatctl"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_configuration_lacks_nothing_but_what_the_user_fills_in(folder: str) -> None:
    (text,) = the("ConfigMap", folder=folder)["data"].values()
    with pytest.raises(ConfigErrors) as caught:
        parse(text)
    assert all("replace this placeholder" in p.allowed for p in caught.value.problems)
    filled = (
        text.replace("< cluster id. >", "c1")
        .replace("< region id. cn-hangzhou >", "cn-hangzhou")
        .replace("< vpc id. >", "vpc-1")
        .replace("< nat gateway id. >", "ngw-1")
        .replace("< nat gateway zone id. cn-hangzhou-j >", "cn-hangzhou-j")
    )
    assert parse(filled).gateways[0].eips == ()

"""What of manifests/chart is made from elsewhere: it would say things twice otherwise.

| file | made from |
|---|---|
| `crds/poddnats.yaml` | `manifests/crd` with the component `claim-rules` |
| `templates/rbac.yaml` | `manifests/base/rbac.yaml`, `everywhere.yaml` of `listed-namespaces` |
| `templates/listed-namespaces.yaml` | `manifests/components/listed-namespaces/rbac.yaml` |
| `templates/pod-condition.yaml` | `manifests/pod-condition/rbac.yaml` |
| `templates/publish-annotation.yaml` | `manifests/components/publish-annotation/rbac.yaml` |
| `templates/openkruise.yaml` | `manifests/components/openkruise/rbac.yaml` |
| `templates/write-guard.yaml` | `manifests/components/write-guard/policy.yaml` |
| `templates/namespace-selector.yaml` | `manifests/components/namespace-selector/rbac.yaml` |
| `templates/secure-metrics.yaml` | `manifests/components/secure-metrics/rbac.yaml` |
| `templates/admission.yaml` | `manifests/components/admission/policy.yaml` |
| `configuration-keys.txt`, `placeholders.txt`, `values.schema.json` | the configuration's model |
| `README.md` | the same, and `values.yaml` |
| `rules.yaml`, `dashboard.json` | `manifests/monitoring/rules.yaml`, `reference.dashboard` |
"""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import yaml

from dnatctl.config.schema import Config
from dnatctl.config.settings import SETTINGS
from reference import dashboard
from reference.markdown import code, page, table

MANIFESTS = Path(__file__).parents[2] / "manifests"
CHART = MANIFESTS / "chart"
NOTE = "Made by `make docs`; changes to this file are lost."
CONFIGURED = ("clusterID", "regionID", "vpcID")
IN_POOL = ("natgwId", "zoneId")

LISTED = ".Values.listedNamespaces.enabled"
KRUISE = ".Values.openkruise.enabled"
TOLD = f"or {KRUISE} .Values.podCondition.enabled (default dict .Values.publish).condition"
PUBLISHES = f"or {KRUISE} (default dict .Values.publish).annotation"
POLICIES = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
SERVED = f'(.Capabilities.APIVersions.Has "{POLICIES}")'
GUARDED = f"and .Values.writeGuard.enabled {SERVED}"
SELECTED = "(.Values.namespaces).selector"
ADMITTED = f"and .Values.admission.enabled {SERVED}"
ASKED = {
    "pod-condition": ("pod-condition/rbac.yaml", TOLD),
    "publish-annotation": ("components/publish-annotation/rbac.yaml", PUBLISHES),
    "openkruise": ("components/openkruise/rbac.yaml", KRUISE),
}
"""Roles beside the one that is always given: each with its file, and what asks for it."""

DEPLOYMENT: dict[str, tuple[str, str]] = {
    "image": ("object", "Where the image is kept; an empty `tag` is the chart's appVersion."),
    "replicaCount": ("integer", "One leads, the others hold all they need to take over."),
    "logLevel": ("string", "debug, info, warning or error."),
    "logFormat": ("string", "json or console."),
    "extraArgs": ("array", "Further arguments of `dnatctl run`."),
    "extraEnv": ("array", "Further environment variables."),
    "resources": ("object", "Of the container."),
    "priorityClassName": ("string", "Of the pods."),
    "nodeSelector": ("object", "Of the pods."),
    "tolerations": ("array", "Of the pods."),
    "affinity": ("object", "Of the pods. By default they stay off virtual nodes."),
    "podAnnotations": ("object", "Added to those of the pods."),
    "podLabels": ("object", "Added to those of the pods."),
    "podDisruptionBudget": ("object", "`enabled`: one replica stays while nodes are drained."),
    "credentialSecret": (
        "object",
        "`name` of a Secret with the AccessKey pair, and the names of its fields.",
    ),
    "rrsa": ("object", "The RAM role of the service account, by a token of the pod's own."),
    "addonToken": ("object", "`enabled`: the token ACK keeps for its components, in kube-system."),
    "podCondition": (
        "object",
        "`enabled`: the condition on pods that readiness gates look at, and leave to set it.",
    ),
    "listedNamespaces": (
        "object",
        "`enabled`: it may write in the namespaces that `namespaces.allow` names only.",
    ),
    "writeGuard": (
        "object",
        "`enabled`: its account may write less than RBAC can say, on Kubernetes 1.30 and newer.",
    ),
    "admission": (
        "object",
        "`enabled`: warns of, or by `action: Deny` refuses, senseless annotations, from 1.30 on.",
    ),
    "secureMetrics": (
        "object",
        "`enabled`: metrics by TLS (Secret `secretName`), for those with the role of their reader.",
    ),
    "networkPolicy": ("object", "`enabled`: only the ports for metrics and probes are reached."),
    "openkruise": (
        "object",
        "`enabled`: rights to OpenKruise's workloads, what its webhook waits for, `podCondition`.",
    ),
    "monitoring": (
        "object",
        "`enabled`: scraping, alerts and a dashboard; needs the Prometheus operator.",
    ),
    "global": ("object", "Set by Helm where this chart is part of another."),
}


def files() -> dict[Path, str]:
    """The files and what is to be in them."""
    return {
        CHART / "crds" / "poddnats.yaml": _definition(),
        CHART / "templates" / "rbac.yaml": _rbac(),
        **{CHART / "templates" / f"{name}.yaml": _asked(name) for name in ASKED},
        CHART / "templates" / "write-guard.yaml": _wrapped(
            "components/write-guard/policy.yaml", GUARDED
        ),
        CHART / "templates" / "listed-namespaces.yaml": _bound(),
        CHART / "templates" / "namespace-selector.yaml": _wrapped(
            "components/namespace-selector/rbac.yaml", SELECTED
        ),
        CHART / "templates" / "secure-metrics.yaml": _wrapped(
            "components/secure-metrics/rbac.yaml", ".Values.secureMetrics.enabled"
        ),
        CHART / "templates" / "admission.yaml": _wrapped(
            "components/admission/policy.yaml", ADMITTED
        ).replace("[Warn]", "[{{ .Values.admission.action }}]"),
        CHART / "configuration-keys.txt": "\n".join(_keys()) + "\n",
        CHART / "placeholders.txt": "\n".join(_placeholders()) + "\n",
        CHART / "values.schema.json": json.dumps(_schema(), indent=2) + "\n",
        CHART / "README.md": _readme(),
        CHART / "rules.yaml": _rules(),
        CHART / "dashboard.json": dashboard.render(),
    }


def _keys() -> list[str]:
    return [key for key in SETTINGS if "." not in key]


def _placeholders() -> list[str]:
    pool = [f"networkController.natGwPool[].{name}" for name in IN_POOL]
    return [f"{key}\t{SETTINGS[key].allowed}" for key in (*CONFIGURED, *pool)]


def _definition() -> str:
    kubectl = str(Path(sysconfig.get_path("scripts")) / "kubectl")
    with tempfile.TemporaryDirectory(dir=MANIFESTS) as folder:
        kustomization = {"resources": ["../crd"], "components": ["../components/claim-rules"]}
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization), "utf-8")
        command = [kubectl, "kustomize", folder]
        built = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"# {NOTE}\n{built}"


def _rbac() -> str:
    """As in the base, in whatever namespace the release is; the service account is apart."""
    text = (MANIFESTS / "base" / "rbac.yaml").read_text(encoding="utf-8")
    account = re.compile("^kind: ServiceAccount$", re.MULTILINE)
    role, *others = (part for part in text.split("\n---\n") if not account.search(part))
    head, _, rules = role.partition("\nrules:\n")
    patch = (MANIFESTS / "components" / "listed-namespaces" / "everywhere.yaml").read_text("utf-8")
    few = textwrap.dedent(patch.partition("  value:\n")[2]).rstrip("\n")
    few = textwrap.indent(few, "  ")
    chosen = f"{{{{- if {LISTED} }}}}\n{few}\n{{{{- else }}}}\n{rules}\n{{{{- end }}}}"
    body = "\n---\n".join((f"{head}\nrules:\n{chosen}", *others))
    return f"# {NOTE}\n{_here(body)}"


def _bound() -> str:
    """The role of listed namespaces, bound in each that the configuration allows."""
    rbac = _here((MANIFESTS / "components/listed-namespaces/rbac.yaml").read_text("utf-8"))
    return f"# {NOTE}\n{{{{- if {LISTED} }}}}\n{rbac}{BOUND}{{{{- end }}}}\n"


def _asked(name: str) -> str:
    """Where namespaces are listed, the role is bound in each of them instead."""
    path, condition = ASKED[name]
    role, binding = _here((MANIFESTS / path).read_text("utf-8")).split("---\n")
    everywhere = f"{{{{- if not {LISTED} }}}}\n---\n{binding}{{{{- end }}}}\n"
    return f"# {NOTE}\n{{{{- if {condition} }}}}\n{role}{everywhere}{{{{- end }}}}\n"


def _roles_asked() -> str:
    """Adds to `$roles` what the values ask for besides, each bound under the role's own name."""
    return "".join(
        f"{{{{- if {condition} }}}}\n"
        f'{{{{- $_ := set $roles "dnatctl-{name}" "dnatctl-{name}" }}}}\n'
        "{{- end }}\n"
        for name, (_, condition) in ASKED.items()
    )


BOUND = """\
{{- $allowed := (.Values.namespaces).allow }}
{{- if or (not $allowed) (contains "*" (join "," $allowed)) (.Values.namespaces).selector }}
{{- fail "listedNamespaces.enabled: namespaces.allow must name them, without * and selector" }}
{{- end }}
{{- $roles := dict "dnatctl" "dnatctl-in-namespace" }}
ASKED
{{- range $namespace := $allowed }}
{{- range $name, $role := $roles }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    app.kubernetes.io/name: dnatctl
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
subjects:
  - kind: ServiceAccount
    name: dnatctl
    namespace: {{ $.Release.Namespace }}
{{- end }}
{{- end }}
""".replace("ASKED\n", _roles_asked())


def _wrapped(path: str, condition: str) -> str:
    body = _here((MANIFESTS / path).read_text(encoding="utf-8"))
    return f"# {NOTE}\n{{{{- if {condition} }}}}\n{body}{{{{- end }}}}\n"


def _here(text: str) -> str:
    """In whatever namespace the release is."""
    text = text.replace("namespace: dnatctl-system", "namespace: {{ .Release.Namespace }}")
    return text.replace(":dnatctl-system:", ":{{ .Release.Namespace }}:")


def _rules() -> str:
    """What of the PrometheusRule is not Kubernetes': it holds templates, and not of Helm's."""
    rules = yaml.safe_load((MANIFESTS / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
    return f"# {NOTE}\n{yaml.safe_dump(rules['spec'], sort_keys=False, width=1000)}"


def _schema() -> dict[str, Any]:
    """The model's own schema, without what it says of single values: placeholders must come as far
    as the template that refuses them in the words of `dnatctl check`."""
    model = Config.model_json_schema(by_alias=True)
    _loosen(model)
    return {
        "$schema": "https://json-schema.org/draft-07/schema#",
        "title": "Values of the chart dnatctl",
        "type": "object",
        "additionalProperties": False,
        "properties": model["properties"]
        | {name: {"type": kind, "description": text} for name, (kind, text) in DEPLOYMENT.items()},
        "definitions": model["$defs"],
    }


def _loosen(part: Any) -> None:
    if isinstance(part, list):
        for item in part:
            _loosen(item)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("$ref"), str):
        part["$ref"] = part["$ref"].replace("#/$defs/", "#/definitions/")
    if part.get("type") == "number":
        # Durations are text in the file; numbers in the model.
        part["type"] = ["number", "string"]
    for key in ("pattern", "format", "title", "default", "writeOnly", "minLength"):
        part.pop(key, None) if not isinstance(part.get(key), dict) else None
    for item in part.values():
        _loosen(item)


def _readme() -> str:
    given = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    configured = (
        [code(key), setting.allowed, setting.description]
        for key, setting in SETTINGS.items()
        if "." not in key
    )
    deployed = (
        [code(name), code(json.dumps(given[name])), text]
        for name, (_, text) in DEPLOYMENT.items()
        if name in given
    )
    return page(
        "Helm chart of dnatctl",
        "`hack/reference/chart.py` and `values.yaml`",
        INTRODUCTION,
        "## Configuration",
        "On top of the values stand the keys of dnatctl's own configuration file, "
        "[every one of them](../../docs/reference/configuration.md).",
        table(["Key", "Allowed", "Meaning"], configured),
        "## Deployment",
        table(["Key", "Default", "Meaning"], deployed),
    )


INTRODUCTION = """\
```console
helm install dnatctl manifests/chart --namespace dnatctl-system --create-namespace \\
  --values values.yaml --set image.repository=REGISTRY/dnatctl
```

Where the definition of PodDNATs is there already, Helm does not change it: apply it as for an
upgrade, and install with `--skip-crds`.

A values file of the older natgw controller works as it is. Values that were left as in the sample
are refused, in the words of `dnatctl check`.

An AccessKey pair among the values goes into a Secret; better name one that is there
(`credentialSecret`), or use a role (`rrsa`, the role of the nodes).

**Upgrade.** Helm never changes a custom resource definition after it was installed. First:

```console
kubectl apply --server-side --force-conflicts -f manifests/chart/crds/poddnats.yaml
```

then `helm upgrade`. No forward entry is touched. (The fields are Helm's, or another chart's, until
then: without `--force-conflicts` a definition that has changed is refused.)

**Away again.** `helm uninstall` leaves the definition, every PodDNAT and every forward entry as
they are; a new installation takes them up. To take all of it away, and whenever something is stuck
because no controller is there any more: scale the Deployment to 0, run `dnatctl uninstall --config
FILE` (shows what would go) and again with `--yes` (with `--crd` for the definition too), then
`helm uninstall`."""

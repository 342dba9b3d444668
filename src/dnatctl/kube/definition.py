"""The definition of PodDNATs (their CRD) as the cluster holds it, and what is wrong with it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from dnatctl.kube import answers, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import GROUP

NAME: Final = f"poddnats.{GROUP}"
"""The name of the CustomResourceDefinition."""

PATH: Final = paths.path("apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions", NAME)

MEND: Final = (
    "kubectl apply --server-side --force-conflicts -f manifests/chart/crds/poddnats.yaml"
    " (Kubernetes before 1.25: -k manifests/crd)"
)
"""What puts ours in place of whatever there is; no PodDNAT is lost by it."""

CONDITIONS: Final = "status.conditions"
NEEDED: Final = (
    *(f"spec.{field}" for field in ("externalIP", "internalIP", "protocol", "tableId")),
    *(f"spec.{field}" for field in ("eni", "vswitch", "zoneID")),
    *(f"spec.portMapping[].{field}" for field in ("externalPort", "internalPort", "protocol")),
    *(f"status.entries[].{field}" for field in ("externalIP", "externalPort")),
    *(f"status.entries[].{field}" for field in ("internalIP", "internalPort")),
    *(f"status.entries[].{field}" for field in ("ipProtocol", "forwardEntryId")),
    *(f"{CONDITIONS}[].{field}" for field in ("type", "status", "reason", "message")),
    *(f"{CONDITIONS}[].{field}" for field in ("lastTransitionTime", "observedGeneration")),
    "status.observedGeneration",
)
"""The fields that are written: what a definition does not name is dropped without a word."""


class _Schema(Struct, rename={"open_ended": "x-kubernetes-preserve-unknown-fields"}):
    properties: dict[str, _Schema] | None = None
    items: _Schema | None = None
    open_ended: bool = False


class _Validation(Struct):
    schema: _Schema | None = msgspec.field(default=None, name="openAPIV3Schema")


class _Subresources(Struct):
    status: dict[str, object] | None = None


class _Version(Struct):
    name: str
    served: bool = False
    storage: bool = False
    schema: _Validation | None = None
    subresources: _Subresources | None = None


class _DefinitionSpec(Struct):
    versions: list[_Version]


class _DefinitionMetadata(Struct, rename="camel"):
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    annotations: dict[str, str] | None = None


class _DefinitionJson(Struct):
    metadata: _DefinitionMetadata
    spec: _DefinitionSpec


_DECODER = msgspec.json.Decoder(_DefinitionJson)


class Definition(Struct, frozen=True):
    """`served`: the versions; `lacks`: what a version that is served drops or has not, for people;
    `kept`: whether Helm leaves it where an upgraded chart has it no more; `release`: the Helm
    release, `namespace/name`, that takes it along when it is uninstalled, `kept` or not, for Helm
    goes by what it installed. Empty where there is none, as where it came from a chart's `crds/`.
    `created`: its creationTimestamp.
    """

    going: bool
    served: tuple[str, ...]
    lacks: tuple[str, ...]
    kept: bool
    release: str = ""
    created: str = ""

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.kept and not (self.going or self.lacks or self.release)


def look(client: KubeClient) -> Definition:
    """As the API server has it. Raises KubeError; NOT_FOUND where there is none."""
    read = answers.read(_DECODER, client.request("GET", PATH))
    served = [version for version in read.spec.versions if version.served]
    lacks = dict.fromkeys(lack for version in served for lack in _lacks(version))
    notes = read.metadata.annotations or {}
    release = [notes.get(f"meta.helm.sh/release-{part}", "") for part in ("namespace", "name")]
    return Definition(
        going=read.metadata.deletion_timestamp is not None,
        served=tuple(version.name for version in served),
        lacks=tuple(lacks),
        kept=notes.get("helm.sh/resource-policy") == "keep",
        release="/".join(release) if all(release) else "",
        created=read.metadata.creation_timestamp or "",
    )


def is_there(client: KubeClient) -> bool:
    """Whether there is a definition, going or not. Raises KubeError where the API server does not
    say: who may not read it knows nothing of it."""
    try:
        look(client)
    except KubeError as error:
        if error.failure is Failure.NOT_FOUND:
            return False
        raise
    return True


def _lacks(version: _Version) -> list[str]:
    schema = version.schema.schema if version.schema else None
    found = [field for field in NEEDED if schema and not _has(schema, field)]
    if version.subresources is None or version.subresources.status is None:
        found.append("the subresource status")
    return _shortened(found)


def _has(schema: _Schema, field: str) -> bool:
    at: _Schema | None = schema
    for step in field.split("."):
        if at is None or at.open_ended:
            return True
        at = (at.properties or {}).get(step.removesuffix("[]"))
        if at is None:
            return False
        if step.endswith("[]") and not at.open_ended:
            at = at.items
    return True


def _shortened(lacks: list[str]) -> list[str]:
    """A list that lacks all of its fields is named once."""
    conditions = [lack for lack in lacks if lack.startswith(CONDITIONS)]
    others = [lack for lack in lacks if lack not in conditions]
    return [*others, CONDITIONS] if conditions else others

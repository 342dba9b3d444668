"""Which JSON types the fields of built-in kinds have, where that matters to somebody, as schemas.

A real server decodes every body into a Go struct: what has another type is no such object, and what
the struct does not know is dropped. Only the kinds listed here are held to that.
"""

from __future__ import annotations

from dnatctl_sim.kube.core.objects import Object

OPEN = "x-kubernetes-preserve-unknown-fields"

_STRING: Object = {"type": "string"}
_INTEGER: Object = {"type": "integer"}
_BOOLEAN: Object = {"type": "boolean"}
_TIME: Object = {"type": "string", "format": "micro-time"}
_STRINGS: Object = {"type": "object", "additionalProperties": {**_STRING, "nullable": True}}


def _object(**fields: Object) -> Object:
    return {"type": "object", "properties": fields}


def _list(items: Object) -> Object:
    return {"type": "array", "items": items}


def _open(**fields: Object) -> Object:
    return {**_object(**fields), OPEN: True}


_OWNER = _object(
    apiVersion=_STRING,
    kind=_STRING,
    name=_STRING,
    uid=_STRING,
    controller=_BOOLEAN,
    blockOwnerDeletion=_BOOLEAN,
)
METADATA = _open(
    name=_STRING,
    generateName=_STRING,
    namespace=_STRING,
    uid=_STRING,
    resourceVersion=_STRING,
    labels=_STRINGS,
    annotations=_STRINGS,
    finalizers=_list(_STRING),
    ownerReferences=_list(_OWNER),
)
"""Of every object's metadata."""

_PORT = _open(containerPort=_INTEGER, hostPort=_INTEGER, protocol=_STRING, name=_STRING)
_CONTAINER = _open(name=_STRING, image=_STRING, ports=_list(_PORT))
_POD_SPEC = _open(
    nodeName=_STRING,
    restartPolicy=_STRING,
    hostNetwork=_BOOLEAN,
    containers=_list(_CONTAINER),
    initContainers=_list(_CONTAINER),
)
KINDS: dict[str, Object] = {
    "configmaps": _object(data=_STRINGS, binaryData=_STRINGS, immutable=_BOOLEAN),
    "leases.coordination.k8s.io": _object(
        spec=_object(
            holderIdentity=_STRING,
            leaseDurationSeconds=_INTEGER,
            acquireTime=_TIME,
            renewTime=_TIME,
            leaseTransitions=_INTEGER,
        )
    ),
    "pods": _open(spec=_POD_SPEC),
}
"""By resource, besides metadata. Where nothing is `OPEN`, unknown fields are dropped."""

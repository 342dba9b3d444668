"""Reads a body into an object of its kind: what has a field of another type is none."""

from __future__ import annotations

from dnatctl_sim.kube.api import schema as schemas
from dnatctl_sim.kube.core import errors
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.core.shapes import KINDS, METADATA


def decode(type_: ResourceType, obj: Object, *, patched: bool) -> None:
    """Drop nulls and, where the kind is known, fields that it has not.

    Raises ApiError for a field of another type: 400, and 422 for what a patch made.
    """
    known = {} if type_.custom else KINDS.get(type_.key, {})
    parts = [(METADATA, obj["metadata"], "metadata"), (known, obj, "")]
    for schema, part, path in parts:
        schemas.default(schema, part)
        for cause in schemas.validate(schema, part, path):
            raise _no_object(type_, cause, patched=patched)
    if known:
        schemas.prune(known, obj)


def _no_object(type_: ResourceType, cause: Cause, *, patched: bool) -> errors.ApiError:
    version, kind = type_.api_version(), type_.kind
    text = f'{kind} in version "{version}" cannot be handled as a {kind}: {cause.message}'
    if patched:
        return errors.invalid_request([Cause.invalid("patch", "", text)])
    return errors.bad_request(text)

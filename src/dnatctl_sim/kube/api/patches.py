"""The patch formats of the API except server-side apply: JSON patch, merge patch, strategic."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from dnatctl_sim.kube.api.strategic import strategic_merge
from dnatctl_sim.kube.core.errors import ApiError, bad_request, unsupported_media_type
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def apply_patch(type_: ResourceType, obj: Object, patch: Any, media_type: str) -> Object:
    """What `patch` makes of `obj`, which is left as it is.

    Raises ApiError 415 for a format the type has not, 400 for a malformed patch, 422 for one that
    does not apply (a failing `test` included).
    """
    if media_type == JSON_PATCH:
        return _json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request("the patch must be a JSON object")
    if media_type == MERGE_PATCH:
        return merge(obj, patch)
    if media_type == STRATEGIC_PATCH and not type_.custom:
        return strategic_merge(obj, patch)
    supported = (JSON_PATCH, MERGE_PATCH)
    raise unsupported_media_type(media_type, supported)


def merge(target: Any, patch: Object) -> Object:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def _json_patch(obj: Object, patch: Any) -> Object:
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: it is no list of operations")
    try:
        patched = jsonpatch.JsonPatch(patch).apply(copy.deepcopy(obj))
    except (
        jsonpatch.JsonPatchException,
        jsonpatch.JsonPointerException,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:
        raise _not_applicable(str(error)) from error
    if not isinstance(patched, dict):
        raise _not_applicable("the result is no object")
    return patched


def _not_applicable(why: str) -> ApiError:
    text = f"the server rejected our request due to an error in our request: {why}"
    return ApiError(422, "Invalid", text)

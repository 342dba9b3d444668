"""What an update may not change: identity, deletion marks, and the other side of `/status`."""

from __future__ import annotations

from dnatctl_sim.kube.api.options import Target
from dnatctl_sim.kube.core import errors
from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object

_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "namespace",
    "generateName",
)


def check_identity(target: Target, old: Object, obj: Object) -> None:
    """The body must be of the object that the URL names, and not of an older state of it.

    Raises ApiError 400 for another name, 409 for another UID or resourceVersion, 500 for a
    resourceVersion that is no number.
    """
    meta, was = obj["metadata"], old["metadata"]
    check_name(target, meta)
    if meta.get("uid") and meta["uid"] != was["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: "
            f"{was['uid']}"
        )
        raise errors.conflict(target.type, was["name"], why)
    if not (meta.get("resourceVersion") or "0").isdigit():
        raise errors.internal(f"parsing {meta['resourceVersion']!r}: invalid syntax")
    if meta.get("resourceVersion") and meta["resourceVersion"] != was["resourceVersion"]:
        raise errors.conflict(target.type, was["name"])


def check_name(target: Target, meta: Object) -> None:
    """The body must be of the name and namespace of the URL, or name none. Raises ApiError 400."""
    for field, wanted in (("name", target.name), ("namespace", target.namespace or None)):
        if meta.setdefault(field, wanted) != wanted:
            raise errors.bad_request(
                f"the {field} of the object ({meta[field]}) does not match the {field} on the URL "
                f"({wanted})"
            )


def check_patched_identity(target: Target, old: Object, obj: Object) -> None:
    """As `check_identity` for what a patch made of `old`: a UID is no precondition there, but a
    field that may not change, and `/status` of a custom resource does not look at it.

    Raises ApiError 422 for another UID, else as `check_identity`.
    """
    uid, was = obj["metadata"].get("uid"), old["metadata"]["uid"]
    obj["metadata"]["uid"] = was
    check_identity(target, old, obj)
    if uid != was and not (target.type.custom and target.subresource == "status"):
        cause = Cause.invalid("metadata.uid", uid, "field is immutable")
        raise errors.invalid(target.type, old["metadata"]["name"], [cause])


def carry_over(target: Target, old: Object, obj: Object) -> Object:
    """`obj` with everything that this request may not change taken from `old`.

    Raises ApiError 422 for a finalizer added while the object is being deleted.
    """
    if target.subresource == "status":
        meta = _status_metadata(target, old, obj)
        obj = _with_status({**old, "metadata": meta}, obj.get("status"))
    elif target.type.status:
        obj = _with_status(dict(obj), old.get("status"))
    obj["metadata"] = _metadata(old["metadata"], obj["metadata"])
    _check_finalizers(target, old["metadata"], obj["metadata"])
    return obj


def count_generation(target: Target, old: Object, obj: Object) -> None:
    """Count one generation more where the desired state changed."""
    if not target.type.generation or target.subresource == "status":
        return
    skipped = {"apiVersion", "kind", "metadata"} | ({"status"} if target.type.status else set())
    fields = (old.keys() | obj.keys()) - skipped
    if any(old.get(field) != obj.get(field) for field in fields):
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _with_status(obj: Object, status: Object | None) -> Object:
    obj.pop("status", None)
    if status is not None:
        obj["status"] = status
    return obj


def _status_metadata(target: Target, old: Object, obj: Object) -> Object:
    """Of a custom resource `/status` changes the status only; of a built-in one, labels too."""
    if target.type.custom:
        return {**old["metadata"]}
    return {**obj["metadata"], "ownerReferences": old["metadata"].get("ownerReferences")}


def _metadata(was: Object, meta: Object) -> Object:
    meta = {key: value for key, value in meta.items() if value is not None}
    for field in _SERVER_OWNED:
        meta.pop(field, None)
        if field in was:
            meta[field] = was[field]
    if "managedFields" in was and "managedFields" not in meta:
        meta["managedFields"] = was["managedFields"]
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if meta.get(field) in ({}, []):
            del meta[field]
    return meta


def _check_finalizers(target: Target, was: Object, meta: Object) -> None:
    added = set(meta.get("finalizers") or ()) - set(was.get("finalizers") or ())
    if was.get("deletionTimestamp") and added:
        listed = ", ".join(f'"{name}"' for name in sorted(added))
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{listed}}}"
        )
        cause = Cause.forbidden("metadata.finalizers", why)
        raise errors.invalid(target.type, was["name"], [cause])

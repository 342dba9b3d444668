"""Deletion: preconditions, grace, finalizers and propagation.

The rules are those of k8s.io/apiserver/pkg/registry (rest/delete.go, generic/registry/store.go).
"""

from __future__ import annotations

from datetime import timedelta

from dnatctl.clock import Clock
from dnatctl_sim.kube.api.kinds import Strategies
from dnatctl_sim.kube.api.options import DeleteOptions, Target
from dnatctl_sim.kube.core import builtin, errors
from dnatctl_sim.kube.core.collection import Version
from dnatctl_sim.kube.core.objects import Object, dig, parse_timestamp, timestamp
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.core.store import Store

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class Deletion:
    """Carries out deletions on a store."""

    def __init__(self, store: Store, strategies: Strategies, clock: Clock) -> None:
        self._store = store
        self._strategies = strategies
        self._clock = clock

    def delete(self, target: Target, options: DeleteOptions) -> tuple[Version, bool]:
        """Delete one object: its last version, and whether it is gone already.

        Raises ApiError 404, and 409 where a precondition does not hold.
        """
        with self._store.lock:
            old = self._store.get(target.type, target.namespace, target.name)
            if old is None:
                raise errors.not_found(target.type, target.name)
            self._check_preconditions(target.type, old, options)
            if options.dry_run:
                return old, True
            return self._delete(target.type, old, options)

    def _delete(
        self, type_: ResourceType, old: Version, options: DeleteOptions
    ) -> tuple[Version, bool]:
        obj = old.load()
        grace = self._strategies.of(type_).grace(obj, options.grace)
        self._strategies.of(type_).deleting(obj)
        self._mark(obj, grace)
        _set_propagation(obj["metadata"], options.policy)
        if is_finished(type_, obj):
            return self._store.remove(type_, old), True
        if type_ is builtin.NAMESPACES:
            obj.setdefault("status", {})["phase"] = "Terminating"
        if obj == old.load():
            return old, False
        return self._store.put(type_, obj, old), False

    def _mark(self, obj: Object, grace: int) -> None:
        """Set the deletion marks; a second deletion can only shorten the grace."""
        meta = obj["metadata"]
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = timestamp(self._clock.now() + timedelta(seconds=grace))
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
            return
        before = meta.get("deletionGracePeriodSeconds", 0)
        if grace < before:
            end = parse_timestamp(meta["deletionTimestamp"]) - timedelta(seconds=before - grace)
            meta["deletionTimestamp"] = timestamp(end)
            meta["deletionGracePeriodSeconds"] = grace

    def _check_preconditions(
        self, type_: ResourceType, old: Version, options: DeleteOptions
    ) -> None:
        for name, wanted, found in (
            ("UID", options.uid, old.uid),
            ("ResourceVersion", options.resource_version, str(old.revision)),
        ):
            if wanted and wanted != found:
                why = (
                    f"Precondition failed: {name} in precondition: {wanted}, {name} in object "
                    f"meta: {found}"
                )
                raise errors.conflict(type_, old.name, why)


def is_finished(type_: ResourceType, obj: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if type_ is builtin.NAMESPACES and dig(obj, "spec", "finalizers"):
        return False
    return not meta.get("deletionGracePeriodSeconds")


def _set_propagation(meta: Object, policy: str) -> None:
    """Record, as a finalizer, what the garbage collector has to do before the object may go."""
    if not policy:
        return
    kept = [name for name in meta.get("finalizers") or () if name not in (ORPHAN, FOREGROUND)]
    added = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    meta["finalizers"] = kept + added
    if not meta["finalizers"]:
        del meta["finalizers"]

"""The Deployment controller's stand-in: rolling updates over ReplicaSets."""

from __future__ import annotations

import math

from dnatctl_sim.kube.actors.controller import Controller, template_hash
from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.core import builtin
from dnatctl_sim.kube.core.objects import Object, dig, set_condition

REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"


class Deployments(Controller):
    """One ReplicaSet a template; pods move from the old ones to the new as they become ready."""

    type = builtin.DEPLOYMENTS
    children = builtin.REPLICA_SETS

    def sync(self, obj: Object, children: list[Object]) -> None:
        """See `Controller.sync`."""
        hash_ = template_hash(obj["spec"]["template"])
        new = next((s for s in children if s["metadata"]["labels"].get(_HASH) == hash_), None)
        old = [s for s in children if s is not new]
        if new is None:
            if not obj["spec"].get("paused"):
                self._create_set(obj, hash_, old)
            return  # its creation brings us back
        self._number(obj, new, old)
        if dig(obj, "spec", "strategy", "type") == "Recreate":
            self._recreate(obj, new, old)
        elif not obj["spec"].get("paused"):
            self._roll(obj, new, old)
        self._clean_up(obj, old)
        self._report(obj, new, old)

    def _create_set(self, obj: Object, hash_: str, old: list[Object]) -> None:
        spec, labels = obj["spec"], {_HASH: hash_}
        template = spec["template"]
        meta = template.get("metadata") or {}
        labelled = {**meta, "labels": {**(meta.get("labels") or {}), **labels}}
        selector = spec["selector"]
        matching = {**(selector.get("matchLabels") or {}), **labels}
        revision = str(max(map(_revision, old), default=0) + 1)
        fresh: Object = {
            "metadata": {
                "name": f"{obj['metadata']['name']}-{hash_}",
                "labels": labelled["labels"],
                "annotations": {REVISION: revision},
            },
            "spec": {
                "replicas": 0 if old else spec["replicas"],
                "selector": {**selector, "matchLabels": matching},
                "template": {**template, "metadata": labelled},
            },
        }
        self.create(builtin.REPLICA_SETS, obj, fresh)

    def _number(self, obj: Object, new: Object, old: list[Object]) -> None:
        """Give the current ReplicaSet the highest revision number, also after a roll-back."""
        highest = max(map(_revision, old), default=0)
        if _revision(new) <= highest:
            new["metadata"].setdefault("annotations", {})[REVISION] = str(highest + 1)
            number = str(highest + 1)
            self._annotate(builtin.REPLICA_SETS.key, new, number)
        self._annotate(builtin.DEPLOYMENTS.key, obj, str(_revision(new)))

    def _annotate(self, key: str, obj: Object, number: str) -> None:
        def change(present: Object) -> None:
            present["metadata"].setdefault("annotations", {})[REVISION] = number

        meta = obj["metadata"]
        edit(self.api, self.api.registry.by_key(key), (meta["namespace"], meta["name"]), change)

    def _recreate(self, obj: Object, new: Object, old: list[Object]) -> None:
        for set_ in old:
            self._scale(set_, 0)
        if not any(dig(set_, "status", "replicas") for set_ in old):
            self._scale(new, obj["spec"]["replicas"])

    def _roll(self, obj: Object, new: Object, old: list[Object]) -> None:
        wanted = obj["spec"]["replicas"]
        surge, unavailable = _bounds(obj, wanted)
        total = sum(set_["spec"]["replicas"] for set_ in [new, *old])
        current = new["spec"]["replicas"]
        up = min(wanted, current + max(0, wanted + surge - total)) if current < wanted else wanted
        self._scale(new, up)
        missing = max(0, up - _available(new))
        room = total - current + up - (wanted - unavailable) - missing
        for set_ in sorted(old, key=_revision):
            room -= self._shrink(set_, room)

    def _shrink(self, set_: Object, room: int) -> int:
        """Take up to `room` pods from an old ReplicaSet; how many."""
        taken: int = max(0, min(set_["spec"]["replicas"], room))
        if taken:
            self._scale(set_, set_["spec"]["replicas"] - taken)
        return taken

    def _scale(self, set_: Object, replicas: int) -> None:
        def change(present: Object) -> None:
            if present["spec"]["replicas"] != replicas:
                present["spec"]["replicas"] = replicas
                present["metadata"]["generation"] += 1

        meta = set_["metadata"]
        edit(self.api, builtin.REPLICA_SETS, (meta["namespace"], meta["name"]), change)

    def _clean_up(self, obj: Object, old: list[Object]) -> None:
        empty = [s for s in old if not s["spec"]["replicas"] and not dig(s, "status", "replicas")]
        surplus = len(empty) - obj["spec"].get("revisionHistoryLimit", 10)
        for set_ in sorted(empty, key=_revision)[: max(0, surplus)]:
            self.delete(builtin.REPLICA_SETS, set_)

    def _report(self, obj: Object, new: Object, old: list[Object]) -> None:
        sets, wanted = [new, *old], obj["spec"]["replicas"]
        available = sum(map(_available, sets))
        numbers = {
            "replicas": sum(dig(s, "status", "replicas") or 0 for s in sets),
            "updatedReplicas": dig(new, "status", "replicas") or 0,
            "readyReplicas": available,
            "availableReplicas": available,
            "unavailableReplicas": max(0, wanted - available),
        }
        shown: Object = {"status": {"conditions": list(dig(obj, "status", "conditions") or ())}}
        done = numbers["updatedReplicas"] == wanted == available == numbers["replicas"]
        self._set_conditions(
            shown, new, done=done, enough=available >= wanted - _bounds(obj, wanted)[1]
        )
        counted = {name: number for name, number in numbers.items() if number}
        self.report(obj, {**counted, "conditions": shown["status"]["conditions"]})

    def _set_conditions(self, shown: Object, new: Object, *, done: bool, enough: bool) -> None:
        name = new["metadata"]["name"]
        reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
        text = f"Deployment {'has' if enough else 'does not have'} minimum availability."
        status = "True" if enough else "False"
        set_condition(shown, "Available", status, self.now, reason=reason, message=text)
        reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
        text = f'ReplicaSet "{name}" {"has successfully progressed" if done else "is progressing"}.'
        set_condition(shown, "Progressing", "True", self.now, reason=reason, message=text)


def _available(set_: Object) -> int:
    available: int = dig(set_, "status", "availableReplicas") or 0
    return min(available, int(set_["spec"]["replicas"]))


def _revision(set_: Object) -> int:
    return int((dig(set_, "metadata", "annotations") or {}).get(REVISION, 0))


def _bounds(obj: Object, wanted: int) -> tuple[int, int]:
    """How many pods more, and how many ready ones fewer, than wanted a roll-out may have."""
    rolling = dig(obj, "spec", "strategy", "rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), wanted)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(bound: int | str, total: int, *, up: bool = True) -> int:
    """A number of pods given as itself or as a share of `total` (`25%`), rounded up or down."""
    if isinstance(bound, int):
        return bound
    share = int(bound.removesuffix("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)

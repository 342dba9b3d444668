"""What the workload controllers have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import ClassVar

import orjson

from dnatctl_sim.kube.actors.dependents import Dependents
from dnatctl_sim.kube.actors.edits import edit
from dnatctl_sim.kube.actors.troupe import Timers
from dnatctl_sim.kube.api.options import DeleteOptions, Target, WriteOptions
from dnatctl_sim.kube.api.podkind import FINAL_PHASES
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core.collection import Change, Key
from dnatctl_sim.kube.core.objects import Object, condition, dig, owner_reference, timestamp
from dnatctl_sim.kube.core.resources import ResourceType


class Controller(ABC):
    """Brings objects of `type`, and what they own, in line, one object after the other.

    `children` is the type of what they own.
    """

    type: ClassVar[ResourceType]
    children: ClassVar[ResourceType]

    def __init__(self, api: Api, timers: Timers, dependents: Dependents) -> None:
        self.api = api
        self.dependents = dependents
        self._timers = timers
        self._due: set[Key] = set()

    @abstractmethod
    def sync(self, obj: Object, children: list[Object]) -> None:
        """Do what there is to do for `obj`, which owns `children`."""

    def observe(self, collection: str, change: Change) -> None:
        """See `Actor.observe`."""
        if collection == self.type.key:
            self.enqueue(change.new.key)
        elif collection == self.children.key and change.new.owners:
            for reference in dig(change.new.load(), "metadata", "ownerReferences") or ():
                if reference["kind"] == self.type.kind:
                    self.enqueue((change.new.namespace, reference["name"]))

    def enqueue(self, key: Key) -> None:
        """See to that object soon."""
        if key not in self._due:
            self._due.add(key)
            self._timers.call_later(0, lambda: self._sync(key))

    def _sync(self, key: Key) -> None:
        self._due.discard(key)
        with self.api.store.lock:
            version = self.api.store.get(self.type, *key)
            if version is None:
                return
            obj = version.load()
            if "deletionTimestamp" not in obj["metadata"]:
                children = self.dependents.versions(version.uid, self.children)
                self.sync(obj, [child.load() for child in children])

    def create(self, type_: ResourceType, owner: Object, obj: Object) -> None:
        """Create something that `owner` controls, in its namespace."""
        obj["metadata"]["ownerReferences"] = [owner_reference(owner)]
        self.api.create(Target(type_, owner["metadata"]["namespace"]), obj, WriteOptions())

    def delete(self, type_: ResourceType, obj: Object) -> None:
        """Delete something that is not already being deleted."""
        meta = obj["metadata"]
        if "deletionTimestamp" not in meta:
            target = Target(type_, meta["namespace"], meta["name"])
            self.api.deletion.delete(target, DeleteOptions(uid=meta["uid"]))

    def report(self, obj: Object, status: Object) -> None:
        """Write the object's status, conditions apart."""
        status["observedGeneration"] = obj["metadata"]["generation"]

        def change(present: Object) -> None:
            kept = {k: v for k, v in (present.get("status") or {}).items() if k == "conditions"}
            present["status"] = {**kept, **status}

        meta = obj["metadata"]
        edit(self.api, self.type, (meta["namespace"], meta["name"]), change, meta["uid"])

    @property
    def now(self) -> str:
        """The time as objects carry it."""
        return timestamp(self.api.clock.now())


def template_hash(template: Object) -> str:
    """A short name for a pod template, the same for the same template."""
    digest = hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).hexdigest()
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    number = int(digest[:12], 16)
    letters = []
    for _ in range(9):
        number, index = divmod(number, len(alphabet))
        letters.append(alphabet[index])
    return "".join(letters)


def is_active(pod: Object) -> bool:
    """Whether a pod counts: it is neither finished nor on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and not is_final(pod)


def is_final(pod: Object) -> bool:
    """Whether a pod's containers have ended for good."""
    return dig(pod, "status", "phase") in FINAL_PHASES


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready."""
    return bool((condition(pod, "Ready") or {}).get("status") == "True")


def pod_from(template: Object, name: str = "", prefix: str = "") -> Object:
    """A pod as a template describes it."""
    meta = {
        key: dict(value)
        for key, value in (template.get("metadata") or {}).items()
        if key in ("labels", "annotations")
    }
    finalizers = dig(template, "metadata", "finalizers")
    named = {"name": name} if name else {"generateName": prefix}
    more = {"finalizers": list(finalizers)} if finalizers else {}
    return {
        "metadata": {**named, **meta, **more},
        "spec": orjson.loads(orjson.dumps(template["spec"])),
    }

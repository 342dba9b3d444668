"""The verbs of the API on stored objects: get, list, create, update, patch.

The rules (who sets which field, what conflicts, when a generation counts) are those of
k8s.io/apiserver/pkg/registry/rest. Safe to use from any thread.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from dnatctl.clock import Clock
from dnatctl_sim.kube.api import carry
from dnatctl_sim.kube.api.decoding import decode
from dnatctl_sim.kube.api.deletion import Deletion, is_finished
from dnatctl_sim.kube.api.kinds import Strategies
from dnatctl_sim.kube.api.options import FieldValidation, Target, WriteOptions
from dnatctl_sim.kube.api.patches import apply_patch
from dnatctl_sim.kube.api.strategy import CustomStrategy
from dnatctl_sim.kube.core import builtin, errors
from dnatctl_sim.kube.core.collection import Version
from dnatctl_sim.kube.core.names import metadata_causes, name_causes
from dnatctl_sim.kube.core.objects import Object, dig, metadata, timestamp
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.core.resources import ResourceType
from dnatctl_sim.kube.core.store import Store, draft


class Api:
    """The API server's behaviour, without HTTP."""

    def __init__(
        self, store: Store, registry: Registry, clock: Clock, seed: int | None = None
    ) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self._strategies = Strategies()
        self._random = random.Random(seed)
        self.deletion = Deletion(store, self._strategies, clock)

    def get(self, target: Target) -> Version:
        """The object's present version. Raises ApiError 404."""
        found = self.store.get(target.type, target.namespace, target.name)
        if found is None:
            raise errors.not_found(target.type, target.name)
        return found

    def load(self, target: Target) -> Object:
        """The object in the version the client speaks. Raises ApiError 404."""
        return to_version(target.type, self.get(target).load(), target.version)

    def create(self, target: Target, body: Object, options: WriteOptions) -> Version:
        """Store a new object. Raises ApiError 409 AlreadyExists, 404, 403, 400, 422."""
        return self._insert(target, self._read(target, body, options), options)

    def _insert(self, target: Target, obj: Object, options: WriteOptions) -> Version:
        type_, meta = target.type, metadata(obj)
        self._name(meta)
        with self.store.lock:
            self._check_staying(type_)
            self._check_namespace(target, meta)
            if meta.pop("resourceVersion", None):
                text = "resourceVersion should not be set on objects to be created"
                raise errors.internal(text)
            self._stamp(type_, obj)
            strategy = self._strategies.of(type_)
            strategy.default(obj)
            if type_.status:
                obj.pop("status", None)
            self._validate(type_, obj, None)
            strategy.created(obj, self.clock.now())
            if self.store.get(type_, meta.get("namespace", ""), meta["name"]):
                raise errors.already_exists(type_, meta["name"])
            if options.dry_run:
                return draft(type_, obj, 0)
            return self.store.put(type_, obj)

    def update(self, target: Target, body: Object, options: WriteOptions) -> Version:
        """Replace an object, or its status; make it where its kind allows that.

        Raises ApiError 409 for an old resourceVersion, or for a UID where nothing is there.
        """
        with self.store.lock:
            if self._is_to_be_made(target):
                return self._make(target, self._read(target, body, options), options)
            old = self.get(target)
            return self._replace(target, old, self._read(target, body, options), options)

    def patch(self, target: Target, patch: Any, media_type: str, options: WriteOptions) -> Version:
        """Change an object, or its status, by a patch. Raises ApiError 415 for unknown kinds."""
        with self.store.lock:
            old = self.get(target)
            before = to_version(target.type, old.load(), target.version)
            body = apply_patch(target.type, before, patch, media_type)
            obj = self._read(target, body, options, before)
            carry.check_patched_identity(target, before, obj)
            return self._replace(target, old, obj, options)

    def write_internal(self, type_: ResourceType, old: Version, obj: Object) -> Version:
        """Store `obj` in place of `old` as the server's own parts do, past the rules for clients.

        Completes a deletion that waited for nothing but this.
        """
        with self.store.lock:
            if is_finished(type_, obj):
                return self.store.remove(type_, old)
            return self.store.put(type_, obj, old)

    def _is_to_be_made(self, target: Target) -> bool:
        if not self._strategies.of(target.type).creates_on_update:
            return False
        return self.store.get(target.type, target.namespace, target.name) is None

    def _make(self, target: Target, obj: Object, options: WriteOptions) -> Version:
        meta = obj["metadata"]
        if meta.get("uid"):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: "
            raise errors.conflict(target.type, target.name, why)
        meta.pop("resourceVersion", None)
        carry.check_name(target, meta)
        return self._insert(target, obj, options)

    def _replace(self, target: Target, old: Version, obj: Object, options: WriteOptions) -> Version:
        type_, was = target.type, old.load()
        carry.check_identity(target, was, obj)
        strategy = self._strategies.of(type_)
        strategy.default(obj)
        obj = carry.carry_over(target, was, obj)
        self._validate(type_, obj, was)
        carry.count_generation(target, was, obj)
        obj["metadata"]["resourceVersion"] = str(old.revision)
        if obj == was:
            return old
        if options.dry_run:
            return draft(type_, obj, old.revision)
        if is_finished(type_, obj):
            self.store.remove(type_, old)
            return draft(type_, obj, old.revision)
        return self.store.put(type_, obj, old)

    def _read(
        self, target: Target, body: Any, options: WriteOptions, before: Object | None = None
    ) -> Object:
        """The body as a stored object: checked for kind, decoded, pruned. `before`: what it came
        from by a patch."""
        type_ = target.type
        if not isinstance(body, dict):
            raise errors.bad_request("the body must be a JSON object")
        if type_.custom and not (body.get("kind") and body.get("apiVersion")):
            raise errors.bad_request("Object 'Kind' or 'apiVersion' is missing")
        kind, version = body.get("kind", type_.kind), body.get("apiVersion")
        if kind != type_.kind or version not in (None, type_.api_version(target.version)):
            found = f"{version}, Kind={kind}"
            wanted = f"{type_.api_version(target.version)}, Kind={type_.kind}"
            raise errors.bad_request(f"the object provided is unrecognized: {found}, not {wanted}")
        obj = {**body, "metadata": dict(body.get("metadata") or {})}
        decode(type_, obj, patched=before is not None)
        if type_.shape:
            obj = type_.shape.decode(obj)
        obj = {**obj, "apiVersion": type_.base.api_version(), "kind": type_.kind}
        strategy = self._strategies.of(type_)
        if isinstance(strategy, CustomStrategy):
            self._report_unknown(strategy.prune(obj, before or {}), options)
        return obj

    def _report_unknown(self, dropped: list[str], options: WriteOptions) -> None:
        texts = [f'unknown field "{path}"' for path in dropped]
        if texts and options.validation is FieldValidation.STRICT:
            raise errors.bad_request(f"strict decoding error: {', '.join(texts)}")
        if options.validation is FieldValidation.WARN:
            options.warnings += texts

    def _name(self, meta: Object) -> None:
        if not meta.get("name") and meta.get("generateName"):
            alphabet = "bcdfghjklmnpqrstvwxz2456789"
            suffix = "".join(self._random.choices(alphabet, k=5))
            meta["name"] = meta["generateName"][:58] + suffix

    def _check_staying(self, type_: ResourceType) -> None:
        """The CRD of a custom resource must be there, and not on its way out."""
        if not type_.custom:
            return
        crd = self.store.get(builtin.CRDS, "", type_.key)
        if crd is None:  # it has gone since the request was read
            raise errors.no_such_path()
        if "deletionTimestamp" in crd.load()["metadata"]:
            text = "create not allowed while custom resource definition is terminating"
            raise errors.ApiError(405, "MethodNotAllowed", text)

    def _check_namespace(self, target: Target, meta: Object) -> None:
        """The namespace that the object is to be created in must exist and be staying."""
        if not target.type.namespaced:
            meta.pop("namespace", None)
            return
        if meta.setdefault("namespace", target.namespace) != target.namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        found = self.store.get(builtin.NAMESPACES, "", target.namespace)
        if found is None:
            raise errors.not_found(builtin.NAMESPACES, target.namespace)
        if found.fields.get("status.phase") == "Terminating":
            why = (
                f"unable to create new content in namespace {target.namespace} because it is "
                "being terminated"
            )
            raise errors.forbidden(target.type, meta.get("name", ""), why, "NamespaceTerminating")

    def _stamp(self, type_: ResourceType, obj: Object) -> None:
        meta = obj["metadata"]
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            meta.pop(field, None)
        meta["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        meta["creationTimestamp"] = timestamp(self.clock.now())
        if type_.generation:
            meta["generation"] = 1

    def _validate(self, type_: ResourceType, obj: Object, old: Object | None) -> None:
        causes = list(metadata_causes(type_, obj["metadata"]))
        if old is None:
            causes += name_causes(type_, obj["metadata"])
            causes += type_.shape.check(obj) if type_.shape else []
        causes += self._strategies.of(type_).validate(obj, old)
        if causes:
            raise errors.invalid(type_, dig(obj, "metadata", "name") or "", causes)


def to_version(type_: ResourceType, obj: Object, version: str) -> Object:
    """A stored object as `version` of its type shows it."""
    if type_.shape:
        return type_.shape.encode(obj)
    return {**obj, "apiVersion": type_.api_version(version)}

"""A request as the server understands it, and an answer before it goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from dnatctl_sim.kube.api.options import DeleteOptions, FieldValidation, Target, WriteOptions
from dnatctl_sim.kube.core.errors import (
    ApiError,
    NoSuchPathError,
    bad_request,
    internal,
    method_not_allowed,
    unsupported_media_type,
)
from dnatctl_sim.kube.core.objects import Object, dig
from dnatctl_sim.kube.core.registry import Registry
from dnatctl_sim.kube.wire.queries import check_delete, check_write

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_READABLE = ("application/json", "application/yaml")
_INSTEAD = (
    "; some `kubectl create ...` send Protobuf: pipe `kubectl create ... --dry-run=client -o yaml`"
    " into `kubectl create -f -`"
)
WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
"""The verbs that change something."""


@dataclass(frozen=True)
class Call:
    """A request for a resource: the verb, what it is about, and what came with it."""

    verb: str
    target: Target
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """The body's media type without its parameters."""
        return self.headers.get("Content-Type", "application/json").partition(";")[0].strip()

    def document(self) -> Any:
        """The body, parsed. Raises ApiError 400 or 415."""
        if not self.body:
            return {}
        if self.verb != "patch" and self.media_type not in _READABLE:
            raise unsupported_media_type(self.media_type, _READABLE, _INSTEAD)
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            if "yaml" not in self.media_type:
                raise bad_request(f"the body is not JSON: {error}") from error
        try:
            return yaml.safe_load(self.body)
        except yaml.YAMLError as error:
            raise bad_request(f"the body is not YAML: {error}") from error

    def number(self, name: str, default: int = 0) -> int:
        """A query parameter that is a whole number. Raises ApiError 400."""
        text = self.query.get(name, "")
        try:
            return int(text) if text else default
        except ValueError as error:
            raise bad_request(f"invalid value for {name}: {text!r}") from error

    def version(self) -> int:
        """The resourceVersion asked for; 0 for none. Raises ApiError 500 as the real one does."""
        text = self.query.get("resourceVersion") or "0"
        if not text.isdigit():
            raise internal(f"resourceVersion: Invalid value: {text!r}: invalid syntax")
        return int(text)

    def flag(self, name: str) -> bool:
        """A query parameter that is a yes or no."""
        return self.query.get(name, "") in ("1", "true", "True")

    def write_options(self) -> WriteOptions:
        """How the write wants to be carried out. Raises ApiError 422."""
        check_write(self.verb, self.query)
        return WriteOptions(
            dry_run=self.query.get("dryRun") == "All",
            validation=FieldValidation(self.query.get("fieldValidation") or "Warn"),
            manager=self.query.get("fieldManager", ""),
            force=self.flag("force"),
        )

    def delete_options(self) -> DeleteOptions:
        """How the deletion wants to be carried out: from the body, or from the query.

        Raises ApiError 422, and 400 or 415 for a body that cannot be read.
        """
        body: Object = self.document() or {}
        grace = body.get("gracePeriodSeconds")
        if grace is None and "gracePeriodSeconds" in self.query:
            grace = self.number("gracePeriodSeconds")
        policy = body.get("propagationPolicy") or self.query.get("propagationPolicy", "")
        orphan = body.get("orphanDependents") is not None or "orphanDependents" in self.query
        dry_run = body.get("dryRun") or list(filter(None, [self.query.get("dryRun")]))
        check_delete(dry_run, policy, orphan=orphan)
        if body.get("orphanDependents") or self.flag("orphanDependents"):
            policy = "Orphan"
        return DeleteOptions(
            grace=grace,
            uid=dig(body, "preconditions", "uid") or "",
            resource_version=dig(body, "preconditions", "resourceVersion") or "",
            policy=policy,
            dry_run=bool(dry_run),
        )


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_answer(value: Any, code: int = 200, **headers: str) -> Answer:
    """An answer that is `value` as JSON."""
    return Answer(code, orjson.dumps(value), headers)


def error_answer(error: ApiError) -> Answer:
    """An answer that tells of `error`."""
    if isinstance(error, NoSuchPathError):
        return Answer(error.code, f"{error.message}\n".encode(), content_type="text/plain")
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return Answer(error.code, orjson.dumps(error.status()), headers)


def parse_call(
    registry: Registry,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> Call:
    """Understand a request below `/api` or `/apis`; the body is still to be read.

    Raises ApiError 404 for a path that is not served, 405 for an unknown method.
    """
    target = parse_path(registry, path)
    verb = _verb(method, target, query)
    return Call(verb, target, query, headers)


def parse_path(registry: Registry, path: str) -> Target:
    """What a path below `/api` or `/apis` names. Raises ApiError 404."""
    parts = [part for part in path.split("/") if part]
    group, version, rest = (
        ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    )
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    type_ = registry.find(group, version, rest[0])
    name, subresource = [*rest[1:3], "", ""][:2]
    return Target(type_, namespace, name, subresource, version)


def _verb(method: str, target: Target, query: Mapping[str, str]) -> str:
    if method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if query.get("watch", "") in ("1", "true", "True") else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if method not in _VERBS:
        raise method_not_allowed()
    return _VERBS[method]

"""The answers of an API server that are not success, each with its `Status` object.

Codes, reasons and texts are those of k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Iterable

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.resources import ResourceType


class ApiError(Exception):
    """A request that fails: the HTTP code, the machine-readable reason and the text for people.

    `retry_after` is in seconds and becomes the Retry-After header too.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        *,
        retry_after: int | None = None,
        next_page: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.retry_after = retry_after
        self.next_page = next_page
        if retry_after is not None:
            self.details["retryAfterSeconds"] = retry_after

    def status(self) -> Object:
        """The error as the `Status` object that clients read."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.next_page} if self.next_page else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}


def _details(type_: ResourceType, name: str) -> Object:
    details: Object = {"name": name, "group": type_.group, "kind": type_.plural}
    return {key: value for key, value in details.items() if value}


def not_found(type_: ResourceType, name: str) -> ApiError:
    """404 for an object that does not exist."""
    return ApiError(404, "NotFound", f'{type_.key} "{name}" not found', _details(type_, name))


class NoSuchPathError(ApiError):
    """404 for a path that no resource is served at: plain text, and no `Status`."""


def no_such_resource() -> ApiError:
    """404 for what is not served in a group that the server itself has."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def no_such_path() -> ApiError:
    """As an API server answers what no handler of its chain knows: below the groups of custom
    resources, and those that there are none of (k8s.io/apiserver/pkg/util/notfoundhandler)."""
    return NoSuchPathError(404, "", "404 page not found")


def already_exists(type_: ResourceType, name: str) -> ApiError:
    """409 for a name that is taken."""
    text = f'{type_.key} "{name}" already exists'
    return ApiError(409, "AlreadyExists", text, _details(type_, name))


def conflict(type_: ResourceType, name: str, why: str = "") -> ApiError:
    """409 for a write that is based on an old state of the object."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    text = f'Operation cannot be fulfilled on {type_.key} "{name}": {why}'
    return ApiError(409, "Conflict", text, _details(type_, name))


def invalid(type_: ResourceType, name: str, causes: list[Cause]) -> ApiError:
    """422 for an object that breaks rules, all of them listed."""
    texts = [f"{c.field}: {c.message}" if c.field else c.message for c in causes]
    what = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{type_.kind}.{type_.group}" if type_.group else type_.kind
    details: Object = {
        "name": name,
        "group": type_.group,
        "kind": type_.kind,
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {what}', details)


def invalid_request(causes: list[Cause], kind: str = "") -> ApiError:
    """422 for what is wrong with the request itself: `kind` is that of its options."""
    texts = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    listed = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    details: Object = {"group": "meta.k8s.io", "kind": kind} if kind else {}
    name = f"{kind}.meta.k8s.io" if kind else ""
    text = f'{name} "" is invalid: {texts}'
    return ApiError(422, "Invalid", text, {**details, "causes": listed})


def internal(message: str) -> ApiError:
    """500 for what the server stumbles over; such an answer has no reason."""
    return ApiError(500, "", message)


def bad_request(message: str) -> ApiError:
    """400 for what cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(type_: ResourceType, name: str, why: str, cause: str = "") -> ApiError:
    """403 for what a rule of the cluster does not allow."""
    details = _details(type_, name)
    if cause:
        details["causes"] = [{"reason": cause, "message": why, "field": "metadata.namespace"}]
    text = f'{type_.key} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", text, details)


def expired(message: str, next_page: str = "") -> ApiError:
    """410 for a resource version or continue token that history no longer holds."""
    return ApiError(410, "Expired", message, next_page=next_page)


def gone_version(wanted: int, oldest: int) -> ApiError:
    """410 for a watch from before the history that is kept."""
    return expired(f"too old resource version: {wanted} ({oldest})")


def too_large_version(wanted: int, current: int) -> ApiError:
    """504 for a resource version that this server has not reached (client-go re-lists on it)."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, "Timeout", text, {"causes": [cause]}, retry_after=1)


def method_not_allowed() -> ApiError:
    """405 for a verb that the resource does not have."""
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text)


def unsupported_media_type(found: str, supported: Iterable[str], instead: str = "") -> ApiError:
    """415 for a body in a format that the server does not read; `instead`: what to do about it."""
    text = (
        f'the body of the request was in an unknown format "{found}" - accepted media types '
        f"include: {', '.join(supported)}{instead}"
    )
    return ApiError(415, "UnsupportedMediaType", text)


def not_acceptable(wanted: str, found: str) -> ApiError:
    """406 for a list that is asked for as one object, or one as a list: of which only the metadata
    is wanted (k8s.io/apiserver/pkg/endpoints/handlers/response.go).
    """
    text = f"you requested {wanted}, but the requested object is {found}"
    return ApiError(406, "NotAcceptable", text)


def too_many_requests(message: str, retry_after: int) -> ApiError:
    """429: come back in `retry_after` seconds."""
    return ApiError(429, "TooManyRequests", message, retry_after=retry_after)

"""What can go wrong between this program and an API server, in one vocabulary.

The API server's Status.reason decides where there is one, the HTTP status where there is none:
messages are for people and change between releases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from dnatctl.decoding import decode


class Failure(StrEnum):
    """The kinds of failure that callers treat differently."""

    NOT_FOUND = "NotFound"
    """The API server says so of what was asked for."""
    UNSERVED = "Unserved"
    """The resource is not served as it was asked for: that says nothing of the object. So is a 404
    without a reason: an API server's for a path it does not know (yet), or a proxy's before it."""
    CONFLICT = "Conflict"
    ALREADY_EXISTS = "AlreadyExists"
    EXPIRED = "Expired"
    """The resourceVersion or continue token is too old: list anew."""
    AHEAD = "TooLargeResourceVersion"
    """The server has not reached that resourceVersion (yet, or any more): list anew."""
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    """The request itself is wrong: repeating it is useless."""
    TOO_MANY_REQUESTS = "TooManyRequests"
    """Not carried out; `KubeError.retry_after` may say when to come back."""
    ADMISSION = "Admission"
    """A webhook that the API server has to ask first refused, or could not be asked."""
    SERVER = "Server"
    """The server failed; a write may have been carried out."""
    UNREACHABLE = "Unreachable"
    """The request was not sent: certainly not carried out."""
    UNKNOWN = "Unknown"
    """The request was sent and no whole answer came: a write may have been carried out."""
    TOO_LARGE = "TooLarge"
    """The answer has more bytes than are taken; a write may have been carried out."""
    CANCELLED = "Cancelled"
    """This program broke it off; a write may have been carried out."""


class Status(Struct):
    """A metav1.Status, as errors are answered and as a watch's ERROR event carries it."""

    code: Annotated[int, Meta(ge=0, le=999)] = 0
    reason: str = ""
    message: str = ""
    details: dict[str, object] | None = None


class KubeError(Exception):
    """A request that failed.

    `status` is the HTTP status, 0 where no answer came; `reason` Status.reason or "";
    `retry_after` seconds, where the server named them; `details` Status.details.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.details: Mapping[str, object] = details or {}

    @property
    def unsure(self) -> bool:
        """Whether a write may have been carried out although it failed."""
        return self.failure in _UNSURE

    @property
    def refused(self) -> bool:
        """Whether an object is not taken as it is, by the server or by whom it asks first."""
        return self.failure in _REFUSED

    def says_gone(self, name: str) -> bool:
        """Whether the API server says that the object of that name, which was asked for, is not
        there: of another's absence (a cluster's, behind a proxy of many) it tells that one's."""
        return self.failure is Failure.NOT_FOUND and self.details.get("name") in (None, name)

    def about(self, what: str) -> KubeError:
        """The same, with what was asked for, for people."""
        return KubeError(
            self.failure,
            f"{what}: {self.message}",
            status=self.status,
            reason=self.reason,
            retry_after=self.retry_after,
            details=self.details,
        )

    def __str__(self) -> str:
        where = f" (HTTP {self.status})" if self.status else ""
        return f"{self.failure}{where}: {self.message}"


NO_SUCH = frozenset({Failure.NOT_FOUND, Failure.UNSERVED})
"""What is answered to a question for what is served, or for all of a kind, where it is not."""

_UNSURE = frozenset({Failure.SERVER, Failure.UNKNOWN, Failure.TOO_LARGE, Failure.CANCELLED})

_REFUSED = frozenset({Failure.INVALID, Failure.FORBIDDEN, Failure.ADMISSION})


class KubeConfigError(Exception):
    """No usable way to reach a cluster was found; the message says what was tried."""


_BY_REASON = {
    "NotFound": Failure.NOT_FOUND,
    "Conflict": Failure.CONFLICT,
    "AlreadyExists": Failure.ALREADY_EXISTS,
    "Expired": Failure.EXPIRED,
    "Gone": Failure.EXPIRED,
    "Unauthorized": Failure.UNAUTHORIZED,
    "Forbidden": Failure.FORBIDDEN,
    "Invalid": Failure.INVALID,
    "BadRequest": Failure.INVALID,
    "MethodNotAllowed": Failure.INVALID,
    "NotAcceptable": Failure.INVALID,
    "UnsupportedMediaType": Failure.INVALID,
    "RequestEntityTooLarge": Failure.INVALID,
    "TooManyRequests": Failure.TOO_MANY_REQUESTS,
}

_BY_CODE = {
    401: Failure.UNAUTHORIZED,
    403: Failure.FORBIDDEN,
    404: Failure.UNSERVED,
    409: Failure.CONFLICT,
    410: Failure.EXPIRED,
    429: Failure.TOO_MANY_REQUESTS,
}

_ADMISSION = re.compile(
    r"(Internal error occurred: )?failed calling (admission )?webhook"
    r"|admission webhook \"[^\"]+\" denied the request"
)
"""What the API server says of webhooks: a code of its own there is none (a webhook chooses the code
of its refusal itself). They are asked before anything is stored.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
"""

_AHEAD_CAUSE = "ResourceVersionTooLarge"
_UID = "metadata.uid"
_LONGEST_PAUSE = 10.0
"""Seconds of a server's hint that are believed: one answer blinds nobody for longer. Who means it
says so again."""

_MESSAGE_LIMIT = 512
"""Bodies of proxies in between can be whole web pages, and webhooks write what they like."""

_STATUS = msgspec.json.Decoder(Status)


def classify(status: Status) -> Failure:
    """The kind of failure that a Status describes."""
    if _is_ahead(status):
        return Failure.AHEAD
    if status.reason == "Invalid" and _names(status, "field", _UID):
        # A patch that states a UID is for that object only: another one has the name by now.
        return Failure.CONFLICT
    if _ADMISSION.match(status.message[:_MESSAGE_LIMIT]):
        return Failure.ADMISSION
    by_code = _BY_CODE.get(status.code)
    if by_code is None:
        by_code = Failure.INVALID if 400 <= status.code < 500 else Failure.SERVER
    return _BY_REASON.get(status.reason, by_code)


def error_of(status: Status, retry_after: float | None = None) -> KubeError:
    """The error that a Status stands for. `retry_after` is that of the header, in seconds."""
    details = status.details or {}
    seconds = details.get("retryAfterSeconds")
    if retry_after is None and isinstance(seconds, int) and seconds > 0:
        retry_after = float(min(seconds, _LONGEST_PAUSE))
    return KubeError(
        classify(status),
        shown(status.message or status.reason) or f"HTTP {status.code}",
        status=status.code,
        reason=status.reason,
        retry_after=None if retry_after is None else min(retry_after, _LONGEST_PAUSE),
        details=details,
    )


def error_from_answer(code: int, body: bytes, retry_after: str | None) -> KubeError:
    """The error for an HTTP answer of 300 or above; the body need not be a Status."""
    try:
        status = decode(_STATUS, body)
    except msgspec.DecodeError:
        status = Status(message=body[: 4 * _MESSAGE_LIMIT].decode(errors="replace"))
    status.code = code
    header = retry_after.strip() if retry_after else ""
    return error_of(status, float(header[:9]) if header.isdecimal() else None)


class _ErrorEvent(Struct):
    object: Status


_ERROR_EVENT = msgspec.json.Decoder(_ErrorEvent)


def error_in_event(line: bytes) -> KubeError:
    """The error that an ERROR event of a watch stands for."""
    try:
        return error_of(decode(_ERROR_EVENT, line).object)
    except msgspec.DecodeError:
        return KubeError(Failure.SERVER, "an ERROR event that is no Status")


def shown(message: str) -> str:
    """What of a message can be shown: one line, cut, without control characters."""
    line = "".join(c if c.isprintable() else " " for c in message[: 2 * _MESSAGE_LIMIT])
    return " ".join(line.split())[:_MESSAGE_LIMIT]


def _is_ahead(status: Status) -> bool:
    # A lagging server answers Timeout with this cause; those before 1.17 had only the message.
    # https://kubernetes.io/docs/reference/using-api/api-concepts/#unavailable-resource-versions
    if status.reason != "Timeout" and status.code != 504:
        return False
    if _names(status, "reason", _AHEAD_CAUSE):
        return True
    return "too large resource version" in status.message.lower()


def _names(status: Status, key: str, value: str) -> bool:
    """Whether one of the causes has that value."""
    causes = (status.details or {}).get("causes")
    if not isinstance(causes, list):
        return False
    return any(isinstance(cause, dict) and cause.get(key) == value for cause in causes)

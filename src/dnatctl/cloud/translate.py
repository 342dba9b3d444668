"""From what a call of the SDK raises to `CloudError`.

That is a `ResponseException` for an answer that could be read as an error, and what went wrong on
the way for everything else (no connection, no answer, a body that is not JSON, a failing
credential), which the SDK by itself would wrap in an `UnretryableException`. The text of the latter
holds the whole URL of the call, and the vendor's text for a wrong signature repeats the signed
headers, session token included; neither is let through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from darabonba.exceptions import ResponseException, UnretryableException
from urllib3.exceptions import DecodeError, LocationValueError, ProxyError

from dnatctl.cloud.codes import classify
from dnatctl.cloud.credentials import CredentialError
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.text import shown
from dnatctl.transport import TooLargeError

MOST_PAGES: Final = 200
"""Of one list: far more than a region has of anything."""

_LONGEST_CODE: Final = 96
"""Characters of a code, of which the vendor's longest has about 60, and of a request ID."""

_LONGEST_PAUSE: Final = 120.0
"""Seconds of a server's hint that are believed: the vendor counts by the minute."""


def from_sdk(operation: Operation, exc: Exception, secrets: Iterable[str] = ()) -> CloudError:
    """What `exc`, raised by the SDK while doing `operation`, means.

    `secrets` are texts that must not be shown, wherever they occur.
    """
    if isinstance(exc, ResponseException):
        return _refused(operation, exc, tuple(secrets))
    cause = exc.inner_exception if isinstance(exc, UnretryableException) else exc
    if isinstance(cause, CredentialError):
        return CloudError(operation, ErrorKind.AUTH, message=str(cause))
    return CloudError(operation, ErrorKind.UNKNOWN, message=_describe(cause))


def unreadable(operation: Operation, what: str, request_id: object = "") -> CloudError:
    """The error for an answer that says yes but lacks what it should hold; its ID is as it came."""
    message = f"unreadable answer: {what}"
    request = shown(request_id, longest=_LONGEST_CODE)
    return CloudError(operation, ErrorKind.UNKNOWN, message=message, request_id=request)


def require_list(operation: Operation, body: Any, container: Any) -> None:
    """Raise CloudError unless the answer holds its list or says that it is empty.

    An empty list may be left out: no page of the vendor says that it never is.
    """
    if container is None and str(body.total_count) != "0":
        raise unreadable(operation, "the list is missing", body.request_id or "")


def _refused(operation: Operation, exc: Any, secrets: tuple[str, ...]) -> CloudError:
    body = exc.data if isinstance(exc.data, dict) else {}
    # The SDK turns an absent code or ID into the word "None".
    code = shown(body.get("Code") or "", secrets, _LONGEST_CODE)
    message = shown(body.get("Message") or "", secrets)
    retry_after = min(exc.retry_after, 1000 * _LONGEST_PAUSE) / 1000 if exc.retry_after else None
    return CloudError(
        operation,
        _kind(operation, code, message, exc.status_code or 0, retry_after),
        code=code,
        message=message,
        request_id=shown(body.get("RequestId") or "", secrets, _LONGEST_CODE),
        retry_after=retry_after,
    )


def _kind(
    operation: Operation, code: str, message: str, status: int, retry_after: float | None
) -> ErrorKind:
    known = classify(operation, code)
    if known is ErrorKind.GONE_OR_BUSY and "not exist" in message.lower():
        return ErrorKind.GONE
    if known is not None:
        return known
    if retry_after is not None:
        return ErrorKind.RETRY
    if status >= 500:
        return ErrorKind.UNKNOWN if operation.writes else ErrorKind.RETRY
    # JSON without a code is not the vendor's: something in between has answered.
    return ErrorKind.UNCLASSIFIED if code else ErrorKind.UNKNOWN


def _describe(cause: BaseException | None) -> str:
    """What went wrong on the wire, from the innermost exception, without its URL."""
    if isinstance(cause, TooLargeError | DecodeError):
        return f"unreadable answer: {shown(cause)}"
    if isinstance(cause, LocationValueError):
        return f"no answer: {shown(cause)}"
    root = cause
    while root is not None and (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if isinstance(cause, ProxyError) and isinstance(root, OSError) and not root.strerror:
        return f"no answer: the proxy says: {shown(root)}"
    if isinstance(root, OSError):
        return f"no answer: {root.strerror or type(root).__name__}"
    if isinstance(root, ValueError | RuntimeError):
        return "unreadable answer: not JSON"
    return f"no answer: {type(root).__name__}"

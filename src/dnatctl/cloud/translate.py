"""From the SDK's exceptions to `CloudError`.

The SDK raises a `ResponseException` for an answer it could read as an error, and wraps everything
else (no connection, no answer, a body that is not JSON, a failing credential) in an
`UnretryableException` that has lost the HTTP status. The text of the latter holds the whole URL
of the call, and the vendor's text for a wrong signature repeats the signed headers, session token
included; neither is let through.
"""

from __future__ import annotations

import re
from typing import Any, Final

from darabonba.exceptions import ResponseException, UnretryableException

from dnatctl.cloud.codes import classify
from dnatctl.cloud.credentials import CredentialError
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation

_MESSAGE_LIMIT: Final = 300
_SIGNED_TEXT: Final = re.compile(r"\W*server\W*(string|canonical).*", re.IGNORECASE | re.DOTALL)
_URL: Final = re.compile(r"\b\w+://\S+")
_LONG_TOKEN: Final = re.compile(r"[\w+/=%.-]{80,}")


def from_sdk(operation: Operation, exc: Exception) -> CloudError:
    """What `exc`, raised by the SDK while doing `operation`, means."""
    if isinstance(exc, ResponseException):
        return _refused(operation, exc)
    cause = exc.inner_exception if isinstance(exc, UnretryableException) else exc
    if isinstance(cause, CredentialError):
        return CloudError(operation, ErrorKind.AUTH, message=str(cause))
    return CloudError(operation, ErrorKind.UNKNOWN, message=_describe(cause))


def unreadable(operation: Operation, what: str, request_id: str = "") -> CloudError:
    """The error for an answer that says yes but lacks what it should hold."""
    message = f"unreadable answer: {what}"
    return CloudError(operation, ErrorKind.UNKNOWN, message=message, request_id=request_id)


def _refused(operation: Operation, exc: Any) -> CloudError:
    body = exc.data if isinstance(exc.data, dict) else {}
    # The SDK turns an absent code or ID into the word "None".
    code = str(body.get("Code") or "")
    message = _clean(str(body.get("Message") or ""))
    retry_after = exc.retry_after / 1000 if exc.retry_after else None
    return CloudError(
        operation,
        _kind(operation, code, message, exc.status_code or 0, retry_after),
        code=code,
        message=message,
        request_id=str(body.get("RequestId") or ""),
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


def _clean(text: str) -> str:
    text = _LONG_TOKEN.sub("<redacted>", _URL.sub("<url>", _SIGNED_TEXT.sub("", text)))
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]}..."


def _describe(cause: BaseException | None) -> str:
    """What went wrong on the wire, from the innermost exception, without its URL."""
    root = cause
    while root is not None and (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if isinstance(root, OSError):
        return f"no answer: {root.strerror or type(root).__name__}"
    if isinstance(root, ValueError | RuntimeError):
        return "unreadable answer: not JSON"
    return f"no answer: {type(root).__name__}"

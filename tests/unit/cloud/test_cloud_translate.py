"""What the SDK raises becomes a `CloudError` that says what to do and gives nothing away."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from darabonba.exceptions import RetryError, UnretryableException
from darabonba.policy.retry import RetryPolicyContext

from dnatctl.cloud.credentials import CredentialError
from dnatctl.cloud.errors import ErrorKind as Kind
from dnatctl.cloud.operation import Operation as Op
from dnatctl.cloud.translate import from_sdk

URL = "http://127.0.0.1:9/?ClientToken=abc&InternalIp=172.16.0.9"


def refused(
    code: str | None, message: str = "no", status: int = 400, retry_after: int | None = None
) -> Exception:
    body: dict[str, Any] = {"Message": message, "RequestId": "R-1"}
    if code is not None:
        body["Code"] = code
    common = {
        "status_code": status,
        "code": f"{code}",
        "message": f"code: {status}, {message} request id: R-1",
        "data": body,
        "request_id": "R-1",
    }
    if retry_after is not None:
        return ThrottlingException(retry_after=retry_after, **common)
    return (ClientException if status < 500 else ServerException)(**common)


def wrapped(cause: Exception) -> Exception:
    return UnretryableException(RetryPolicyContext(exception=cause))


def lost(cause: Exception) -> Exception:
    """As the SDK does it: its RetryError repeats the text of the cause, URL included."""
    try:
        try:
            raise cause
        except OSError as exc:
            raise RetryError(str(exc))  # noqa: B904 - so the SDK does
    except RetryError as exc:
        return wrapped(exc)


def test_a_refusal_keeps_the_vendors_words_and_request_id() -> None:
    error = from_sdk(Op.CREATE, refused("QuotaExceeded", "The quota is exceeded."))
    assert (error.kind, error.code, error.message, error.request_id, error.retry_after) == (
        Kind.QUOTA, "QuotaExceeded", "The quota is exceeded.", "R-1", None,
    )  # fmt: skip
    assert str(error) == ("CreateForwardEntry: QuotaExceeded: The quota is exceeded. (request R-1)")


def test_the_servers_hint_is_told_in_seconds() -> None:
    error = from_sdk(Op.CREATE, refused("Throttling.User", retry_after=2500))
    assert (error.kind, error.retry_after) == (Kind.THROTTLED, 2.5)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The Specified forwardEntry is not exist", Kind.GONE),
        ("Some Forward entry status blocked this operation.", Kind.GONE_OR_BUSY),
        ("The forward entry is in not stable status.", Kind.GONE_OR_BUSY),
    ],
)
def test_a_refused_delete_may_say_that_the_row_is_gone(message: str, kind: Kind) -> None:
    assert from_sdk(Op.DELETE, refused("IncorretForwardEntryStatus", message)).kind is kind


@pytest.mark.parametrize(
    ("operation", "code", "status", "retry_after", "kind"),
    [
        (Op.CREATE, "Brand.New", 400, None, Kind.UNCLASSIFIED),
        (Op.CREATE, "Brand.New", 404, None, Kind.UNCLASSIFIED),
        (Op.CREATE, "Brand.New", 400, 100, Kind.RETRY),
        (Op.CREATE, "Brand.New", 500, None, Kind.UNKNOWN),
        (Op.CREATE, "Brand.New", 503, None, Kind.UNKNOWN),
        (Op.READ_TABLE, "Brand.New", 503, None, Kind.RETRY),
        (Op.READ_TABLE, "Brand.New", 400, None, Kind.UNCLASSIFIED),
        (Op.CREATE, None, 403, None, Kind.UNKNOWN),
        (Op.READ_TABLE, None, 404, None, Kind.UNKNOWN),
    ],
)
def test_codes_in_no_table(
    operation: Op, code: str | None, status: int, retry_after: int | None, kind: Kind
) -> None:
    error = from_sdk(operation, refused(code, status=status, retry_after=retry_after))
    assert error.kind is kind
    assert error.code == (code or "")


@pytest.mark.parametrize("operation", [Op.CREATE, Op.READ_TABLE])
@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (requests.ConnectionError(f"cannot reach {URL}"), "no answer: ConnectionError"),
        (requests.ReadTimeout(f"{URL} took too long"), "no answer: ReadTimeout"),
        (ConnectionResetError(104, "Connection reset by peer"), "no answer: Connection reset"),
    ],
)
def test_no_answer_leaves_the_outcome_unknown(operation: Op, cause: Exception, told: str) -> None:
    error = from_sdk(operation, lost(cause))
    assert error.kind is Kind.UNKNOWN
    assert error.message.startswith(told)
    assert error.code == ""


def test_an_answer_that_is_not_json_leaves_the_outcome_unknown() -> None:
    error = from_sdk(Op.CREATE, wrapped(RuntimeError(f"Failed to parse the value at {URL}")))
    assert (error.kind, error.message) == (Kind.UNKNOWN, "unreadable answer: not JSON")


def test_failing_credentials_are_told_as_such() -> None:
    error = from_sdk(Op.CREATE, wrapped(CredentialError("STS did not answer")))
    assert (error.kind, str(error)) == (Kind.AUTH, "CreateForwardEntry: STS did not answer")


@pytest.mark.parametrize(
    "exc",
    [
        lost(requests.ConnectionError(f"cannot reach {URL}")),
        refused("Brand.New", f"see {URL} for more"),
        refused(
            "SignatureDoesNotMatch",
            "Specified signature is not matched. server string to sign is:[POST\n/\n"
            "x-acs-security-token:CAIS-172.16.0.9-secret\nhost]",
        ),
        refused(
            "SignatureDoesNotMatch",
            "No match, server canonical request is [x-acs-security-token:CAIS-172.16.0.9]",
        ),
        refused("Brand.New", "token " + "CAIS" * 40 + "172.16.0.9"),
    ],
)
def test_nothing_that_was_sent_is_repeated(exc: Exception) -> None:
    error = from_sdk(Op.CREATE, exc)
    for text in (str(error), repr(error), error.message):
        assert "172.16.0.9" not in text
        assert "CAIS" not in text


def test_long_messages_are_cut() -> None:
    assert len(from_sdk(Op.CREATE, refused("Brand.New", "word " * 1000)).message) <= 303

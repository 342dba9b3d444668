"""What an API server's refusals are taken for."""

from __future__ import annotations

import orjson
import pytest

from dnatctl.kube.errors import Failure, KubeError, error_from_answer
from tests.support.kubejson import Json, status

CASES = [
    (404, "NotFound", Failure.NOT_FOUND),
    (409, "Conflict", Failure.CONFLICT),
    (409, "AlreadyExists", Failure.ALREADY_EXISTS),
    (410, "Expired", Failure.EXPIRED),
    (410, "Gone", Failure.EXPIRED),
    (401, "Unauthorized", Failure.UNAUTHORIZED),
    (403, "Forbidden", Failure.FORBIDDEN),
    (422, "Invalid", Failure.INVALID),
    (400, "BadRequest", Failure.INVALID),
    (429, "TooManyRequests", Failure.TOO_MANY_REQUESTS),
    (500, "InternalError", Failure.SERVER),
    (503, "ServiceUnavailable", Failure.SERVER),
    (504, "Timeout", Failure.SERVER),
    (418, "SomethingNew", Failure.INVALID),
    (599, "SomethingNew", Failure.SERVER),
]


@pytest.mark.parametrize(("code", "reason", "failure"), CASES)
def test_the_reason_decides(code: int, reason: str, failure: Failure) -> None:
    error = error_from_answer(code, orjson.dumps(status(code, reason, "why")), None)
    assert (error.failure, error.status, error.reason) == (failure, code, reason)
    assert error.message == "why"
    assert str(code) in str(error)


@pytest.mark.parametrize(
    "body",
    [b"404 page not found\n", b"", b"{}", orjson.dumps(status(404, "", "no such path"))],
)
def test_a_404_without_a_reason_says_nothing_of_the_object(body: bytes) -> None:
    """A proxy's, or that of an API server which does not know the path, or not yet."""
    error = error_from_answer(404, body, None)
    assert error.failure is Failure.UNSERVED
    assert not error.says_gone("web-0")


def test_gone_is_what_the_server_says_is_gone() -> None:
    def said_of(**details: str) -> KubeError:
        body = status(404, "NotFound", "no") | {"details": details}
        return error_from_answer(404, orjson.dumps(body), None)

    assert said_of().says_gone("web-0")
    assert said_of(name="web-0", kind="pods").says_gone("web-0")
    assert not said_of(name="cluster-1", kind="clusters").says_gone("web-0")


@pytest.mark.parametrize(
    "body",
    [
        status(504, "Timeout", causes=[{"reason": "ResourceVersionTooLarge"}]),
        status(504, "Timeout", "Timeout: Too large resource version: 9, current: 5"),
    ],
    ids=["by-cause", "by-message"],
)
def test_a_version_ahead_of_the_server(body: Json) -> None:
    assert error_from_answer(504, orjson.dumps(body), None).failure is Failure.AHEAD


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (500, 'Internal error occurred: failed calling webhook "a.b": Post "https://x": EOF'),
        (500, 'Internal error occurred: failed calling admission webhook "a.b": timeout'),
        (500, 'admission webhook "a.b" denied the request: no'),
        (404, 'admission webhook "a.b" denied the request: no'),
        (409, 'admission webhook "a.b" denied the request without explanation'),
    ],
)
def test_a_webhook_is_asked_before_anything_is_stored(code: int, text: str) -> None:
    """Whatever code it answers with itself."""
    error = error_from_answer(code, orjson.dumps(status(code, "InternalError", text)), None)
    assert (error.failure, error.unsure) == (Failure.ADMISSION, False)


def test_other_words_about_webhooks_say_nothing() -> None:
    text = 'Internal error occurred: storing "failed calling webhook"'
    error = error_from_answer(500, orjson.dumps(status(500, "InternalError", text)), None)
    assert (error.failure, error.unsure) == (Failure.SERVER, True)


def test_other_timeouts_are_the_servers() -> None:
    body = status(504, "Timeout", causes=["odd", {"reason": "Other"}])
    assert error_from_answer(504, orjson.dumps(body), None).failure is Failure.SERVER


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[]", b'"x"', b'{"code":"x"}'])
def test_an_answer_that_is_no_status_goes_by_its_code(body: bytes) -> None:
    error = error_from_answer(429, body, "3")
    assert (error.failure, error.retry_after) == (Failure.TOO_MANY_REQUESTS, 3.0)


def test_a_whole_web_page_is_not_repeated() -> None:
    assert len(error_from_answer(502, b"x" * 100_000, None).message) < 1000


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("5", {}, 5.0),
        ("5", {"retryAfterSeconds": 9}, 5.0),
        (None, {"retryAfterSeconds": 9}, 9.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {}, None),
        (None, {"retryAfterSeconds": 0}, None),
        ("3600", {}, 10.0),
        (None, {"retryAfterSeconds": 3600}, 10.0),
    ],
)
def test_when_to_come_back(header: str | None, details: Json, seconds: float | None) -> None:
    body = orjson.dumps(status(429, "TooManyRequests", **details))
    assert error_from_answer(429, body, header).retry_after == seconds


@pytest.mark.parametrize(
    ("code", "unsure"), [(404, False), (409, False), (429, False), (500, True), (503, True)]
)
def test_whether_a_write_may_have_been_done(code: int, unsure: bool) -> None:
    assert error_from_answer(code, b"", None).unsure is unsure

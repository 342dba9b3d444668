"""How the SDK's clients send: their calls are built, signed and read as they do it, but go out by
`Web`.

What the SDK sends with (darabonba-core 1.0.9) has no bound on an answer's time or size, follows
redirects with the session token on board, and pays no heed to NO_PROXY. It takes no transport from
outside; but every operation of a client ends in its method `call_api`, and `Calling` stands in for
that one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from alibabacloud_tea_openapi.utils import Utils
from darabonba.core import DaraCore
from darabonba.request import DaraRequest
from Tea.exceptions import TeaException
from urllib3.exceptions import DecodeError

from dnatctl.clock import parse_http_date
from dnatctl.cloud.web import Answer, Web

BAD_TIME: Final = "InvalidTimeStamp"
"""Begins the codes of calls whose date is too far from the cloud's time (15 minutes)."""

_ALGORITHM: Final = "ACS3-HMAC-SHA256"

_YES: Final = frozenset({"", "200", "ok", "success"})
"""Codes that are none of errors."""


@dataclass(slots=True)
class Turn:
    """One call: what `call_api` is given as its runtime options.

    `leave` is called right before the call is sent; what it raises is raised by the call, which is
    not sent then. `secrets`: what it was signed with, filled in by `Calling`.
    """

    leave: Callable[[], None]
    secrets: tuple[str, ...] = ()


class Calling:
    """`call_api` of a client of the SDK, for RPC operations whose parameters are in the query.

    `credential` is anything with the `get_credential` of alibabacloud_credentials.
    """

    def __init__(
        self, web: Web, credential: Any, endpoint: str, protocol: str, user_agent: str
    ) -> None:
        self._web = web
        self._credential = credential
        self._endpoint = endpoint
        self._protocol = protocol
        self._user_agent = Utils.get_user_agent(user_agent)
        self._ahead = timedelta()
        """How far the cloud's clock is ahead of this machine's, where it refused a date."""

    def __call__(self, params: Any, request: Any, turn: Turn) -> dict[str, Any]:
        """The answer as the SDK's models read it.

        Raises the SDK's exceptions for a refusal, urllib3's HTTPError for no answer or one that is
        not JSON, and what the credential raises.
        """
        signed = self._signed(params, request, turn)
        url = DaraCore.compose_url(signed)
        answer = self._web.send(signed.method, url, signed.headers, leave=turn.leave)
        try:
            return _read(answer)
        except TeaException as refusal:
            if str((refusal.data or {}).get("Code")).startswith(BAD_TIME):
                self._put_right(answer)
            raise

    def _put_right(self, answer: Answer) -> None:
        """Date calls as the cloud dates its refusal of the date of one."""
        if (theirs := parse_http_date(answer.headers.get("Date", ""))) is not None:
            self._ahead = theirs - datetime.now(UTC)

    def _signed(self, params: Any, request: Any, turn: Turn) -> Any:
        keys = self._credential.get_credential()
        turn.secrets = (
            keys.access_key_secret, keys.security_token or "", keys.access_key_id,
        )  # fmt: skip
        payload = Utils.hash(b"", _ALGORITHM).hex()
        made = DaraRequest()
        made.protocol, made.method, made.pathname = self._protocol, params.method, params.pathname
        made.query = dict(request.query)
        made.headers = {
            "host": self._endpoint,
            "x-acs-version": params.version,
            "x-acs-action": params.action,
            "user-agent": self._user_agent,
            "x-acs-date": f"{datetime.now(UTC) + self._ahead:%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": Utils.get_nonce(),
            "accept": "application/json",
            "x-acs-content-sha256": payload,
        }
        if keys.security_token:
            made.headers["x-acs-accesskey-id"] = keys.access_key_id
            made.headers["x-acs-security-token"] = keys.security_token
        made.headers["Authorization"] = Utils.get_authorization(
            made, _ALGORITHM, payload, keys.access_key_id, keys.access_key_secret
        )
        return made


def _read(answer: Answer) -> dict[str, Any]:
    if 300 <= answer.status < 400:
        raise ClientException(
            status_code=answer.status,
            data={"Message": f"answered {answer.status}, and redirects are not followed"},
        )
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise DecodeError(f"not JSON, with HTTP status {answer.status}") from None
    if answer.status < 400 and not _says_no(body):
        return {"body": body, "headers": dict(answer.headers), "statusCode": answer.status}
    raise _refusal(answer, body if isinstance(body, dict) else {})


def _says_no(body: Any) -> bool:
    """Whether the answer is an error by its content: a proxy, or the vendor itself, may have put
    another HTTP status on it, and only the code counts."""
    code = body.get("Code") if isinstance(body, dict) else None
    return isinstance(code, str) and code.lower() not in _YES


def _refusal(answer: Answer, body: dict[str, Any]) -> Exception:
    pause = Utils.get_throttling_time_left(answer.headers)
    if pause is not None:
        return _made(ThrottlingException, answer, body, retry_after=pause)
    return _made(ClientException if answer.status < 500 else ServerException, answer, body)


def _made(kind: Any, answer: Answer, body: dict[str, Any], **more: Any) -> Exception:
    error: Exception = kind(status_code=answer.status, data=body, **more)
    return error

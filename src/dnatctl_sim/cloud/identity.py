"""Where clients get keys from: STS, the instance metadata service, a credentials URI.

Paths and fields are those that the vendor's credentials library asks for and reads.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import orjson

from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import Knobs
from dnatctl_sim.cloud.params import Params
from dnatctl_sim.cloud.wire import Reply, Request
from dnatctl_sim.cloud.world import AccessKey, World

METADATA_TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/ram/security-credentials/"
CREDENTIALS_PATH = "/credentials"
_TOKEN_HEADER = "x-aliyun-ecs-metadata-token"


class Issuer:
    """Issues keys that expire. Not thread-safe: the cloud's lock guards it."""

    def __init__(self, world: World, role: str, oidc_provider: str, oidc_token: str) -> None:
        self._world = world
        self._role = role
        self._provider = oidc_provider
        self._token = oidc_token
        self._metadata_tokens: dict[str, float] = {}

    def assume_role_with_oidc(
        self, params: Params, now: datetime, knobs: Knobs
    ) -> dict[str, object]:
        """sts:AssumeRoleWithOIDC, an unsigned call; raises ApiError."""
        if params.required("RoleArn") != self.role_arn:
            raise refusal("EntityNotExist.Role", "The specified Role not exists.", status=404)
        if params.required("OIDCProviderArn") != self._provider:
            raise refusal("AuthenticationFail.NoPermission", status=403)
        if params.required("OIDCToken") != self._token:
            raise refusal("AuthenticationFail.OIDCToken.Invalid", "The OIDCToken is not valid.")
        session = params.required("RoleSessionName")
        asked = params.number("DurationSeconds", 3600, low=900, high=43200)
        key = self._issue(now, min(asked, knobs.sts_lifetime))
        return {
            "Credentials": _describe(key),
            "AssumedRoleUser": {"Arn": f"{self.role_arn}/{session}"},
        }

    @property
    def role_arn(self) -> str:
        """ARN of the role that may be assumed."""
        return f"acs:ram::{self._world.account}:role/{self._role}"

    def answer(self, request: Request, now: datetime, knobs: Knobs) -> Reply | None:
        """The answer to a request for one of this module's paths, None for others."""
        if request.path == CREDENTIALS_PATH:
            return _json(200, {"Code": "Success"} | self._fresh(now, knobs))
        if request.path == METADATA_TOKEN_PATH:
            return self._metadata_token(request, now)
        if request.path.startswith(ROLES_PATH):
            return self._metadata(request, now, knobs)
        return None

    def _metadata_token(self, request: Request, now: datetime) -> Reply:
        ttl = request.headers.get(f"{_TOKEN_HEADER}-ttl-seconds", "")
        if request.method != "PUT" or not ttl.isdecimal() or not 1 <= int(ttl) <= 21600:
            return _text(400, "")
        token = secrets.token_urlsafe(32)
        self._metadata_tokens[token] = now.timestamp() + int(ttl)
        return _text(200, token)

    def _metadata(self, request: Request, now: datetime, knobs: Knobs) -> Reply:
        token = request.headers.get(_TOKEN_HEADER)
        expires = self._metadata_tokens.get(token or "", 0.0)
        if expires <= now.timestamp() and (token is not None or not knobs.imds_v1):
            return _text(403, "")
        role = request.path.removeprefix(ROLES_PATH)
        if not role:
            return _text(200, self._role)
        if role != self._role:
            return _text(404, "")
        return _json(200, {"Code": "Success"} | self._fresh(now, knobs))

    def _fresh(self, now: datetime, knobs: Knobs) -> dict[str, object]:
        return _describe(self._issue(now, knobs.sts_lifetime))

    def _issue(self, now: datetime, lifetime: float) -> AccessKey:
        key = AccessKey(
            key_id=f"STS.{secrets.token_hex(8)}",
            secret=secrets.token_hex(16),
            account=self._world.account,
            token=secrets.token_urlsafe(48),
            expires=(now + timedelta(seconds=lifetime)).timestamp(),
        )
        self._world.keys[key.key_id] = key
        return key


def _describe(key: AccessKey) -> dict[str, object]:
    return {
        "AccessKeyId": key.key_id,
        "AccessKeySecret": key.secret,
        "SecurityToken": key.token,
        "Expiration": datetime.fromtimestamp(key.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _json(status: int, body: dict[str, object]) -> Reply:
    return Reply(status, orjson.dumps(body))


def _text(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), "text/plain")

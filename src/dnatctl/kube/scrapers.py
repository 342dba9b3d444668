"""Who may scrape: whoever the API server says may, by the token that comes with the request.

Asked as controller-runtime's filter does: a TokenReview says whose the token is, a
SubjectAccessReview whether that one may `get` the path.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from dnatctl.budget import UNUSED, Budget
from dnatctl.clock import Clock
from dnatctl.kube import answers, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import KubeError

log = structlog.get_logger(__name__)

PATH: Final = "/metrics"
"""What has to be granted, as a nonResourceURL."""

BELIEVED_S = 60.0
"""How long an answer is good."""
ENDURED_S = 600.0
"""So long after it was let in a token stays good where nobody can say: metrics are looked at most
while an API server is down."""
MOST = 64
"""Tokens remembered."""
QUESTIONS = Budget(at_once=5, a_second=5.0)
"""Unknown tokens asked about: whoever makes them up costs the API server no more."""
OF_ONE = Budget(at_once=4, a_second=0.5)
"""Of them, those from one address: whoever makes them up keeps nobody else out."""
ASKING_S = 2.0
"""Longest wait for an answer."""


class _Judged(Struct, frozen=True):
    """`asked`: when."""

    status: HTTPStatus
    asked: float


class Scrapers:
    """The answers so far. For one thread. Tokens are kept as their hashes."""

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._held: dict[bytes, _Judged] = {}
        self._paid_off = UNUSED
        self._peers: dict[str, float] = {}

    def admit(self, authorization: str, peer: str) -> HTTPStatus:
        """OK for a header `Bearer TOKEN` of somebody who may scrape; else how to refuse it.

        `peer`: the address that it comes from.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return HTTPStatus.UNAUTHORIZED
        name, now = hashlib.sha256(token.encode()).digest(), self._clock.monotonic()
        held = self._held.get(name)
        if held is not None and now - held.asked < BELIEVED_S:
            return held.status
        if (held is None or held.status is not HTTPStatus.OK) and not self._may_ask(peer, now):
            return HTTPStatus.TOO_MANY_REQUESTS
        try:
            status = self._ask(token)
        except KubeError as error:
            log.warning("nobody says who may scrape", error=str(error))
            return _meanwhile(held, now)
        self._remember(name, _Judged(status, now))
        return status

    def _may_ask(self, peer: str, now: float) -> bool:
        owed = self._peers.get(peer, UNUSED)
        if QUESTIONS.due(self._paid_off, now) > now or OF_ONE.due(owed, now) > now:
            return False
        self._paid_off = QUESTIONS.used(self._paid_off, now)
        # No more than have asked since any of them had its whole budget again.
        self._peers = {each: at for each, at in self._peers.items() if at > now}
        self._peers[peer] = OF_ONE.used(owed, now)
        return True

    def _remember(self, name: bytes, verdict: _Judged) -> None:
        self._held.pop(name, None)
        if len(self._held) >= MOST:
            # Those who were refused first, and of them who was so longest ago.
            ok = HTTPStatus.OK
            worst = min(self._held, key=lambda n: (self._held[n].status is ok, self._held[n].asked))
            del self._held[worst]
        self._held[name] = verdict

    def _ask(self, token: str) -> HTTPStatus:
        review = self._review("authentication.k8s.io", "TokenReview", {"token": token})
        if not review.authenticated:
            return HTTPStatus.UNAUTHORIZED
        user = review.user
        asked = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups or [],
            "extra": user.extra or {},
            "nonResourceAttributes": {"path": PATH, "verb": "get"},
        }
        allowed = self._review("authorization.k8s.io", "SubjectAccessReview", asked).allowed
        return HTTPStatus.OK if allowed else HTTPStatus.FORBIDDEN

    def _review(self, group: str, kind: str, spec: Mapping[str, object]) -> _Outcome:
        path = paths.path("apis", group, "v1", f"{kind.lower()}s")
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        answer = self._client.request("POST", path, body=body, timeout=ASKING_S)
        return answers.read(_REVIEW, answer).status


def _meanwhile(held: _Judged | None, now: float) -> HTTPStatus:
    """What to answer while nobody says."""
    if held is None or held.status is not HTTPStatus.OK or now - held.asked >= ENDURED_S:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.OK


class _User(Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, Any] | None = None


class _Outcome(Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    allowed: bool = False


class _ReviewJson(Struct):
    status: _Outcome = msgspec.field(default_factory=_Outcome)


_REVIEW = msgspec.json.Decoder(_ReviewJson)

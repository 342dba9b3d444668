"""Who calls: the ACS3-HMAC-SHA256 signature, its date window, and nonces used once.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.knobs import Knobs
from dnatctl_sim.cloud.wire import Request
from dnatctl_sim.cloud.world import AccessKey

ALGORITHM = "ACS3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    ALGORITHM + r" Credential=([^,]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})"
)
_MUST_BE_SIGNED = frozenset(
    ("host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256",
     "x-acs-signature-nonce")
)  # fmt: skip


def sign(
    secret: str,
    request: Request,
    query: Mapping[str, str],
    signed: Iterable[str],
) -> str:
    """The signature, in hex, of a request whose decoded query parameters are `query`."""
    names = list(signed)
    canonical = "\n".join(
        (
            request.method,
            request.path,
            "&".join(f"{_quote(key)}={_quote(query[key])}" for key in sorted(query)),
            "".join(f"{name}:{request.headers.get(name, '')}\n" for name in names),
            ";".join(names),
            request.headers.get("x-acs-content-sha256", ""),
        )
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Gatekeeper:
    """Decides whose call it is. Not thread-safe: the cloud's lock guards it."""

    def __init__(self) -> None:
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def identify(
        self,
        request: Request,
        query: Mapping[str, str],
        keys: Mapping[str, AccessKey],
        now: datetime,
        knobs: Knobs,
    ) -> AccessKey:
        """The key that signed a request; raises ApiError for whatever is wrong with it."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if match is None:
            raise refusal("IncompleteSignature")
        key = keys.get(match[1])
        if key is None:
            raise refusal("InvalidAccessKeyId.NotFound")
        if knobs.verify_signature:
            self._verify(request, query, key, match[2].split(";"), match[3])
            self._check_date(request, now, knobs)
            self._check_nonce(request, key, now, knobs)
        _check_session(request, key, now)
        return key

    @staticmethod
    def _verify(
        request: Request, query: Mapping[str, str], key: AccessKey, signed: list[str], claim: str
    ) -> None:
        if not _MUST_BE_SIGNED.issubset(signed) or signed != sorted(signed):
            raise refusal("IncompleteSignature")
        unsigned = {name for name in request.headers if name.startswith("x-acs-")} - set(signed)
        if unsigned:
            raise refusal("IncompleteSignature", f"Not signed: {', '.join(sorted(unsigned))}.")
        body_hash = hashlib.sha256(request.body).hexdigest()
        if request.headers["x-acs-content-sha256"] != body_hash:
            raise refusal("SignatureDoesNotMatch", "The body differs from its signed hash.")
        if not hmac.compare_digest(sign(key.secret, request, query, signed), claim):
            raise refusal("SignatureDoesNotMatch")

    @staticmethod
    def _check_date(request: Request, now: datetime, knobs: Knobs) -> None:
        try:
            date = datetime.fromisoformat(request.headers["x-acs-date"])
            off = abs((now - date).total_seconds())
        except (ValueError, TypeError):
            raise refusal("InvalidTimeStamp.Format") from None
        if off > knobs.clock_skew:
            raise refusal("InvalidTimeStamp.Expired")

    def _check_nonce(self, request: Request, key: AccessKey, now: datetime, knobs: Knobs) -> None:
        # A nonce matters as long as a copy of its request could pass the date check.
        seconds = now.timestamp()
        while self._nonces and next(iter(self._nonces.values())) < seconds:
            self._nonces.popitem(last=False)
        nonce = (key.key_id, request.headers["x-acs-signature-nonce"])
        if nonce in self._nonces:
            raise refusal("SignatureNonceUsed")
        self._nonces[nonce] = seconds + 2 * knobs.clock_skew


def _check_session(request: Request, key: AccessKey, now: datetime) -> None:
    token = request.headers.get("x-acs-security-token", "")
    if not key.token:
        if token:
            raise refusal("InvalidSecurityToken.Malformed")
        return
    if not token:
        raise refusal("MissingSecurityToken")
    if token != key.token:
        raise refusal("InvalidSecurityToken.MismatchWithAccessKey")
    if now.timestamp() >= key.expires:
        raise refusal("InvalidSecurityToken.Expired")


def _quote(text: str) -> str:
    return quote(text, safe="~")

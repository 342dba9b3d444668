"""ClientTokens: a repeated call gets the first one's answer instead of a second effect.

The rules are those of the vendor's page on idempotence:
https://help.aliyun.com/knowledge_detail/36569.html
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from dnatctl_sim.cloud.errors import ApiError, refusal
from dnatctl_sim.cloud.knobs import Knobs

LONGEST = 64
Body = dict[str, object]


@dataclass(slots=True)
class _Use:
    """What a token was used for. `outcome` None: still under way."""

    request: object
    expires: float
    outcome: Body | ApiError | None = None


class Tokens:
    """The tokens of the account. Not thread-safe: the cloud's lock guards it."""

    def __init__(self) -> None:
        self._uses: OrderedDict[tuple[str, str], _Use] = OrderedDict()

    def claim(
        self, account: str, token: str, request: object, now: float, knobs: Knobs
    ) -> Body | None:
        """The answer to repeat, or None if the call is the first with its token.

        `request` is equal for calls that ask the same. Raises ApiError: a malformed token, one
        used for another request or by a call under way, or the refusal that the first call got.
        """
        if len(token) > LONGEST or not token.isascii():
            raise refusal("InvalidClientToken.Malformed")
        self._expire(now)
        use = self._uses.get((account, token))
        if use is None:
            self._uses[account, token] = _Use(request, now + knobs.token_ttl)
            return None
        if use.request != request:
            raise refusal("IdempotentParameterMismatch", status=knobs.mismatch_status)
        if use.outcome is None:
            raise refusal("LastTokenProcessing")
        if isinstance(use.outcome, ApiError):
            raise use.outcome
        return use.outcome

    def succeeded(self, account: str, token: str, body: Body) -> None:
        """Remember the answer to a claimed token."""
        self._uses[account, token].outcome = body

    def refused(self, account: str, token: str, error: ApiError, knobs: Knobs) -> None:
        """Remember a refusal that `knobs.sticky` says lasts; forget the token after others."""
        lasts = knobs.sticky == "all" or (knobs.sticky == "final" and not error.transient)
        if lasts and 400 <= error.status < 500:
            self._uses[account, token].outcome = error
        else:
            self.forget(account, token)

    def forget(self, account: str, token: str) -> None:
        """Let a claimed token be used again."""
        self._uses.pop((account, token), None)

    def _expire(self, now: float) -> None:
        # In order of age, as nearly all tokens get the same lifetime.
        while self._uses:
            key, use = self._uses.popitem(last=False)
            if use.expires > now or use.outcome is None:
                self._uses[key] = use
                self._uses.move_to_end(key, last=False)
                return

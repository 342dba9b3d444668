"""How many endpoints a namespace may have, and what is beyond that.

Counted is what its PodDNATs claim and what rests because of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dnatctl.model import Endpoint
from dnatctl.pool.claims import Claim, Claims
from dnatctl.pool.quarantine import Quarantine

Quota = Callable[[str], int | None]
"""How many endpoints a namespace may have, resting ones included; None: as many as it likes."""


class Quotas:
    """What each namespace may have and has. Times are seconds on the monotonic clock."""

    def __init__(self, quota: Quota, claims: Claims, quarantine: Quarantine) -> None:
        self._quota = quota
        self._claims = claims
        self._quarantine = quarantine

    def left(self, namespace: str, now: float) -> int | None:
        """How many more endpoints the namespace may take; None: as many as it likes."""
        limit, claimed, resting = self.use(namespace, now)
        return None if limit is None else limit - claimed - resting

    def use(self, namespace: str, now: float) -> tuple[int | None, int, int]:
        """What the namespace may have, what it claims, and what rests because of it."""
        resting = self._quarantine.count(namespace, now)
        return self._quota(namespace), self._claims.count(namespace), resting

    def beyond(
        self,
        namespace: str,
        new: Iterable[Endpoint],
        is_proven: Callable[[Endpoint], bool],
        now: float,
    ) -> frozenset[Endpoint]:
        """Of the endpoints that a PodDNAT claims anew, those that its namespace may not have."""
        left = self.left(namespace, now)
        if left is None:
            return frozenset()
        counted = self._claims.counted_for
        more = [e for e in new if counted(e) != namespace and not is_proven(e)]
        return frozenset(more[max(left, 0) :])

    def excess(
        self, namespaces: Iterable[str], is_proven: Callable[[Claim, Endpoint], bool]
    ) -> Iterator[tuple[Claim, frozenset[Endpoint]]]:
        """What these namespaces claim and may not have, where all claims count from the first.

        What is proven they keep; of the others the older claims stand.
        """

        def standing(claim: Claim) -> tuple[bool, str, str]:
            proven = any(is_proven(claim, endpoint) for endpoint in claim.endpoints())
            return not proven, claim.created, claim.uid

        left = {name: limit for name in namespaces if (limit := self._quota(name)) is not None}
        concerned = [claim for claim in self._claims.all() if claim.namespace in left]
        for claim in sorted(concerned, key=standing):
            limit = left[claim.namespace]
            keeps = [e for e in claim.endpoints() if is_proven(claim, e)]
            others = [e for e in claim.endpoints() if e not in keeps]
            beyond = frozenset(others[max(limit - len(keeps), 0) :])
            left[claim.namespace] = limit - len(claim.endpoints())  # below 0: as if 0
            if beyond:
                yield claim, beyond

"""What a namespace may have, and what of its claims is beyond that."""

from __future__ import annotations

from dnatctl.pool.claims import Claim, Claims
from dnatctl.pool.quarantine import Quarantine
from dnatctl.pool.quota import Quota, Quotas
from tests.unit.pool.made import QUARANTINE, endpoint, spec


class Namespaces:
    """Claims, what rests, and the quotas over both."""

    def __init__(self, quota: Quota) -> None:
        self.claims, self.quarantine = Claims(), Quarantine(QUARANTINE)
        self.quotas = Quotas(quota, self.claims, self.quarantine)

    def claim(self, uid: str, namespace: str, *ports: int) -> None:
        self.claims.put(Claim(uid, uid, spec(*ports), len(ports), namespace))

    def excess(self, namespace: str, *proven: str) -> dict[str, list[int]]:
        """Ports beyond the quota by claim; the claims of `proven` are."""
        found = self.quotas.excess([namespace], lambda claim, _: claim.uid in proven)
        return {claim.uid: sorted(e.port for e in beyond) for claim, beyond in found}


def three(_namespace: str) -> int:
    return 3


def test_without_a_quota_nothing_is_beyond_it() -> None:
    it = Namespaces(lambda _namespace: None)
    it.claim("a", "games", *range(600, 700))
    assert it.quotas.left("games", 0.0) is None
    assert it.quotas.beyond("games", [endpoint(1)], lambda _: False, 0.0) == frozenset()
    assert it.excess("games") == {}


def test_what_rests_counts_until_it_has_rested() -> None:
    it = Namespaces(three)
    it.claim("a", "games", 600)
    it.quarantine.begin(endpoint(601), 0.0, "games")
    it.quarantine.begin(endpoint(602), 0.0, "others")
    assert it.quotas.use("games", 1.0) == (3, 1, 1)
    assert it.quotas.left("games", 1.0) == 1
    assert it.quotas.left("others", 1.0) == 2
    assert it.quotas.left("games", QUARANTINE + 1) == 2


def test_of_what_is_new_the_first_have_room() -> None:
    it = Namespaces(three)
    it.claim("a", "games", 600)
    new = [endpoint(port) for port in (601, 602, 603, 604)]
    beyond = it.quotas.beyond("games", new, lambda _: False, 0.0)
    assert beyond == {endpoint(603), endpoint(604)}


def test_what_is_proven_or_counted_already_needs_no_room() -> None:
    it = Namespaces(three)
    it.claim("a", "games", 600, 601, 602)
    new = [endpoint(600), endpoint(700), endpoint(701)]
    assert it.quotas.beyond("games", new, endpoint(700).__eq__, 0.0) == {endpoint(701)}


def test_where_all_count_from_the_first_the_older_claims_stand() -> None:
    it = Namespaces(three)
    it.claim("b", "games", 602, 603)
    it.claim("a", "games", 600, 601)
    it.claim("z", "others", 700, 701)
    assert it.excess("games") == {"b": [603]}


def test_what_is_proven_stands_even_beyond_the_quota() -> None:
    it = Namespaces(three)
    it.claim("a", "games", 600, 601)
    it.claim("b", "games", 602, 603)
    it.claim("c", "games", 604, 605)
    assert it.excess("games", "b", "c") == {"a": [600, 601]}

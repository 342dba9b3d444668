"""A gateway that the cloud does not list may be there all the same."""

from __future__ import annotations

from collections.abc import Set

from dnatctl.control.gateway.absence import ALONE_BELIEVED_S, Absence
from dnatctl.model import Gateway


def there(gateway_id: str) -> Gateway:
    return Gateway(gateway_id, f"ftb-{gateway_id}", "zone", "vpc", ())


def gone(gateway_id: str) -> Gateway:
    return Gateway(gateway_id, "", "", "", (), problem="absent", absent=True)


def told(
    absence: Absence,
    now: float,
    *gateways: Gateway,
    absent: Set[str] = frozenset(),
    tables: Set[str] = frozenset(),
    others: Set[str] = frozenset(),
) -> set[str]:
    """Who is taken for gone after that answer. `tables`: of whom one can be read."""
    described = {each.gateway_id: each for each in gateways}
    believed = absence.believed(described, now, absent, lambda i: i not in tables)
    absence.note(described, now, others)
    return believed


def test_what_is_not_listed_twice_in_a_row_is_gone_while_others_are_listed() -> None:
    absence = Absence()
    assert told(absence, 0.0, gone("a"), there("b")) == set()
    assert absence.doubted(frozenset()) == {"a"}
    assert told(absence, 30.0, gone("a"), there("b")) == {"a"}
    assert absence.doubted({"a"}) == set()


def test_what_was_listed_in_between_is_there() -> None:
    absence = Absence()
    told(absence, 0.0, gone("a"), there("b"))
    told(absence, 30.0, there("a"), there("b"))
    assert told(absence, 60.0, gone("a"), there("b")) == set()


def test_what_has_a_table_that_can_be_read_is_there() -> None:
    absence = Absence()
    told(absence, 0.0, gone("a"), there("b"))
    assert told(absence, 30.0, gone("a"), there("b"), tables={"a"}) == set()


def test_where_none_is_listed_that_has_to_last() -> None:
    absence = Absence()
    for now in (0.0, 30.0, ALONE_BELIEVED_S - 1):
        assert told(absence, now, gone("a"), gone("b")) == set()
    assert told(absence, ALONE_BELIEVED_S, gone("a"), gone("b")) == {"a", "b"}


def test_who_was_taken_for_gone_stays_so_where_no_other_is_listed_any_more() -> None:
    absence = Absence()
    told(absence, 0.0, gone("a"), there("b"))
    told(absence, 30.0, gone("a"), there("b"))
    assert told(absence, 60.0, gone("a"), gone("b"), absent={"a"}) == {"a"}


def test_of_who_was_not_asked_for_what_was_known_stays_and_of_who_is_not_wanted_nothing() -> None:
    absence = Absence()
    told(absence, 0.0, gone("a"), gone("c"), there("b"))
    told(absence, 30.0, there("b"), others={"a"})
    assert absence.doubted(frozenset()) == {"a"}

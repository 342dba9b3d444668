"""Where pods may not be told: said once, tried again now and then."""

from __future__ import annotations

from dnatctl.control.people.untold import ASK_AGAIN_S, FORGOTTEN_S, Untold
from tests.support.clock import FakeClock


def test_a_refusal_holds_for_a_while_and_in_its_namespace_only() -> None:
    clock = FakeClock()
    untold = Untold(clock)
    assert untold.may_try("games")
    assert untold.refused("games", "no")
    assert not untold.may_try("games")
    assert untold.may_try("shop")
    clock.advance(ASK_AGAIN_S)
    assert untold.may_try("games")
    assert not untold.refused("games", "no"), "no news"
    assert not untold.may_try("games")


def test_health_names_what_was_answered_and_what_to_do_until_it_is_over() -> None:
    untold = Untold(FakeClock())
    assert untold.notes() == []
    for name in ("d", "b", "a", "c"):
        untold.refused(name, "cannot patch pods/status")
    (note,) = untold.notes()
    assert note.startswith("pods are not told how they stand, in a, b, c and 1 more: cannot patch")
    assert "publish.condition" in note
    for name in "abcd":
        untold.accepted(name)
    assert untold.notes() == []


def test_a_namespace_of_which_nothing_is_heard_for_long_is_forgotten() -> None:
    """Most likely it is gone: nobody is to be told for ever to give leave for it."""
    clock = FakeClock()
    untold = Untold(clock)
    for number in range(100):
        untold.refused(f"review-{number}", "no")
        clock.advance(FORGOTTEN_S / 10)
    assert len(untold._refused) <= 10
    clock.advance(FORGOTTEN_S)
    assert untold.notes() == []
    assert untold._refused == {}


def test_one_that_is_refused_again_and_again_is_no_news_however_long_that_lasts() -> None:
    clock = FakeClock()
    untold = Untold(clock)
    assert untold.refused("games", "no")
    for _ in range(20):
        clock.advance(FORGOTTEN_S / 10)
        assert not untold.refused("games", "no")
    assert untold.notes()

"""Which gateways are described when."""

from __future__ import annotations

from dnatctl.control.gateway.rounds import (
    DOUBTED_S,
    STRANGERS,
    STRANGERS_LOOKS,
    STRANGERS_S,
    TROUBLED_S,
    Rounds,
)

IDLE_S = 300.0
ALL = {"a", "b", "c"}


def described(rounds: Rounds, now: float, *, ill: str = "") -> set[str]:
    """What is described at that time."""
    due = rounds.due(ALL, now)
    rounds.described(((i, i in ill) for i in due), now)
    if due == ALL:
        rounds.round_done(now)
    return due


def test_all_are_described_at_first_and_again_at_leisure():
    rounds = Rounds(IDLE_S)
    assert described(rounds, 0.0) == ALL
    assert rounds.pause(1.0) == IDLE_S - 1.0
    assert described(rounds, IDLE_S - 1.0) == set()
    assert described(rounds, IDLE_S) == ALL


def test_one_in_trouble_is_looked_at_by_itself_ever_less_often():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0, ill="a")
    now, looks = 0.0, []
    while (now := now + rounds.pause(now)) < IDLE_S:
        assert described(rounds, now, ill="a") == {"a"}
        looks.append(now)
    gaps = [b - a for a, b in zip([0.0, *looks], looks, strict=False)]
    assert gaps[0] == TROUBLED_S[0]
    assert gaps == sorted(gaps)
    assert max(gaps) == TROUBLED_S[1]


def test_one_that_is_well_again_is_left_alone():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0, ill="a")
    assert described(rounds, TROUBLED_S[0]) == {"a"}
    assert rounds.pause(TROUBLED_S[0]) == IDLE_S - TROUBLED_S[0]


def test_one_in_doubt_is_looked_at_soon_and_the_others_are_not():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0)
    rounds.doubt("b")
    now = DOUBTED_S[0]
    assert described(rounds, now) == {"b"}


def test_doubts_without_end_do_not_ask_without_end():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0)
    looks = 0
    for tenth in range(1, int(IDLE_S * 10)):
        rounds.doubt("b")
        looks += bool(described(rounds, tenth / 10))
    assert looks < 20


def test_what_could_not_be_asked_stays_due():
    rounds = Rounds(IDLE_S)
    rounds.failed(0.0)
    assert rounds.pause(0.0) == TROUBLED_S[0]
    rounds.failed(5.0)
    assert rounds.pause(5.0) == 2 * TROUBLED_S[0]
    assert described(rounds, 15.0) == ALL


def test_a_gateway_that_is_new_is_described_at_once_and_one_not_wanted_any_more_is_forgotten():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0)
    assert rounds.due({*ALL, "d"}, 1.0) == {"d"}
    rounds.doubt("gone")
    assert rounds.due(ALL, 1.0) == set()
    assert rounds.pause(1.0) == IDLE_S - 1.0


def test_gateways_that_only_poddnats_name_have_their_turn_with_the_others():
    """However many somebody invents: a few a round, each once before any twice, none sooner."""
    idle_s = 30.0
    rounds, strangers = Rounds(idle_s), {f"ngw-x{n:03}" for n in range(3 * STRANGERS)}
    looked: list[str] = []
    now = 0.0
    for turn in range(3 * STRANGERS_LOOKS):
        asked = rounds.due({"ngw-1"}, now, strangers)
        assert "ngw-1" in asked
        assert len(asked) == 1 + STRANGERS
        looked += asked - {"ngw-1"}
        assert len(set(looked)) == min(turn + 1, 3) * STRANGERS
        rounds.described(((one, one != "ngw-1") for one in asked), now)
        rounds.round_done(now)
        for stranger in strangers:
            rounds.doubt(stranger)
        assert rounds.due({"ngw-1"}, now + idle_s / 2, strangers) == set()
        now += idle_s
    assert rounds.due({"ngw-1"}, now, strangers) == {"ngw-1"}, "they were looked at often enough"
    rounds.round_done(now)
    again = rounds.due({"ngw-1"}, now + STRANGERS_S, strangers)
    assert len(again) == 1 + STRANGERS


def test_a_doubt_that_comes_while_it_is_asked_about_is_not_settled_by_the_answer():
    """The answer may be from before: it is looked at again, ever less often if that goes on."""
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0)
    now, looks = 0.0, []
    for _ in range(4):
        rounds.doubt("b")
        now += rounds.pause(now)
        assert rounds.due(ALL, now) == {"b"}
        rounds.doubt("b")
        rounds.described([("b", False)], now)
        looks.append(rounds.pause(now))
    assert looks == sorted(looks)
    assert DOUBTED_S[0] <= looks[0] <= looks[-1] <= DOUBTED_S[1]


def test_so_it_is_where_its_trouble_is_over():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0, ill="a")
    assert rounds.due(ALL, TROUBLED_S[0]) == {"a"}
    rounds.doubt("a")
    rounds.described([("a", False)], TROUBLED_S[0])
    assert rounds.pause(TROUBLED_S[0]) == DOUBTED_S[0]


def test_all_are_asked_about_again_where_all_were_doubted_meanwhile():
    """The file was changed while gateways were being described: what it adds is not put off."""
    rounds = Rounds(IDLE_S)
    asked = rounds.due(ALL, 0.0)
    rounds.doubt_all()
    rounds.described(((i, False) for i in asked), 0.0)
    rounds.round_done(0.0)
    assert described(rounds, 0.5) == ALL
    assert described(rounds, 1.0) == set()


def test_doubts_do_not_hasten_it_while_the_cloud_cannot_be_asked():
    rounds = Rounds(IDLE_S)
    described(rounds, 0.0)
    rounds.doubt_all()
    rounds.failed(1.0)
    rounds.doubt("a")
    assert rounds.due(ALL, 1.5) == set()
    assert rounds.pause(1.5) == TROUBLED_S[0] - 0.5
    assert rounds.due(ALL, 1.0 + TROUBLED_S[0]) == ALL

"""Marks: whose a row is, read from its name; and names and tokens that the cloud accepts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.table.marks import NAME_LIMIT, TOKEN_LIMIT, Marks

UID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
MARKS = Marks("c11ba338192")
LONGEST = Marks("c" * 64)
TAGGED, TWIN = Marks("c11ba338192", "0123abcd"), Marks("c11ba338192", "fedc9876")
ENTRY = NewEntry(
    "1.1.1.1", PortRange(600, 600), "10.0.0.1", PortRange(80, 80), Protocol.TCP, MARKS.name(UID)
)


def test_a_name_says_whose_the_row_is_and_for_which_pod():
    assert MARKS.name(UID) == f"dnatctl_c11ba338192_{UID}"
    assert MARKS.name(UID, "games/lobby-0") == f"dnatctl_c11ba338192_{UID}_games-lobby-0"
    assert TAGGED.name(UID, "games/lobby.0").endswith(f"_{TAGGED.tag}_games_lobby_0")


@given(label=st.text(max_size=300), marks=st.sampled_from([MARKS, LONGEST, TAGGED]))
def test_every_name_is_one_the_cloud_takes_and_leads_back_to_its_owner(label, marks):
    name = marks.name(UID, label)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{1,127}", name)
    assert len(name) <= NAME_LIMIT
    assert marks.owner(name) == UID


@pytest.mark.parametrize(
    "name",
    [
        "",
        "dnatctl",
        "dnatctl_c11ba338192",
        "dnatctl_c11ba338192_",
        "made-by-hand",
        f"dnatctl_c99_{UID}",
        f"dnatctl_c11ba338192x_{UID}",
        f"dnatctl_c11ba33819_{UID}",
        f"dnatctl_C11BA338192_{UID}",
        f"Dnatctl_c11ba338192_{UID}",
        f"terraform_dnatctl_c11ba338192_{UID}",
        f" dnatctl_c11ba338192_{UID}",
        f"dnatctl-c11ba338192-{UID}",
        f"dnatctl_c11ba338192_{UID}x",
        f"dnatctl_c11ba338192_{UID}-lobby",
        f"dnatctl_c11ba338192_{UID[:-1]}",
        f"dnatctl_c11ba338192_{UID.upper()}",
        f"dnatctl_c11ba338192_{UID}\n",
        "dnatctl_c11ba338192_games-lobby-0",
        f"dnatctl_c11ba338192__{UID}",
    ],
)
def test_look_alikes_are_foreign(name):
    assert MARKS.owner(name) == ""


def test_a_cluster_whose_id_begins_with_anothers_owns_none_of_its_rows():
    short, long = Marks("prod"), Marks("prod-2")
    assert short.owner(long.name(UID)) == ""
    assert long.owner(short.name(UID)) == ""


@given(label=st.text(max_size=300))
def test_a_cluster_with_the_same_id_owns_none_of_the_rows(label):
    name = TAGGED.name(UID, label)
    assert TWIN.owner(name) == ""
    assert TWIN.stranger(name) == TAGGED.tag
    assert not TWIN.proves(name)
    assert MARKS.owner(name) == ""
    assert TAGGED.owner(name) == UID
    assert TAGGED.proves(name)
    assert TAGGED.stranger(name) == ""


@given(label=st.text(max_size=300))
def test_what_a_cluster_made_under_a_former_id_is_its_own(label):
    name = TAGGED.name(UID, label)
    renamed = Marks("another", TAGGED.tag, (TAGGED.cluster_id,))
    assert renamed.owner(name) == UID
    assert renamed.proves(name)
    assert renamed.stranger(name) == ""
    for other in (
        Marks("another", TAGGED.tag),
        Marks("another", TWIN.tag, (TAGGED.cluster_id,)),
        Marks("another", "", (TAGGED.cluster_id,)),
    ):
        assert other.owner(name) == ""
        assert other.stranger(name) == ""


def test_what_bears_a_former_id_and_no_tag_may_be_anybodys():
    """Another cluster may have that ID by now."""
    renamed = Marks("another", TAGGED.tag, (TAGGED.cluster_id,))
    assert renamed.owner(Marks(TAGGED.cluster_id).name(UID, "games-lobby-0")) == ""


@pytest.mark.parametrize("label", ["", "games/lobby-0", "0123abcd/x", "fedc9876/x"])
def test_rows_of_before_the_tag_are_ours_but_that_is_not_proven(label):
    """A namespace and name that look like a tag are none."""
    name = MARKS.name(UID, label)
    for marks in (TAGGED, TWIN, MARKS):
        assert marks.owner(name) == UID
        assert not marks.proves(name)
        assert marks.stranger(name) == ""


def test_the_tag_is_there_however_long_the_id_is():
    long = Marks("c" * 64, TAGGED.tag)
    name = long.name(UID, "a-namespace-and-a-name-that-do-not-fit-any-more")
    assert len(name) <= NAME_LIMIT
    assert long.proves(name)


def test_a_token_is_the_same_after_a_crash():
    assert MARKS.token("", UID, "1/", ENTRY, 0) == Marks("c11ba338192").token(
        "", UID, "1/", ENTRY, 0
    )


def test_tokens_differ_wherever_the_intent_does():
    intents = [
        ("", UID, "1/", ENTRY, 0),
        ("", UID, "1/", ENTRY, 1),
        ("", UID, "2/", ENTRY, 0),
        ("fwd-1", UID, "1/", ENTRY, 0),
        ("delete", "fwd-1", 0),
        ("delete", "fwd-1", 1),
        ("delete", "fwd-11", 0),
        ("deletefwd-1", "", 0),
    ]
    tokens = {MARKS.token(*intent) for intent in intents}
    tokens.add(Marks("c99").token(*intents[0]))
    assert len(tokens) == len(intents) + 1
    for token in tokens:
        assert re.fullmatch(r"[\x21-\x7e]+", token)
        assert len(token) <= TOKEN_LIMIT


def test_for_whom_a_row_was_made_is_told_where_the_whole_name_is_there():
    label = "games/lobby-0"
    name = TAGGED.name(UID, label)
    assert TAGGED.made_for(name, label)
    assert not TAGGED.made_for(name, "games/lobby")
    assert not TAGGED.made_for(name, "games-lobby/0"), "another namespace's"
    assert not TAGGED.made_for(name, "games/lobby.0")
    assert not TAGGED.made_for(TWIN.name(UID, label), label)
    assert not MARKS.made_for(MARKS.name(UID, label), label), "perhaps another cluster's"
    assert not TAGGED.made_for("made-by-hand", label)
    cut = "x" * NAME_LIMIT
    assert not TAGGED.made_for(TAGGED.name(UID, cut), cut)


def test_for_whom_a_row_was_made_is_told_under_a_former_id_as_well():
    label = "games/lobby-0"
    renamed = Marks("another", TAGGED.tag, ("one-more", TAGGED.cluster_id))
    for made_under in (renamed, Marks("one-more", TAGGED.tag), TAGGED):
        assert renamed.made_for(made_under.name(UID, label), label)
        assert not renamed.made_for(made_under.name(UID, label), "games-lobby/0"), "another's"
    for other in (TWIN, Marks(TAGGED.cluster_id), Marks("never-here", TAGGED.tag)):
        assert not renamed.made_for(other.name(UID, label), label)

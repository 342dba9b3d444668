"""Quarantines travel from one leader to the next, as text that somebody may have meddled with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.control.handover import MOST, decode, encode
from dnatctl.model import Endpoint, Protocol

NOW = datetime(2026, 1, 1, 12, 0, 0, 400_000, tzinfo=UTC)
WEB = Endpoint("1.1.1.1", 600, Protocol.TCP)
GAME = Endpoint("1.1.1.1", 600, Protocol.UDP)

endpoints = st.builds(
    Endpoint,
    st.sampled_from(["1.1.1.1", "47.96.1.2"]),
    st.integers(1, 65535),
    st.sampled_from(Protocol),
)
quarantines = st.dictionaries(endpoints, st.floats(0.01, 86400.0), max_size=20)


@given(quarantines)
def test_what_is_left_is_read_by_the_next_and_never_less_of_it(remaining):
    read = decode(encode(remaining, NOW), NOW)
    assert read.keys() == remaining.keys()
    for endpoint, seconds in remaining.items():
        assert seconds - 1e-4 <= read[endpoint] <= seconds + 1.0001


def test_time_goes_on_between_the_leaders():
    text = encode({WEB: 60.0, GAME: 10.0}, NOW)
    read = decode(text, NOW + timedelta(seconds=30))
    assert read == {WEB: pytest.approx(30.0, abs=1.0)}


def test_the_text_is_short_and_always_the_same():
    """It is part of a Lease that is written every few seconds."""
    one, other = {WEB: 60.0, GAME: 60.0}, {GAME: 60.0, WEB: 60.0}
    assert encode(one, NOW) == encode(other, NOW)
    many = {Endpoint("1.1.1.1", port, Protocol.TCP): 60.0 for port in range(10000, 13000)}
    assert len(encode(many, NOW)) < 64 * 1024
    assert encode({}, NOW) == '{"quarantine":{}}'


def test_of_more_than_a_lease_can_hold_the_longest_are_told():
    many = {
        Endpoint(f"47.100.{port % 40}.250", port, Protocol.UDP): float(port)
        for port in range(60000, 60000 - MOST - 500, -1)
    }
    text = encode(many, NOW)
    assert len(text) < 256 * 1024, "the limit of annotations"
    assert {endpoint.port for endpoint in decode(text, NOW)} == set(range(60000, 60000 - MOST, -1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "nonsense",
        "null",
        "[]",
        "7",
        '"quarantine"',
        '{"quarantine":null}',
        '{"quarantine":[]}',
        '{"quarantine":{}}',
        '{"quarantine":{"1.1.1.1/tcp":null}}',
        '{"quarantine":{"1.1.1.1/tcp":[600]}}',
        '{"other":{"1.1.1.1/tcp":{"600":9999999999}}}',
    ],
)
def test_nothing_is_read_from_what_says_nothing(text):
    assert decode(text, NOW) == {}


def test_what_cannot_be_understood_does_not_hide_the_rest():
    until = NOW.timestamp() + 50
    text = json.dumps(
        {
            "quarantine": {
                "1.1.1.1/sctp": {"600": until},
                "": {"600": until},
                "1.1.1.1/tcp": {"http": until, "600": until, "601": "soon", "602": None},
                "1.1.1.1/udp": {"600": str(until), "601": float("nan"), "603": until - 51},
            }
        }
    )
    assert decode(text, NOW) == {WEB: pytest.approx(50.0), GAME: pytest.approx(50.0)}

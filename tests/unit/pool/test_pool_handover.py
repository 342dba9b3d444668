"""Quarantines travel from one leader to the next, as text that somebody may have meddled with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced

from dnatctl.model import Endpoint, Protocol
from dnatctl.pool.handover import LIMIT, MOST, Resting, decode, encode
from tests.support.steps import steps

WEB = Endpoint("1.1.1.1", 600, Protocol.TCP)
GAME = Endpoint("1.1.1.1", 600, Protocol.UDP)

endpoints = st.builds(
    Endpoint,
    st.sampled_from(["1.1.1.1", "47.96.1.2"]),
    st.integers(1, 65535),
    st.sampled_from(Protocol),
)
quarantines = st.dictionaries(endpoints, st.floats(0.01, 86400.0), max_size=20)


def read(text: str, age: float = 0.0) -> dict[Endpoint, float] | None:
    return decode(text).after(age).each()


def many(ips: int, ports: range, seconds: int = 60) -> dict[Endpoint, float]:
    """So many that each has a time of its own, and no run of ports the same."""
    return {
        Endpoint(f"47.{ip // 250}.1.{ip % 250}", port, protocol): float(1 + (port * 7) % seconds)
        for ip in range(ips)
        for protocol in Protocol
        for port in ports
    }


@given(quarantines)
def test_what_is_left_is_read_by_the_next_and_never_less_of_it(remaining):
    text = encode(remaining)
    found = read(text)
    assert found.keys() == remaining.keys()
    for endpoint, seconds in remaining.items():
        assert seconds <= found[endpoint] <= seconds + 1
        assert decode(text).covers(endpoint)


def test_the_time_that_the_next_leader_saw_pass_counts_and_no_clock_does():
    text = encode({WEB: 60.0, GAME: 10.0})
    assert read(text, 30.0) == {WEB: pytest.approx(30.0)}
    assert read(text, 59.5) == {WEB: pytest.approx(0.5)}


def test_what_has_rested_when_it_is_taken_over_rests_no_more():
    assert not decode(encode({WEB: 60.0})).after(60.0).covers(WEB)
    assert decode(encode({}, 5.0)).after(10.0) == Resting()


def test_where_ports_are_named_as_one_span_it_ends_with_the_last_of_them():
    remaining = many(1, range(1, 60_000, 3))
    resting = decode(encode(remaining))
    last = max(remaining)
    assert resting.covers(last)
    assert resting.covers(replaced(last, port=last.port - 1)), "more rests than need be"
    assert not resting.covers(replaced(last, port=last.port + 1))


def test_what_is_written_costs_as_much_as_what_rests_and_not_as_what_is_between():
    """It is written every few seconds, by a thread that others wait for."""
    near, far = (
        {Endpoint(f"1.1.1.{ip}", port, Protocol.TCP): 60.0 for ip in range(8) for port in ports}
        for ports in (range(10_000, 12_000, 2), range(10_000, 60_000, 50))
    )
    assert "10000-59950=60" in encode(far), "so many that each IP is one span"
    assert steps(lambda: encode(near)) == steps(lambda: encode(far))


def test_the_text_is_short_and_always_the_same():
    """It is part of a Lease that is written every few seconds."""
    one, other = {WEB: 60.0, GAME: 60.0}, {GAME: 60.0, WEB: 60.0}
    assert encode(one) == encode(other) == "1.1.1.1/tcp:600=60;1.1.1.1/udp:600=60"
    run = {Endpoint("1.1.1.1", port, Protocol.TCP): 60.0 for port in range(10000, 13000)}
    assert encode(run) == "1.1.1.1/tcp:10000-12999=60"
    assert encode(dict(reversed(run.items()))) == "1.1.1.1/tcp:10000-12999=60"
    assert encode({}) == ""


@pytest.mark.parametrize(
    ("ips", "ports"),
    [
        (1, range(1, 5000)),
        (1, range(1, 65536, 3)),
        (20, range(512, 1025)),
        (400, range(512, 1025)),
        (3000, range(512, 516)),
    ],
)
def test_whatever_rests_fits_and_none_of_it_is_forgotten(ips, ports):
    """Where it would not fit, more rests, or for longer."""
    remaining = many(ips, ports)
    text = encode(remaining)
    resting = decode(text)
    assert len(text) <= LIMIT
    assert all(map(resting.covers, remaining))
    found = resting.each()
    if found is None or resting.everything:
        longest = max([resting.everything, *(span.seconds for span in resting.spans)])
        assert longest >= max(remaining.values())
    else:
        assert all(found[endpoint] >= seconds for endpoint, seconds in remaining.items())


def test_that_all_rests_is_passed_on():
    text = encode({WEB: 5.0}, 12.5)
    assert decode(text).after(3.0) == Resting((), 10.0)
    assert decode(text).covers(GAME)


def test_however_soon_that_is_over():
    text = encode({}, 0.5)
    assert decode(text) == Resting((), 1.0)
    assert decode(text).covers(GAME)


def test_a_text_as_long_as_may_be_is_read():
    lone = replaced(WEB, ip="1" * (LIMIT - len("/tcp:600=60")))
    text = encode({lone: 60.0})
    assert len(text) == LIMIT
    assert decode(text).covers(lone)


def test_an_ip_may_be_written_in_whatever_way():
    other = replaced(WEB, ip="2001:db8::/64")
    assert read(encode({other: 60.0})) == {other: 60.0}


def test_what_is_named_twice_rests_for_the_longer_time():
    assert read("1.1.1.1/tcp:600=60,600=5") == read("1.1.1.1/tcp:600=5,600=60") == {WEB: 60.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        ":",
        "nonsense",
        "null",
        "[" * 60_000,
        '{"quarantine":' * 4_000,
        '{"quarantine":{"1.1.1.1/tcp":{"600":9999999999}}}',
        "*=",
        "*=-5",
        "*=9999999",
        "1.1.1.1/tcp:",
        "1.1.1.1/tcp:600",
        "1.1.1.1/tcp:600=",
        "1.1.1.1/tcp:600=-5",
        "1.1.1.1/tcp:600=nan",
        "1.1.1.1/tcp:600=1e9",
        "1.1.1.1/tcp:600=9999999999",
        "1.1.1.1/tcp:0=60",
        "1.1.1.1/tcp:700-600=60",
        "1.1.1.1/tcp:65536=60",
        "1.1.1.1/tcp:٦٠٠=60",
        "1.1.1.1/sctp:600=60",
        "/tcp:600=60",
        "600=60",
        "1.1.1.1/tcp:600=60;" * 10_000,
    ],
)
def test_nothing_is_read_from_what_says_nothing(text):
    assert decode(text) == Resting()


def test_what_cannot_be_understood_does_not_hide_the_rest():
    text = "what;1.1.1.1/tcp:http=9,600=50,=,601;1.1.1.1/udp:1-2-3=4,600=50;*"
    assert read(text) == {WEB: 50.0, GAME: 50.0}


def test_a_text_that_names_too_much_is_not_taken_over_one_by_one():
    lines = ";".join(f"{n}/tcp:1-65535=60" for n in range(2 * MOST // 65535 + 1))
    assert decode(lines).each() is None


def test_as_many_as_can_be_are():
    half = range(1, MOST // 2 + 1)
    found = decode(f"1.1.1.1/tcp:1-{half[-1]}=60;1.1.1.1/udp:1-{half[-1]}=60").each()
    assert found is not None
    assert len(found) == MOST


def test_nor_one_that_names_the_same_again_and_again():
    """64 KiB of it would keep a new leader busy for minutes, until it has lost the Lease."""
    line = "1.1.1.1/tcp:" + ",".join(["20000-60000=60"] * 4)
    assert decode(line).each() is None

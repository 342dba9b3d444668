"""What rows are found by: the same as going through all of them would find, in fewer looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, PortRange, Protocol
from dnatctl.table.index import Row, Rows
from tests.support.steps import steps
from tests.unit.table.made import EIP, PENDING, TCP, row, uid

IPS = (EIP, "2.2.2.2")
PORTS = (1, 31, 32, 33, 63, 64, 1055, 1056, 1057, 65535)
"""Where blocks of ports begin and end, and how wide a row may be that is found by them."""

entries = st.builds(
    ForwardEntry,
    entry_id=st.sampled_from(["fwd-1", "fwd-2", "fwd-3", "fwd-10"]),
    external_ip=st.sampled_from(IPS),
    external_ports=st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).map(
        lambda ports: PortRange(min(ports), max(ports))
    ),
    internal_ip=st.just("10.0.0.1"),
    internal_ports=st.just(PortRange(80, 80)),
    protocol=st.sampled_from([*Protocol, None]),
    name=st.just(""),
    status=st.sampled_from(EntryStatus),
)
rows = st.builds(Row, entries, st.sampled_from(["", uid(1)]))
endpoints = [Endpoint(ip, port, p) for ip in IPS for port in PORTS for p in Protocol]


def table_of(*held: Row) -> Rows:
    table = Rows()
    for each in held:
        table._put(each)
    return table


@given(st.lists(st.tuples(rows, st.booleans()), max_size=12))
def test_it_finds_what_going_through_all_rows_finds(changes: list[tuple[Row, bool]]) -> None:
    table, held = Rows(), dict[str, Row]()
    for changed, goes in changes:
        entry_id = changed.entry.entry_id
        if goes and entry_id in held:
            table._remove(held.pop(entry_id))
        else:
            table._put(changed)
            held[entry_id] = changed
    every = [held[i] for i in sorted(held)]
    for endpoint in endpoints:
        assert table.covering(endpoint) == [r for r in every if r.entry.covers(endpoint)]
    for ip in IPS:
        on = [r for r in every if r.entry.external_ip == ip and r.entry.protocol is None]
        bars = [r for r in on if len(r.entry.external_ports) > 1]
        assert table.any_row_on(ip) == (bars[0] if bars else None)
    assert table.in_flux() == [r for r in every if r.owner and r.in_flux]
    for entry_id in list(held):
        table._remove(held.pop(entry_id))
    assert not list(table._by_external), "of rows that are gone nothing is kept"


def packed(count: int) -> list[Row]:
    """Rows of four ports each, side by side."""
    first = range(600, 600 + 4 * count, 4)
    made = (row(f"fwd-{n}", f"{EIP}:{n}/{n + 3}", "10.0.0.1:80/83") for n in first)
    return [Row(entry, uid(1)) for entry in made]


@pytest.mark.parametrize(
    "ask",
    [
        lambda table: table.covering(Endpoint(EIP, 602, TCP)),
        lambda table: table.any_row_on(EIP),
        lambda table: table.in_flux(),
    ],
    ids=["covering", "any_row_on", "in_flux"],
)
def test_a_look_takes_no_longer_with_more_rows(ask) -> None:
    """It is done under the lock that all threads share, for each port that may be picked."""
    near = [row("any", f"{IPS[1]}:Any", "10.0.0.9:Any", protocol=None), row("one", f"{EIP}:602")]
    coming = Row(row("new", f"{IPS[1]}:9", owner=uid(1), status=PENDING), uid(1))
    few, many = (
        table_of(coming, *(Row(entry, "") for entry in near), *packed(count))
        for count in (40, 2000)
    )
    assert ask(few) == ask(many)
    assert steps(lambda: ask(few)) == steps(lambda: ask(many))


def test_a_row_over_all_ports_is_found_in_one_place() -> None:
    """So is one whose ports cannot be read: each of them would be in two thousand."""
    table = table_of(*(Row(row(f"fwd-{n}", f"{EIP}:Any", "10.0.0.1:Any"), "") for n in range(1000)))
    assert len(list(table._by_external)) == 1
    assert len(table.covering(Endpoint(EIP, 7, TCP))) == 1000
    assert table.any_row_on(EIP) is None, "they leave UDP"

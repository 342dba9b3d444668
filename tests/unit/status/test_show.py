"""The status document as people see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace as changed

from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    Leadership,
    PortStatus,
    State,
    StatusDocument,
    TableStatus,
    Waiter,
    decode,
    encode,
)
from dnatctl.status.show import CELLS, age, lines
from dnatctl.status.table import columns, folded, printable

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


def shown(*ports: PortStatus, first: int = 512, last: int = 1024, **more: object) -> list[str]:
    eip = EipStatus("47.1.2.3", ports, {"tcp": 500})
    table = TableStatus(own=3, foreign=2, orphans=1, limit=100, backlog=4, busy_s=1.25)
    gateway = GatewayStatus("ngw-1", first, last, "cn-hangzhou-j", table, (eip,))
    lease = Leadership(leading=True, identity="a_1", holder="a_1", since="2026-11-27T11:55:00Z")
    status = StatusDocument("", "1.0", "c1", lease, ready=True, gateways=(gateway,), **more)  # type: ignore[arg-type]
    return list(lines(status, NOW))


@pytest.mark.parametrize(
    ("rows", "limit", "room"),
    [
        (30, 200, "room for 170 more of 200"),
        (201, 200, "room for 0 more of 200"),
        (30, None, "room for 70 more unless its quota was raised: then set maxEntries"),
        (100, None, "room not known: set maxEntries to its quota"),
    ],
)
def test_free_ports_are_no_room_where_the_table_has_none(
    rows: int, limit: int | None, room: str
) -> None:
    gateway = GatewayStatus("ngw-1", 512, 1024, table=TableStatus(own=rows, limit=limit))
    lease = Leadership(leading=True, identity="a_1")
    text = list(lines(StatusDocument("", "1.0", "c1", lease, gateways=(gateway,)), NOW))
    assert f"ngw-1: {rows} entries ({rows} ours, 0 foreign), {room}" in text


def in_all(*gateways: GatewayStatus) -> str:
    status = StatusDocument("", "1.0", "c1", Leadership(True, "a_1"), gateways=gateways)
    return list(lines(status, NOW))[1].strip()


def with_room(tcp: int, udp: int, rows: int, limit: int | None = 100, **more: Any) -> GatewayStatus:
    table = TableStatus(own=rows, limit=limit)
    eips = (EipStatus("47.1.2.3", (), {"tcp": tcp, "udp": udp}),)
    return changed(GatewayStatus("ngw-1", 512, 1024, table=table, eips=eips), **more)


class TestRoomInAll:
    """Is there room for 200 more tonight?"""

    def test_rows_bound_it_as_ports_do_on_each_gateway(self) -> None:
        assert in_all(with_room(500, 500, 30), with_room(500, 500, 20)) == (
            "room for 150 more ports, tcp or udp"
        )
        assert in_all(with_room(5, 500, 30), with_room(5, 2, 99)) == (
            "room for 6 more tcp ports, 71 more udp ports"
        )

    def test_a_quota_that_nobody_has_said_is_the_usual_one_while_it_may_be(self) -> None:
        assert in_all(with_room(500, 500, 90, None)) == "room for 10 more ports, tcp or udp"
        assert in_all(with_room(500, 500, 100, None)) == "room for 500 more ports, tcp or udp"

    def test_what_is_claimed_and_waits_for_its_row_takes_room_already(self) -> None:
        waits = PortStatus(512, 514, "tcp", State.PENDING)
        there = PortStatus(515, 515, "tcp", State.PENDING, entry="fwd-1")
        eips = (EipStatus("47.1.2.3", (waits, there), {"tcp": 500, "udp": 500}),)
        gateway = with_room(500, 500, 90, eips=eips)
        assert in_all(gateway) == "room for 7 more ports, tcp or udp"
        status = StatusDocument("", "1.0", "c1", Leadership(True, "a_1"), gateways=(gateway,))
        told = "ngw-1: 90 entries (90 ours, 0 foreign, 3 more claimed), room for 7 more of 100"
        assert told in list(lines(status, NOW))

    def test_of_one_it_is_told_as_of_one(self) -> None:
        assert in_all(with_room(500, 500, 99)) == "room for 1 more port, tcp or udp"
        assert in_all(with_room(1, 2, 0)) == "room for 1 more tcp port, 2 more udp ports"

    def test_where_nothing_new_goes_there_is_none(self) -> None:
        drained = with_room(500, 500, 0, problem="is being drained")
        reserved = with_room(500, 500, 0, namespaces=("games",))
        assert in_all(drained, reserved, with_room(9, 9, 100)) == "room for nothing more"


def test_for_whom_a_gateway_is_reserved_is_told() -> None:
    status = StatusDocument(
        "",
        "1.0",
        "c1",
        Leadership(True, "a_1"),
        gateways=(with_room(9, 9, 0, namespaces=("a", "b*")),),
    )
    assert any(line.startswith("ngw-1, for a, b* only: 0 entries") for line in lines(status, NOW))


def cells(text: list[str], protocol: str, first: int) -> str:
    return next(line.split()[2] for line in text if line.split()[:2] == [protocol, str(first)])


def test_a_cell_a_port_sixty_four_a_line() -> None:
    text = shown(
        PortStatus(512, 512, "tcp", State.USED),
        PortStatus(514, 514, "tcp", State.RESTING),
        PortStatus(575, 575, "tcp", State.PENDING),
        PortStatus(1024, 1024, "tcp", State.ORPHAN),
    )

    first = cells(text, "tcp", 512)
    assert len(first) == 64
    assert first[0] == CELLS[State.USED]
    assert first[1] == CELLS[State.FREE]
    assert first[2] == CELLS[State.RESTING]
    assert first[63] == CELLS[State.PENDING]
    assert cells(text, "tcp", 1024) == CELLS[State.ORPHAN]


def test_lines_with_nothing_in_them_become_one_in_words() -> None:
    text = shown(PortStatus(1000, 1000, "udp", State.USED))

    assert "    udp   512 to 959: free" in text
    assert cells(text, "udp", 960)[40] == CELLS[State.USED]
    assert "    udp  1024 to 1024: free" in text


def test_a_foreign_entry_covers_all_ports_of_the_pool_that_it_covers() -> None:
    text = shown(PortStatus(1, 65535, "tcp", State.FOREIGN), first=100, last=107)

    assert cells(text, "tcp", 100) == CELLS[State.FOREIGN] * 8


def test_the_table_is_told_in_one_line() -> None:
    text = shown()

    entries = "ngw-1 in cn-hangzhou-j: 6 entries (3 ours, 2 foreign, 1 orphaned)"
    assert f"{entries}, room for 94 more of 100" in text
    assert any("backlog 4, busy 1.2 s a write" in line for line in text)
    assert text[0] == "dnatctl 1.0, cluster c1: ready, led by a_1 for 5m"


def test_who_waits_is_told_with_reasons_longest_first() -> None:
    later = Waiter("games/b", "QuotaExceeded", "quota", "2026-11-27T11:59:00Z")
    sooner = Waiter("games/a", "PoolExhausted", "no port\nis free", "2026-11-27T11:00:00Z")

    text = shown(waiting=(later, sooner))

    assert text[-3].split() == ["WAITING", "SINCE", "REASON", "WHY"]
    assert text[-2].split() == ["games/a", "60m", "PoolExhausted", "no", "port", "is", "free"]
    assert text[-1].split()[:3] == ["games/b", "60s", "QuotaExceeded"]


def test_a_line_that_is_too_long_is_folded_at_blanks_and_hangs() -> None:
    assert list(folded("  one two three", 9)) == ["  one two", "      three"]
    assert list(folded("  \x1b[31mone two\x1b[0m three", 9)) == [
        "  \x1b[31mone two\x1b[0m",
        "      three",
    ]
    assert list(folded("x" * 20, 9)) == ["x" * 20], "nothing is cut"
    assert list(folded("", 9)) == [""]


def test_what_a_stranger_wrote_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\nc\u202ed") == "a[2Jb cd"
    assert list(columns(("A", "B"), [("x\x07", "y")])) == ["A   B", "x   y"]


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-11-27T11:59:59Z", "1s"),
        ("2026-11-27T11:58:01Z", "119s"),
        ("2026-11-27T11:58:00Z", "2m"),
        ("2026-11-27T10:00:00Z", "2h"),
        ("2026-11-25T12:00:00Z", "2d"),
        ("2026-11-27T13:00:00Z", "0s"),
        ("", "-"),
        ("yesterday", "-"),
    ],
)
def test_ages_are_written_as_kubectl_does(since: str, text: str) -> None:
    assert age(since, NOW) == text


def test_the_document_survives_the_wire() -> None:
    lease = Leadership(leading=False, identity="b_2", holder="a_1")
    status = StatusDocument("2026-11-27T12:00:00Z", "1.0", "c1", lease, waits_for=("caches",))

    assert decode(encode(status)) == status


@pytest.mark.parametrize("text", [b"", b"[]", b"404 page not found\n", b'{"at": 1}', b"\xff"])
def test_what_is_no_such_document_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(text)

"""Answers that count rows and list none: what they cost, and when they are believed after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import orjson
import pytest

from dnatctl.cloud import hollow
from dnatctl.cloud.api import PAGE_SIZE
from dnatctl.cloud.client import Cloud
from dnatctl.cloud.credentials import AccessKey, Keys
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import BELIEVED, BELIEVED_S, MISCOUNTED
from dnatctl.cloud.providers import open_provider
from dnatctl.cloud.web import Answer, Web
from dnatctl.model import ALL_PORTS
from tests.support.clock import FakeClock

LISTED = {
    "ForwardEntryId": "fwd-1",
    "ExternalIp": "203.0.113.1",
    "ExternalPort": "512",
    "InternalIp": "10.0.0.1",
    "InternalPort": "80",
    "IpProtocol": "tcp",
    "Status": "Available",
}
APART_S = BELIEVED_S / (BELIEVED - 1)


class Asked:
    """A cloud whose every answer is `says(...)`, and the clock of who asks it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cloud = Cloud.connect(
            "r", "vpc-1", open_provider(AccessKey(Keys("k", "s"))), vpc_endpoint="x",
            clock=self.clock,
        )  # fmt: skip
        self.status, self.body = 200, b""
        self.says(0)

    def says(self, total: int, *rows: object) -> None:
        entries = {"ForwardTableEntry": list(rows)}
        self.body = orjson.dumps({"TotalCount": total, "ForwardTableEntries": entries})

    def answer(self, *_: object, **__: object) -> Answer:
        return Answer(self.status, {}, self.body)

    def page(self, number: int = 1, table: str = "ftb-1") -> Any:
        return self.cloud.read_page(table, number).entries

    def row(self, entry_id: str = "fwd-1") -> object:
        return self.cloud.read_entry("ftb-1", entry_id)


@pytest.fixture
def it() -> Iterator[Asked]:
    asked = Asked()
    asked.cloud._sdk._limits.take = lambda _operation: None  # type: ignore[method-assign]
    with mock.patch.object(Web, "send", side_effect=asked.answer):
        yield asked


def is_refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except CloudError as error:
        return error.kind is ErrorKind.UNKNOWN
    return False


def nearly_believed(it: Asked, ask: Callable[[], object]) -> None:
    """So often and so long that once more is enough."""
    for _ in range(BELIEVED - 1):
        assert is_refused(ask)
        it.clock.advance(APART_S)


def test_a_table_that_counts_rows_and_lists_none_is_not_read(it: Asked) -> None:
    it.says(1)
    assert is_refused(it.page)


def test_a_row_that_is_counted_and_not_listed_is_not_gone(it: Asked) -> None:
    it.says(1)
    assert is_refused(it.row)


def test_what_says_in_full_that_there_is_nothing_is_believed(it: Asked) -> None:
    assert it.page() == ()
    assert it.row() is None


def test_a_count_that_is_a_little_too_high_hides_no_end(it: Asked) -> None:
    it.says(PAGE_SIZE + MISCOUNTED)
    assert it.page(2) == ()
    it.says(PAGE_SIZE + MISCOUNTED + 1)
    assert is_refused(lambda: it.page(2))
    it.says(2 * PAGE_SIZE + MISCOUNTED)
    assert it.page(3) == ()


@pytest.mark.parametrize("what", ["page", "row"])
def test_what_is_said_again_and_again_for_long_is_believed(it: Asked, what: str) -> None:
    """Guards the empty table of a cloud that miscounts from being unreadable for ever."""
    ask = getattr(it, what)
    it.says(1)
    nearly_believed(it, ask)
    assert not ask()
    assert not ask(), "and from then on at once"


def test_neither_often_nor_long_is_enough_alone(it: Asked) -> None:
    it.says(1)
    assert all(is_refused(it.page) for _ in range(3 * BELIEVED)), "in no time"
    it.clock.advance(BELIEVED_S - 0.1)
    assert is_refused(it.page)
    for _ in range(BELIEVED - 1):
        it.clock.advance(BELIEVED_S)
        assert is_refused(it.row)


def test_another_answer_in_between_begins_it_anew(it: Asked) -> None:
    it.says(1)
    nearly_believed(it, it.page)
    it.says(1, LISTED)
    assert it.page()
    it.says(1)
    assert is_refused(it.page)


def test_a_row_said_to_be_gone_begins_it_anew(it: Asked) -> None:
    it.says(1)
    nearly_believed(it, it.row)
    it.status, it.body = 404, b'{"Code": "InvalidForwardEntryId.NotFound"}'
    assert it.row() is None
    it.status = 200
    it.says(1)
    assert is_refused(it.row)


def test_each_question_stands_for_itself(it: Asked) -> None:
    it.says(3 * PAGE_SIZE)
    nearly_believed(it, it.page)
    assert is_refused(lambda: it.page(2))
    assert is_refused(lambda: it.page(table="ftb-2"))
    assert is_refused(it.row)
    assert it.page() == ()


def test_only_the_latest_questions_are_remembered(
    it: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hollow, "REMEMBERED", 2)
    it.says(1)
    nearly_believed(it, it.page)
    nearly_believed(it, it.row)
    assert is_refused(lambda: it.row("fwd-2"))
    assert it.row() is None
    assert is_refused(it.page), "two others were asked since"


@pytest.mark.parametrize("ask", ["page", "row"])
@pytest.mark.parametrize("value", [None, "", " "])
@pytest.mark.parametrize("field", sorted(LISTED.keys() - {"Status"}))
def test_a_row_that_lacks_a_part_is_told_and_not_made_up_for(
    it: Asked, ask: str, value: str | None, field: str
) -> None:
    """Else one odd answer has live rows deleted, or changed to what they are already."""
    it.says(2, LISTED, LISTED | {"ForwardEntryId": "fwd-2", field: value})
    with pytest.raises(CloudError) as caught:
        getattr(it, ask)()
    which = "of no ID" if field == "ForwardEntryId" else "fwd-2"
    assert caught.value.message == f"unreadable answer: row {which} has no {field}"
    assert caught.value.kind is ErrorKind.UNKNOWN


def test_what_a_row_may_lack(it: Asked) -> None:
    """A name, a status in passing, and ports where its protocol says that it covers all."""
    mapping = {"IpProtocol": "Any", "ExternalPort": None, "InternalPort": ""}
    it.says(1, LISTED | mapping | {"Status": None})
    (entry,) = it.page()
    assert (entry.external_ports, entry.internal_ports) == (ALL_PORTS, ALL_PORTS)

"""Logs: one JSON object a line, or text for a terminal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from dnatctl.observe.logs import configure


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written to standard error; how logs are made is put back afterwards."""
    before = structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("", "urllib3")}
    yield lambda: capsys.readouterr().err
    structlog.configure(**before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(written: Callable[[], str]) -> list[dict]:
    return [json.loads(line) for line in written().splitlines()]


def test_a_line_is_an_object_with_time_level_and_message(written):
    configure("info", "json")
    structlog.get_logger().info("row created", gateway="ngw-1", port=600)
    (line,) = lines(written)
    when = datetime.fromisoformat(line.pop("ts"))
    assert when.utcoffset() == timedelta(0)
    assert line == {"level": "info", "msg": "row created", "gateway": "ngw-1", "port": 600}


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(written, level, shown):
    configure(level, "json")
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("said")
    assert [line["level"] for line in lines(written)] == shown


def test_an_exception_stays_on_its_line(written):
    configure("info", "json")
    try:
        int("two\nlines")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(written)
    assert line["msg"] == "failed"
    assert "ValueError: invalid literal" in line["exception"]


def test_for_a_terminal(written):
    configure("info", "console")
    structlog.get_logger().warning("gateway locked", gateway="ngw-1")
    text = written()
    assert "gateway locked" in text
    assert "gateway=ngw-1" in text
    assert "\x1b[" not in text, "no colours where nobody would see them"


def test_dropped_connections_are_not_worth_a_line_with_the_url_in_it(written):
    configure("info", "json")
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)

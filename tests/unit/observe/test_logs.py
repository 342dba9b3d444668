"""Logs: one JSON object a line, or text for a terminal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from dnatctl.observe.logs import Levels, LineWriter, configure


class Written:
    """What has been written to standard error."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.writer: LineWriter | None = None

    def configure(self, level: str | Levels, form: str) -> None:
        self.writer = configure(level, form)

    def __call__(self) -> str:
        assert self.writer is not None
        assert self.writer.flush(60)
        return self._capfd.readouterr().err


@pytest.fixture
def written(capfd: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """How logs are made is put back afterwards."""
    before = structlog.get_config()
    loggers = [logging.getLogger(name) for name in (None, "urllib3")]
    was = [(logger, logger.level, logger.handlers) for logger in loggers]
    raising = logging.raiseExceptions
    it = Written(capfd)
    yield it
    if it.writer is not None:
        it.writer.stop()
    structlog.configure(**before)
    logging.raiseExceptions = raising
    for logger, level, handlers in was:
        logger.setLevel(level)
        logger.handlers = handlers


def lines(written: Written) -> list[dict]:
    return [json.loads(line) for line in written().splitlines()]


def test_a_line_is_an_object_with_time_level_and_message(written):
    written.configure("info", "json")
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
    written.configure(level, "json")
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("said")
    assert [line["level"] for line in lines(written)] == shown


@pytest.mark.parametrize(
    ("apart", "shown"),
    [
        ({}, []),
        ({"games/a": "debug"}, ["a"]),
        ({"ngw-1": "debug"}, ["a", "b", "gateway"]),
        ({"ngw-1": "debug", "games/b": "error"}, ["a", "gateway"]),
        ({"all": "debug"}, ["a", "b", "c", "gateway", "nobody"]),
        ({"all": "debug", "ngw-1": "warning"}, ["c", "nobody"]),
    ],
)
def test_what_is_logged_apart_has_a_level_of_its_own(written, apart, shown):
    levels = Levels("info")
    written.configure(levels, "json")
    log = structlog.get_logger()
    levels.set_apart(apart)

    for name, gateway in (("a", "ngw-1"), ("b", "ngw-1"), ("c", "ngw-2")):
        with structlog.contextvars.bound_contextvars(key=f"games/{name}", gateway=gateway):
            log.debug(name)
    log.debug("gateway", gateway="ngw-1")
    log.debug("nobody")

    assert [line["msg"] for line in lines(written)] == shown


def test_what_is_logged_apart_ends_with_the_order(written):
    levels = Levels("info")
    written.configure(levels, "json")
    log = structlog.get_logger().bind(key="games/a")
    levels.set_apart({"games/a": "error"})
    log.warning("hidden")
    levels.set_apart({})
    log.debug("as usual hidden")
    log.info("shown")
    assert [line["msg"] for line in lines(written)] == ["shown"]


def test_an_exception_stays_on_its_line(written):
    written.configure("info", "json")
    try:
        int("two\nlines")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(written)
    assert line["msg"] == "failed"
    assert "ValueError: invalid literal" in line["exception"]


def test_for_a_terminal(written):
    written.configure("info", "console")
    structlog.get_logger().warning("gateway locked", gateway="ngw-1")
    text = written()
    assert "gateway locked" in text
    assert "gateway=ngw-1" in text
    assert "\x1b[" not in text, "no colours where nobody would see them"


def test_dropped_connections_are_not_worth_a_line_with_the_url_in_it(written):
    written.configure("info", "json")
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)


class Unspeakable:
    """Something that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_cannot_be_shown_costs_the_details_and_nothing_else(written, form):
    written.configure("info", form)
    structlog.get_logger().info("row created", what=Unspeakable())
    logging.getLogger("library").error("%s of %d", Unspeakable(), "three")
    logging.getLogger("library").error(Unspeakable())
    text = written()
    assert "row created" in text
    assert text.count("\n") == 3


def test_libraries_log_in_the_same_form(written):
    written.configure("info", "json")
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("library").exception("%d of %s", 2, "three")
    logging.getLogger("library").info("chat")
    (line,) = lines(written)
    assert (line["level"], line["msg"], line["logger"]) == ("error", "2 of three", "library")
    assert "ValueError: invalid literal" in line["exception"]


def test_a_traceback_on_a_terminal_shows_no_variables(written):
    written.configure("info", "console")
    secret = "".join(["Access", "Secret"])
    try:
        int(secret[:1])
    except ValueError:
        structlog.get_logger().exception("failed")
    text = written()
    assert "ValueError" in text
    assert secret not in text


STRAYS = """
import sys, threading, traceback, warnings
from dnatctl.observe.logs import adopt_strays, configure

class Dying:
    def __del__(self):
        raise KeyError("in a finalizer")

configure("info", sys.argv[1])
adopt_strays()
warnings.warn("be careful")
print("half a line,", end=" ", file=sys.stderr)
print("and the rest", file=sys.stderr)
thread = threading.Thread(target=lambda: 1 / 0, name="busy")
thread.start()
thread.join()
Dying()
try:
    [][1]
except IndexError:
    traceback.print_exc()
raise LookupError("at the end")
"""


def test_everything_on_standard_error_is_a_log_line():
    done = subprocess.run(
        [sys.executable, "-c", STRAYS, "json"], capture_output=True, text=True, check=False
    )
    found = [json.loads(line) for line in done.stderr.splitlines()]
    text = "\n".join(f"{line['msg']} {line.get('exception', '')}" for line in found)
    for said in ("be careful", "half a line, and the rest", "ZeroDivisionError", "KeyError"):
        assert said in text
    assert "IndexError" in text
    assert "LookupError: at the end" in found[-1]["exception"]
    assert done.returncode == 1
    assert {"level", "ts", "msg"} <= set.intersection(*(set(line) for line in found))


class Pipe:
    """A pipe as standard error; its writer, and who reads from it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.writer = LineWriter(self.writing, limit=400_000)
        self.writer.start()

    def read(self, size: int) -> bytes:
        """Read so much, in pieces as they come."""
        got = b""
        while len(got) < size:
            got += os.read(self.reading, size - len(got))
        return got

    def close_reading(self) -> None:
        """The reader goes away."""
        os.close(self.reading)
        self.reading = -1

    def close(self) -> None:
        """End the writer, also one that is blocked."""
        if self.reading >= 0:
            self.close_reading()
        self.writer.stop()
        assert self.writer.flush(60)
        os.close(self.writing)


@pytest.fixture
def pipe(no_leaked_threads) -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


LINE = "x" * 999


def test_nobody_waits_for_a_reader_that_does_not_read(pipe):
    for _ in range(1000):
        pipe.writer.put(LINE)
    assert not pipe.writer.flush(0.05)
    held = 1000 - pipe.writer.dropped
    assert 300 < held < 600, "what fits the queue and the pipe"
    assert set(pipe.read(held * 1000).splitlines()) == {LINE.encode()}, "none in pieces"
    assert pipe.writer.flush(60)
    pipe.writer.put("and on it goes")
    assert pipe.read(15) == b"and on it goes\n"


def test_nobody_fails_for_a_reader_that_has_gone(pipe):
    pipe.close_reading()
    for _ in range(10):
        pipe.writer.put(LINE)
    assert pipe.writer.flush(60)
    assert pipe.writer.dropped == 10


def test_a_descriptor_that_does_not_block_is_waited_for(pipe):
    os.set_blocking(pipe.writing, False)
    for _ in range(300):
        pipe.writer.put(LINE)
    assert len(pipe.read(300 * 1000)) == 300 * 1000
    assert pipe.writer.flush(60)
    assert pipe.writer.dropped == 0


def test_the_gap_is_told_once_lines_are_written_again(written):
    written.configure("info", "json")
    assert written.writer is not None
    written.writer.dropped = 7
    structlog.get_logger().info("again")
    assert [(line["msg"], line.get("since_start")) for line in lines(written)] == [
        ("again", None),
        ("log lines were dropped", 7),
    ]
    structlog.get_logger().info("and again")
    assert [line["msg"] for line in lines(written)] == ["and again"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_others_wrote_makes_no_line_of_its_own_and_moves_no_cursor(written, form):
    written.configure("info", form)
    structlog.get_logger().info("invalid", value='80\n{"msg": "forged"}\x1b[2J\x00\r')
    text = written()
    assert len(text.splitlines()) == 1
    assert not {"\x1b", "\x00", "\r"} & set(text)

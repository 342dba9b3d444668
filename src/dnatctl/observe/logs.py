"""Logs: one JSON object a line on standard error, or coloured lines for a terminal.

Nobody who logs ever waits or fails for it. Lines go into a bounded queue, and one thread writes
them: where standard error is blocked or gone, lines are dropped and counted, nothing else happens.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from queue import SimpleQueue
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, ProcessorReturnValue

from dnatctl.orders import ALL

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_HIGHEST = 50

STDERR = 2
HELD_BYTES = 4 << 20
"""What may wait to be written: a few seconds of a busy controller with `--log-level debug`."""
LINE_COST = 100
"""What a line costs in memory besides its bytes."""
EXIT_S = 1.0
"""How long the end of the process waits for the last lines to be written."""


class LineWriter:
    """A bounded queue of lines and the daemon thread that writes them to a file descriptor."""

    def __init__(self, fd: int = STDERR, limit: int = HELD_BYTES) -> None:
        self.dropped = 0
        """Lines that were not written: no room for them, or the write failed."""
        self._fd = fd
        self._limit = limit
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._held = 0
        # Re-entrant, as is SimpleQueue: a warning may be logged out of the middle of `put`, where
        # the garbage collector happens to run.
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="dnatctl-log", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written; returns at once, and never raises."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        cost = len(data) + LINE_COST
        with self._lock:
            if self._held + cost > self._limit:
                self.dropped += 1
                return
            self._held += cost
        self._lines.put(data)

    def flush(self, seconds: float) -> bool:
        """Wait for so long at most until all is written; whether it is."""
        deadline = time.monotonic() + seconds
        while self._held > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return self._held <= 0

    def stop(self) -> None:
        """Write what there is, and end the thread; does not wait."""
        self._lines.put(b"")

    def _run(self) -> None:
        told = 0
        while data := self._lines.get():
            try:
                self._write(data)
            except OSError:
                self._drop()
            else:
                if told < self.dropped and self._lines.empty():
                    told = self.dropped
                    structlog.get_logger().warning("log lines were dropped", since_start=told)
            with self._lock:
                self._held -= len(data) + LINE_COST

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # whoever started us may have made it non-blocking
                select.select([], [self._fd], [])

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1


class Levels:
    """From which level on lines are written: `usual`, and another where something is logged apart.

    What is apart is a pod's `namespace/name` (the `key` of a line), or else its gateway's ID, or
    else `all`. Lines that name none of these keep to the usual level, as do those of libraries.
    """

    def __init__(self, usual: str) -> None:
        self._usual = LEVELS[usual]
        self._lowest = self._usual
        self._apart: Mapping[str, int] = {}

    @property
    def usual(self) -> int:
        """That of all that is not logged apart."""
        return self._usual

    def set_apart(self, levels: Mapping[str, str]) -> None:
        """These are logged apart from now on, and no others."""
        self._apart = {name: LEVELS[level] for name, level in levels.items()}
        self._lowest = min([self._usual, *self._apart.values()])

    def low(self, _logger: Any, method: str, event: EventDict) -> EventDict:
        """A processor: drops what nothing is logged from, before it costs more."""
        if LEVELS.get(method, _HIGHEST) < self._lowest:
            raise structlog.DropEvent
        return event

    def apart(self, _logger: Any, method: str, event: EventDict) -> EventDict:
        """A processor: drops what is too low for the pod and the gateway that it is about."""
        apart = self._apart
        if not apart:
            return event
        names = (str(event.get("key")), str(event.get("gateway")), ALL)
        least = next((apart[name] for name in names if name in apart), self._usual)
        if LEVELS.get(method, _HIGHEST) < least:
            raise structlog.DropEvent
        return event


def configure(level: str | Levels, form: str) -> LineWriter:
    """Set up logging for the process, that of libraries too. `form` is `json` or `console`."""
    levels = level if isinstance(level, Levels) else Levels(level)
    writer = LineWriter()
    writer.start()
    atexit.register(writer.flush, EXIT_S)
    start, end = _console() if form == "console" else _json()
    structlog.configure(
        processors=[
            Chain(levels.low, structlog.contextvars.merge_contextvars, levels.apart, *start, *end)
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["debug"]),
        logger_factory=lambda *_: _Logger(writer),
        cache_logger_on_first_use=True,
    )
    logging.raiseExceptions = False
    logging.root.handlers = [_LibraryHandler(writer, Chain(*start, *end))]
    logging.root.setLevel(max(levels.usual, logging.WARNING))
    # urllib3 warns of each connection it drops, with the URL.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return writer


def adopt_strays() -> None:
    """Log what else ends up on standard error: warnings, uncaught exceptions, what libraries print.

    For a process that does nothing but serve; undone by nothing.
    """
    log = structlog.get_logger("stderr")

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else ""
        error = (args.exc_type, args.exc_value, args.exc_traceback)
        log.error("a thread ended with an exception", thread=name, exc_info=error)

    def ended(*error: Any) -> None:
        log.error("ended with an exception", exc_info=error)

    def ignored(args: Any) -> None:
        error = (args.exc_type, args.exc_value, args.exc_traceback)
        log.warning("exception ignored", where=repr(args.object), exc_info=error)

    threading.excepthook = thread_ended
    sys.excepthook = ended
    sys.unraisablehook = ignored
    logging.captureWarnings(True)
    sys.stderr = _Printed(log)


class Chain:
    """Processors one after the other; what fails on the way costs the details, not the caller."""

    def __init__(self, *processors: Processor) -> None:
        self._processors = processors

    def __call__(self, logger: Any, method: str, event: EventDict) -> ProcessorReturnValue:
        """See structlog."""
        said = event.get("event")
        done: Any = event
        try:
            for process in self._processors:
                done = process(logger, method, done)
        except Exception as error:  # noqa: BLE001 - somebody's __repr__ or __str__ may raise anything
            why = type(error).__name__
            return json.dumps({"level": method, "msg": _text(said), "details_lost_for": why})
        return done  # type: ignore[no-any-return]


def _text(said: object) -> str:
    return said if isinstance(said, str) else type(said).__name__


def _json() -> tuple[Iterable[Processor], Iterable[Processor]]:
    processors = structlog.processors
    start = (processors.add_log_level, processors.TimeStamper(fmt="iso", utc=True, key="ts"))
    end = (
        processors.EventRenamer("msg"),
        processors.format_exc_info,
        processors.JSONRenderer(),
    )
    return start, end


def _console() -> tuple[Iterable[Processor], Iterable[Processor]]:
    processors, dev = structlog.processors, structlog.dev
    start = (processors.add_log_level, processors.TimeStamper(fmt="%H:%M:%S", utc=False))
    # The plain traceback: the pretty one shows the variables of each frame, credentials too.
    colors = os.isatty(STDERR)
    return start, (dev.ConsoleRenderer(colors=colors, exception_formatter=dev.plain_traceback),)


class _Logger:
    """What structlog hands rendered lines to, whatever their level."""

    def __init__(self, writer: LineWriter) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = writer.put


class _LibraryHandler(logging.Handler):
    """What libraries log, in our form."""

    def __init__(self, writer: LineWriter, chain: Chain) -> None:
        super().__init__()
        self._writer = writer
        self._chain = chain

    def createLock(self) -> None:  # noqa: N802 - a method of logging.Handler
        """None: there is nothing to guard."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            said = record.getMessage().rstrip()
        except Exception:  # noqa: BLE001 - arguments that do not fit the format, or cannot be shown
            said = _text(record.msg)
        event: EventDict = {"event": said, "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        self._writer.put(str(self._chain(None, record.levelname.lower(), event)))


class _Printed(io.TextIOBase):
    """In place of `sys.stderr`: each line that somebody prints is logged."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """See io.TextIOBase."""
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in filter(None, lines):
            self._log.warning(line, logger="stderr")
        return len(text)

    def writable(self) -> bool:
        """See io.TextIOBase."""
        return True

    def fileno(self) -> int:
        """See io.TextIOBase."""
        return STDERR

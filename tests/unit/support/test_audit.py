"""The audit log of the end-to-end tests' API server, which writes it while they read."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.e2e.audit import AuditLog


def line(name: str, **more: object) -> bytes:
    event = {"user": {"username": "me"}, "verb": "get", "requestURI": f"/{name}", "stage": "s"}
    return orjson.dumps(event | more) + b"\n"


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_a_line_that_is_half_written_is_read_whole_later(tmp_path: Path, size: int) -> None:
    log, late = tmp_path / "audit.log", line("late", more="x" * size)
    log.write_bytes(line("early") + late[:-9])
    audit = AuditLog(log)
    mark = audit.mark()
    assert [event.uri for event in audit.events()] == ["/early"]
    assert audit.events(since=mark) == []
    log.write_bytes(line("early") + late)
    assert [event.uri for event in audit.events(since=mark)] == ["/late"]
    assert audit.events(since=audit.mark()) == []


def test_a_log_without_a_line_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_bytes(line("first")[:5])
    assert AuditLog(tmp_path / "audit.log").mark() == 0

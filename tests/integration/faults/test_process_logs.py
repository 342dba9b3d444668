"""What a process logs of itself, and of one pod for as long as somebody asks for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from dnatctl.cli.main import cli
from tests.support.process import Program
from tests.support.stage import NAMESPACE, Stage, eventually, stage

OFTEN = "import dnatctl.control.people.ordering as o; o.LOOK_S = 0.1"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def order(it: Stage, *words: str) -> str:
    where = ("--kubeconfig", str(it.folder / "kubeconfig"), "--controller-namespace", NAMESPACE)
    done = CliRunner().invoke(cli, ["log-level", *words, *where])
    assert done.exit_code == 0, done.output
    return done.stdout


def detailed(program: Program) -> list[Any]:
    """The lines of level debug."""
    return [line for line in program.lines() if line["level"] == "debug"]


def test_who_only_says_what_it_would_do_is_not_said_to_lead(it: Stage) -> None:
    program = Program(it, "--dry-run")
    program.start()
    try:
        told = ("dry run: only logs what it would do", '"leading"')
        said = eventually(lambda: [t for t in told if t in program.log.read_text("utf-8")])
        assert said == [told[0]]
        program.end()
    finally:
        program.kill()


def test_one_pod_is_logged_in_detail_until_it_is_not(it: Stage) -> None:
    program = Program(it, before=OFTEN)
    program.start()
    try:
        assert "games/lobby is logged from debug on until" in order(it, "games/lobby", "debug")
        eventually(lambda: "log-level" in program.log.read_text("utf-8"))
        it.move_to("games")
        for name in ("lobby", "other"):
            it.pod(name)
        for name in ("lobby", "other"):
            it.ready(name)

        order(it, "games/lobby", "default")
        eventually(lambda: '"orders": []' in program.log.read_text("utf-8"))
        it.delete_pod("lobby")
        it.gone("lobby")
        found = detailed(program)
        assert {line["key"] for line in found} == {"games/lobby"}
        steps = {line["step"] for line in found if line["msg"] == "step"}
        assert {"CreateRecord", "Publish"} <= steps
        assert "DropFinalizer" not in steps
        program.end()
    finally:
        program.kill()

"""Where what is printed cannot go anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.configuration import configuration
from tests.support.leader import Leader, known_document, kubeconfig


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(Scenario.many(1), "http://127.0.0.1:9", resync="5m"))
    file.chmod(0o600)
    return str(file)


def printed(*arguments: str, to: str) -> subprocess.CompletedProcess[str]:
    """Of a shell's making: `to` is where its standard output goes."""
    line = f'exec "$@" {to}'
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "dnatctl", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=300)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_in_a_line(config: str) -> None:
    for arguments in (["--help"], ["version"], ["check", "--config", config]):
        done = printed(*arguments, to=">/dev/full")
        assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n"), arguments


def test_no_output_at_all_is_none_of_its_business(config: str) -> None:
    for arguments in (["--help"], ["version"], ["check", "--config", config]):
        done = printed(*arguments, to=">&-")
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_nor_is_it_of_who_asks_the_leader(tmp_path: Path) -> None:
    with Leader() as leader:
        leader.document = known_document()
        to_whom = ["--server", leader.address, "--kubeconfig", str(kubeconfig(tmp_path))]
        for form in ("table", "json"):
            done = printed("status", "-o", form, *to_whom, to=">&-")
            assert (done.returncode, done.stderr) == (0, ""), form


def test_what_is_opened_next_does_not_get_the_number_of_a_closed_output() -> None:
    code = (
        "import os, sys; from dnatctl.cli.main import _open_what_is_closed as open; open();"
        "print(1); print(2, file=sys.stderr);"
        "sys.exit(os.open(os.devnull, os.O_RDONLY) < 3 or sys.stdout.isatty())"
    )
    command = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", code]
    assert subprocess.run(command, check=False, timeout=300).returncode == 0

"""What a command loads: the clients of cloud and cluster take half a second, so whatever does not
ask either starts without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnatctl.cli.main import COMMANDS
from tests.unit.config.samples import DOCUMENTED

VPC = "alibabacloud_vpc20160428"
CLOUD = {VPC, "alibabacloud_credentials", "Tea", "darabonba"}
CLUSTER = {"kubernetes", "urllib3"}
TOLD = "\nfinally:\n    print(*sys.modules, file=sys.stderr)"
CALL = "import sys\nfrom dnatctl.cli.main import cli\ntry:\n    cli(sys.argv[1:])" + TOLD
IMPORT_ALL = (
    "import importlib, sys\nfrom dnatctl.cli.main import COMMANDS\ntry:\n"
    "    for where, _ in COMMANDS.values():\n"
    "        importlib.import_module(where.partition(':')[0])" + TOLD
)


def loaded(program: str, *arguments: str) -> set[str]:
    """The packages that a program has loaded when it ends."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("argument", ["--help", "--version", "version"])
def test_a_word_about_itself_takes_next_to_nothing(argument: str) -> None:
    assert loaded(CALL, argument).isdisjoint({*CLOUD, *CLUSTER, "pydantic", "structlog"})


def test_a_configuration_is_checked_without_either_client(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    keys = DOCUMENTED.replace('accessKey: ""', "accessKey: a").replace('Secret: ""', "Secret: b")
    file.write_text(keys, encoding="utf-8")
    assert loaded(CALL, "check", "--config", str(file)).isdisjoint(CLOUD | CLUSTER)


def test_the_api_of_the_cloud_is_loaded_by_what_calls_it() -> None:
    """It alone takes as long as all else; `--help` of any command does without."""
    assert VPC not in loaded(IMPORT_ALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_there_before_anything_heavy_is(command: str) -> None:
    """Neither the clients, nor what a controller is made of."""
    names = loaded(CALL, command, "--help")
    assert names.isdisjoint({*CLOUD, *CLUSTER, "apscheduler"})

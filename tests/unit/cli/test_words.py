"""What is said to somebody who mistypes."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from dnatctl.cli.main import cli


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("explian", " (Did you mean 'explain'?)"),
        ("uninstal", " (Did you mean 'uninstall'?)"),
        ("expose", ""),
    ],
)
def test_a_command_that_is_none(typed: str, hint: str) -> None:
    done = CliRunner().invoke(cli, [typed])
    assert done.exit_code == 2
    assert done.output.rstrip().endswith(f"No such command '{typed}'.{hint}")

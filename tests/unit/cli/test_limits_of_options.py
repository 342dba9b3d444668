"""Options that take what is no answer to their question say so, before anything is asked."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from dnatctl.cli.main import cli


@pytest.mark.parametrize("command", ["gc", "plan", "uninstall"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1"])
def test_nobody_waits_for_ever_or_not_at_all(command: str, seconds: str) -> None:
    result = CliRunner().invoke(cli, [command, "--timeout", seconds])

    assert result.exit_code == 2
    assert "is no number of seconds to wait" in result.stderr


def test_no_tag_is_no_tag_of_another_cluster() -> None:
    """`gc --of "$TAG"` of a shell that has no TAG showed the orphans of this cluster."""
    result = CliRunner().invoke(cli, ["gc", "--of", ""])

    assert result.exit_code == 2
    assert "a tag has 8 characters" in result.stderr

"""Options of `dnatctl run` that do not go together."""

from __future__ import annotations

from click.testing import CliRunner

from dnatctl.cli.run import run


def test_tokens_are_not_asked_for_where_they_would_be_read_on_their_way() -> None:
    result = CliRunner().invoke(run, ["--metrics-token-review"])
    assert result.exit_code == 2
    assert "needs --metrics-cert-folder" in result.output

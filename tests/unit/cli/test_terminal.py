"""Whether somebody sees what is said at once."""

from __future__ import annotations

import sys

import pytest

from dnatctl.cli.asking import colours, is_terminal
from dnatctl.cli.status import _draw


def test_an_output_that_was_closed_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dnatctl status >&-` ended in a traceback."""
    monkeypatch.setattr(sys, "stdout", None)
    assert not is_terminal()
    assert not colours()
    _draw(["a line"])

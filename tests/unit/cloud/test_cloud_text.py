"""Whatever the cloud writes, what is shown of it is one line, short, and holds no secret."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.cloud.text import LONGEST, shown

SECRET = "Zk3/t+7aQ=secret"
TEXT = st.text(st.sampled_from("server string:/ \n\t\0\u202e=") | st.characters())


@given(TEXT, TEXT, st.integers(0, 400))
def test_one_line_and_short(before: str, after: str, repeats: int) -> None:
    line = shown((before + after) * repeats)
    assert len(line) <= LONGEST + 3
    assert line.isprintable()


@pytest.mark.parametrize("form", [SECRET, quote(SECRET, safe="")])
@pytest.mark.parametrize(
    "before", ["", "key ", "x" * 290, "https://" + "h" * 2030 + " ", " " * 2040]
)
@given(TEXT)
def test_known_secrets_are_replaced(form: str, before: str, after: str) -> None:
    line = shown(f"{before}{form} {after}", ["", SECRET])
    assert form[:8] not in line


@pytest.mark.parametrize(
    "piece",
    [
        "server ",
        "server",
        " ",
        "\0",
        "a://",
        "://",
        "w",
        "a" * 79 + " ",
        "serverstrin",
        "<",
        "\u202e",
    ],
)
def test_megabytes_of_anything_are_looked_at_in_no_time(piece: str) -> None:
    """With a pattern whose time grows with the square of the length this would take hours."""
    assert len(shown(piece * (3_000_000 // len(piece)), [SECRET])) <= LONGEST + 3


def test_what_is_no_text_is_shown_as_text() -> None:
    assert shown({"a": [1]}) == "{'a': [1]}"
    assert shown(None) == "None"

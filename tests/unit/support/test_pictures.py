"""The pictures of terminals in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hack.reference.terminal import CHARACTER, drawn

DOCS = Path(__file__).parents[3] / "docs"
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.mark.parametrize("picture", ["demo.svg", "images/status.svg"])
def test_columns_stay_columns_where_a_browser_makes_one_blank_of_many(picture: str) -> None:
    drawing = ElementTree.parse(DOCS / picture)
    texts = ["".join(each.itertext()) for each in drawing.iter(TEXT)]
    assert texts
    assert not [text for text in texts if re.search(r"^ |  ", text)]


def test_a_line_is_as_long_as_its_characters_and_each_part_has_its_colour() -> None:
    picture = drawn("it", [[("a  <", "#111111"), ("b", "#222222")], [("", "#111111")]])

    (line,) = ElementTree.fromstring(picture).iter(TEXT)
    assert line.get("textLength") == f"{5 * CHARACTER:.1f}"
    assert (line.text, line.get("fill")) == ("a\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}<", "#111111")
    assert [(part.text, part.get("fill")) for part in line] == [("b", "#222222")]

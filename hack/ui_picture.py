"""Draws docs/images/ui.png anew: the page of `dnatctl ui` with what the tests show it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.e2e.browser import browser
from tests.support.leader import AT, Leader, known_document, serving

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "ui.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Leader() as leader:
        folder = Path(name)
        leader.document, leader.at = known_document(), AT
        with serving(folder, leader.address) as served, browser(folder / "browser") as tab:
            tab.open(served.url)
            tab.until("document.querySelectorAll('[role=grid] .cell').length")
            tab.press("Tab")
            PICTURE.write_bytes(tab.picture(1100, 1060))


if __name__ == "__main__":
    main()

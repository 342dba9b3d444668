"""What anybody may have written, into an annotation for one, on the terminal of who asks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from dnatctl.cli import asking, draining, explain, gc, uninstall
from dnatctl.objects import Key
from dnatctl.status.explain import Explanation
from dnatctl.status.links import Link, LinkState

EVIL = "yes\x1b[2J\x1b]0;owned\x07\x9b2J\nand more"
SHOWN = "yes[2J]0;owned2J and more"


def test_explain_shows_text_of_others_without_what_a_terminal_obeys() -> None:
    link = Link("annotations", LinkState.WRONG, EVIL, since=EVIL)
    *lines, _, last = explain._lines(Explanation((link,), EVIL))
    assert lines == [f"✗ annotations  {SHOWN}  (since {SHOWN})"]
    assert last == SHOWN


def test_lines_keep_their_blanks_and_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asking.say(f"  kept     {EVIL}")
    asking.aside(f"  note  {EVIL}")
    assert capsys.readouterr() == (f"  kept     {SHOWN}\n", f"  note  {SHOWN}\n")
    assert asking.failure(ValueError(EVIL)).message == SHOWN


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_a_document_has_all_of_it_and_tells_a_terminal_none(
    form: str, read: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    asking.give_document(form, {"text": f"{EVIL} 端口"})
    out = capsys.readouterr().out
    assert read(out) == {"text": f"{EVIL} 端口"}
    assert set(out) & set("\x1b\x07\x9b") == set()
    assert "端口" in out


def test_commands_that_change_things_show_what_others_have_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orphan = SimpleNamespace(gateway_id="ngw-1", entry_id="fwd-1", uid=EVIL)
    entry: Any = SimpleNamespace(
        entry_id="fwd-1",
        external_ip="47.1.2.3",
        external_ports=EVIL,
        protocol="tcp",
        internal_ip="10.0.0.1",
        internal_ports="80",
    )
    collector: Any = SimpleNamespace(
        find=lambda _timeout: [(orphan, entry)],
        had=lambda _found: {orphan.entry_id: Key("games", EVIL)},
        lead=lambda _timeout: "",
        delete=lambda orphans, _timeout: [(orphan, EVIL) for orphan in orphans],
        hand_over=lambda _timeout: EVIL,
    )
    record = SimpleNamespace(key=Key("games", EVIL))
    survey: Any = SimpleNamespace(
        rows=[(orphan, entry)],
        records=[record],
        pods=[record],
        ledger=[EVIL],
        kept=[(record, EVIL)],
        doubtful=[],
    )
    monkeypatch.setattr(draining, "_status", lambda _it: None)
    monkeypatch.setattr(draining, "_there", lambda *_: [EVIL])

    gc._collect(collector, yes=True, living=True, timeout=1)
    uninstall._show(survey)
    uninstall._conclude([EVIL], survey, "kube-system", crd=True)
    draining.watch(SimpleNamespace(), SimpleNamespace(target="eip/47.1.2.3"), wait=False)  # type: ignore[arg-type]

    out, err = capsys.readouterr()
    assert SHOWN in out
    assert SHOWN in err
    assert set(out + err) & set("\x1b\x07\x9b") == set()

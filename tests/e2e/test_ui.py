"""The page of `dnatctl ui`, in a real browser, with a leader that says what the test wants."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dnatctl.status.document import StatusDocument
from tests.e2e.browser import Tab, browser, program
from tests.e2e.eventually import eventually
from tests.support.leader import GATEWAYS, Leader, Served, known_document, serving

CELLS = "document.querySelectorAll('[role=grid] .cell').length"
CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")

pytestmark = pytest.mark.skipif(
    program() is None and "CI" not in os.environ,
    reason="no Chromium; on Debian: apt-get install chromium-headless-shell",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture(scope="module")
def speaker() -> Iterator[Leader]:
    with Leader() as leader:
        yield leader


@pytest.fixture(scope="module")
def served(speaker: Leader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), speaker.address) as served:
        yield served


@pytest.fixture
def leader(speaker: Leader) -> Leader:
    """It says the usual, in a way that tells it from what a test before made it say."""
    if speaker.document is None or speaker.document is not speaker.usual:
        version = secrets.token_hex(4)
        speaker.usual = msgspec.structs.replace(known_document(), version=version)
        speaker.document = speaker.usual
    return speaker


@pytest.fixture
def tab(chromium: Tab, served: Served, leader: Leader) -> Tab:
    """The page, once it shows what the leader says."""
    chromium.prefer("light")
    opened(chromium, served, leader)
    return chromium


def opened(chromium: Tab, served: Served, leader: Leader) -> None:
    """Open the page, and wait until it shows what the leader says now."""
    chromium.open(served.url)
    assert leader.document is not None
    version = json.dumps(leader.document.version)
    chromium.until(f"typeof shown === 'object' && shown?.version === {version}")


def cell(endpoint: str) -> str:
    """The expression for a port's cell."""
    return f"document.querySelector('.cell[aria-label^=\"{endpoint}:\"]')"


def focused(tab: Tab) -> str:
    return str(tab.eval("document.activeElement.getAttribute('aria-label')"))


def test_it_shows_what_the_leader_says(tab: Tab) -> None:
    text = " ".join(tab.text().split())

    assert "cluster c11ba338192xxxxxxx ready, led by dnatctl-0_1" in text
    assert "pod IPs of node cn-hangzhou.10.0.0.7 are unsure" in text
    assert 'InvalidAnnotation k8s.aliyun.com/pod-dnat-expose-port: "http" is not a port' in text
    assert f"{GATEWAYS[0]} in cn-hangzhou-j" in text
    assert "186 of 200 (184 ours, 1 foreign, 1 orphaned)" in text
    assert "9 writes, about 12 s" in text
    assert "Nothing new goes here: it is being drained" in text
    assert "47.110.1.10: free" in text
    states: Any = tab.eval(
        "Object.fromEntries([...document.querySelectorAll('#legend li')].map((item) => ["
        "item.childNodes[1].textContent, document.querySelectorAll('[role=grid] .'"
        " + item.childNodes[1].textContent.split(' ')[0]).length]))"
    )
    told = {text.split()[0]: int(text.split()[1]) for text in states}
    drawn = {text.split()[0]: count for text, count in states.items()}
    assert told["used"] == drawn["used"] == 183
    assert (drawn["pending"], drawn["resting"], drawn["foreign"], drawn["orphan"]) == (7, 2, 16, 1)
    assert tab.complaints == []


def test_a_port_is_told_to_who_points_at_it(tab: Tab) -> None:
    tab.point(cell("47.110.1.10:512/tcp"))

    tab.until(
        "line.textContent.startsWith('47.110.1.10:512/tcp: used, pod games/room-0, leads to')"
    )


def test_the_keyboard_reaches_every_port_and_its_life(tab: Tab) -> None:
    tab.press("Tab")
    assert focused(tab).startswith("47.110.1.10:512/tcp: used")
    for key, port in (("ArrowRight", 513), ("ArrowDown", 577), ("End", 639), ("Home", 576)):
        tab.press(key)
        assert focused(tab).startswith(f"47.110.1.10:{port}/tcp: ")
        assert tab.eval("line.textContent") == focused(tab)
    tab.press("ArrowUp")

    tab.press("Enter")
    lives = tab.eval(
        "[...document.querySelectorAll('#lives tbody tr')].map((row) => row.innerText)"
    )
    assert [life.split("\t")[:3] for life in lives] == [
        ["47.110.1.10:512/tcp", "used", "games/room-0"],
        ["47.110.1.10:512/tcp", "had it", "games/early-0"],
    ]
    tab.press("Escape")
    assert focused(tab).startswith("47.110.1.10:512/tcp: ")
    tab.press("Tab")
    assert focused(tab).startswith("47.110.1.11:512/udp: "), "one stop a map"
    tab.press("Tab")
    assert tab.eval("document.activeElement.labels[0].textContent").startswith("Endpoint")


def test_what_changes_is_shown_and_the_keyboard_stays_where_it_is(tab: Tab, leader: Leader) -> None:
    tab.press("Tab")
    assert leader.document is not None
    first, *others = leader.document.gateways
    eip, *eips = first.eips
    gone = msgspec.structs.replace(eip, ports=eip.ports[1:])
    gateway = msgspec.structs.replace(first, eips=(gone, *eips))
    leader.document = msgspec.structs.replace(leader.document, gateways=(gateway, *others))

    tab.until("line.textContent === '47.110.1.10:512/tcp: free'")
    assert focused(tab) == "47.110.1.10:512/tcp: free"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_be_told_apart_from_what_is_behind_it(tab: Tab, scheme: str) -> None:
    """As WCAG 2.2 wants it: 4.5 for text (1.4.3), 3 for what is no text (1.4.11)."""
    tab.prefer(scheme)
    found: Any = json.loads(tab.eval(CONTRAST))

    assert (sum(found["page"]) < 200) == (scheme == "dark")
    assert len(found["texts"]) > 50
    assert {what: ratio for what, ratio in found["texts"].items() if ratio < 4.5} == {}
    assert len(found["cells"]) == 6
    assert {what: ratio for what, ratio in found["cells"].items() if ratio < 3} == {}


HOSTILE = "<img src=x onerror=window.hit=1></script><script>window.hit=1</script>"


def test_what_strangers_wrote_is_text(chromium: Tab, served: Served, leader: Leader) -> None:
    def spoil(value: object) -> object:
        if isinstance(value, dict):
            return {key: spoil(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [spoil(inner) for inner in value]
        kept = ("tcp", "udp", "used", "pending", "resting", "foreign", "orphan")
        return value + HOSTILE if isinstance(value, str) and value not in kept else value

    spoilt = spoil(msgspec.to_builtins(leader.document))
    leader.document = msgspec.convert(spoilt, type=StatusDocument)
    opened(chromium, served, leader)
    chromium.eval("pick(document.querySelector('.cell'))")

    assert chromium.text().count("<img src=x") > 20
    assert chromium.eval("document.images.length + document.scripts.length") == 1
    assert chromium.eval("window.hit") is None
    assert chromium.complaints == []


def test_the_browser_would_not_run_a_script_that_got_in(tab: Tab) -> None:
    tab.eval(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.hit = 1'}))"
    )
    assert tab.eval("window.hit") is None
    tab.eval("window.got = ''; fetch('http://127.0.0.1:1/').catch((error) => { got = 'refused' })")
    tab.until("got === 'refused'")
    assert all("Content Security Policy" in text for text in tab.complaints), tab.complaints
    assert len(tab.complaints) >= 2


def test_what_is_old_is_shown_as_old_with_the_reason(tab: Tab, leader: Leader) -> None:
    leader.document = None
    tab.until("problem")
    tab.eval("arrived -= 60000")  # a minute goes by
    told = tab.until("banner.textContent")
    assert told.startswith("Stale: this was so at 20")
    assert "The leader does not answer: NotFound: /status: 503" in told
    assert tab.eval(CELLS) > 100

    leader.document = known_document()
    tab.until("banner.hidden")


def test_a_leader_that_never_answered_and_a_command_that_ended(
    chromium: Tab, tmp_path: Path
) -> None:
    with serving(tmp_path, "127.0.0.1:1") as served:
        chromium.open(served.url)
        told = chromium.until("document.querySelector('#banner').textContent")
        assert told.startswith("Nothing is known yet. The leader does not answer: Unreachable: 127")
        assert "refused" in told

    chromium.until("banner.textContent.includes('dnatctl ui has ended')")


def test_what_the_page_of_before_says_is_no_complaint_of_this_one(
    tab: Tab, served: Served, leader: Leader
) -> None:
    tab.eval("setInterval(() => console.log('of before'), 0)")
    eventually(lambda: tab.eval("true") and tab.complaints)
    opened(tab, served, leader)

    assert tab.complaints == []


def test_a_picture_of_it_has_all_the_colours(tab: Tab) -> None:
    png = tab.picture(1100, 1020)

    assert png.startswith(b"\x89PNG")
    assert 20_000 < len(png) < 200_000


def test_nothing_of_a_browser_outlives_its_use(tmp_path: Path) -> None:
    with browser(tmp_path / "browser") as tab:
        tab.eval("1")

    eventually(lambda: not any(str(tmp_path) in words for words in commands()))


def commands() -> Iterator[str]:
    """The command lines of all processes, of those that have ended none."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield file.read_text("utf-8", "replace")

"""`dnatctl demo` as users start it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from dnatctl_sim.demo.story import STORY
from tests.integration.cli.processes import Program, alive, running
from tests.support.stage import PATIENCE_S


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    with running(tmp_path, "demo", "--fast", "--dir", str(tmp_path / "state")) as program:
        yield program


def controller_of(demo: Program) -> int:
    """The process of the controller; kubectl may be another child."""
    commands = {}
    for pid in demo.children:
        with suppress(FileNotFoundError, ProcessLookupError):  # kubectl may have ended since
            commands[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
    (controller,) = [pid for pid, command in commands.items() if b"--kubeconfig" in command]
    return controller


def acts(output: str) -> dict[str, str]:
    """What was told in each act, by its title."""
    parts = re.split(r"^== \d+\. (.+)$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_tells_the_whole_story_in_plain_lines_and_ends_with_0(demo: Program) -> None:
    status = demo.process.wait(PATIENCE_S)
    told = acts(demo.output)

    assert status == 0, demo.output + demo.errors
    assert demo.errors == ""
    assert "\x1b" not in demo.output
    assert "\r" not in demo.output
    assert "FAIL" not in demo.output
    assert list(told) == [act.title for act in STORY]
    for title, text in told.items():
        assert re.search(r"^ok   ", text, flags=re.MULTILINE), f"nothing is checked in {title}"

    check_exposure(told["Expose a pod"])
    check_object(told["What others read"])
    check_scaling(told["Scale up and down"])
    check_repair(told["Somebody touches the table"])
    check_recycling(told["A pod IP is used again"])
    assert "the forward table is empty" in told["Delete the Deployment"]
    assert "writes to the table" in told["The figures"]


def check_exposure(text: str) -> None:
    """The pod is seen with a usable endpoint in the end; what came before is not always caught."""
    lines = re.findall(r"^ +[\d.]+ s  (example-.*)$", text, flags=re.MULTILINE)
    cells = [line.split() for line in lines]
    assert len({row[0] for row in cells}) == 1
    entries = [row[4] for row in cells]
    assert "Pending" not in entries[entries.index("Available") :]
    assert cells[-1][3] == "203.0.113.1:512"
    assert [row[5] for row in cells][-1] == "yes"


def check_object(text: str) -> None:
    shown = yaml.safe_load(text[text.index("apiVersion") : text.index("\nok ")])
    assert shown["apiVersion"] == "alibabacloud.com/v1"
    assert shown["spec"]["externalIP"] == "203.0.113.1"
    assert shown["spec"]["portMapping"] == [{"externalPort": "512", "internalPort": "80"}]
    assert len(shown["status"]["entries"]) == 1


def check_scaling(text: str) -> None:
    up, down = text.split("--replicas=2")
    ready = {line.split()[2] for line in up.splitlines() if line.endswith("yes")}
    assert len(ready) == 6
    assert len([line for line in down.splitlines() if line.split()[4:5] == ["released"]]) == 4


def check_repair(text: str) -> None:
    assert "to 172.16.255.250" in text
    assert len(re.findall(r"Warning +EntryRepaired .*pod/example-", text, flags=re.MULTILINE)) == 2


def check_recycling(text: str) -> None:
    match = re.search(r"the new pod has (\S+), not (\S+)$", text, flags=re.MULTILINE)
    assert match
    assert match[1] != match[2]


def test_where_the_controller_dies_it_says_so_and_serves_what_is_left(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--fast", "--serve") as demo:
        demo.wait_for("== 1.")
        controller = controller_of(demo)
        os.kill(controller, signal.SIGKILL)
        output = demo.wait_for("Ctrl-C ends it")
        assert re.search(r"^FAIL .*the controller has ended", output, flags=re.MULTILINE)
        folder = re.search(r"KUBECONFIG=(\S+)/kubeconfig", output)
        assert folder
        assert Path(folder[1], "kubeconfig").exists()

        assert demo.end() == 1
        assert not Path(folder[1]).exists()


def test_ctrl_c_before_the_controller_has_begun_is_no_failure_of_it(demo: Program) -> None:
    demo.wait_for("export KUBECONFIG")

    assert demo.end(signal.SIGINT) == 1
    assert "FAIL" not in demo.output
    assert demo.errors == ""


def test_ctrl_c_ends_it_with_its_controller(demo: Program) -> None:
    demo.wait_for("== 1.")
    controller = controller_of(demo)

    assert demo.end(signal.SIGINT) == 1
    assert not alive(controller)
    assert demo.errors == ""

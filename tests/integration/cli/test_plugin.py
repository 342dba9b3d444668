"""dnatctl as a plugin of stock kubectl: its commands, and their completion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.support.programs import KUBECTL
from tests.support.stage import NAMESPACE, Stage, stage

SETUP = Path(__file__).parents[3] / "setup.cfg"
LEADER = "dnatctl-0"

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def it() -> Iterator[Stage]:
    with stage() as running:
        controller = running.start_controller(identity=f"{LEADER}_1").controller
        spec = {"containers": [{"name": "c", "image": "dnatctl"}]}
        leader = {"metadata": {"name": LEADER, "namespace": NAMESPACE}, "spec": spec}
        running.kube.store.create("pods", leader)
        running.config["status_port"] = controller.parts.doors.status_port
        running.pod("web", "8080")
        running.ready("web")
        yield running


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs that an installation puts into PATH."""
    folder = tmp_path_factory.mktemp("bin")
    setup = ConfigParser()
    setup.read(SETUP, "utf-8")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        name, _, where = line.partition(" = ")
        module, _, function = where.partition(":")
        if name.startswith("kubectl"):
            program = folder / name
            program.write_text(
                f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
                f"sys.exit({function}())\n"
            )
            program.chmod(0o755)
    return folder


@pytest.fixture
def kubectl(it: Stage, plugins: Path) -> Kubectl:
    """Run it as a person who has the plugin does."""
    environment = os.environ | {
        "PATH": f"{plugins}:{os.environ['PATH']}",
        "KUBECONFIG": str(it.folder / "kubeconfig"),
        "HOME": str(it.folder),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [KUBECTL, *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def test_kubectl_finds_it(kubectl: Kubectl) -> None:
    found = kubectl("plugin", "list", "--name-only").stdout.split()

    assert "kubectl-dnat" in found


def test_its_commands_are_commands_of_kubectl(it: Stage, kubectl: Kubectl) -> None:
    port = ("--status-port", str(it.config["status_port"]))
    entry = it.entries("web")[0]
    endpoint = f"{entry['externalIP']}:{entry['externalPort']}"

    for words, told in (
        (("status", *port), f"led by {LEADER}_1"),
        (("list", "-A"), f"{endpoint}/tcp->8080"),
        (("who", endpoint, *port), "default/web"),
        (("explain", "web", *port), "Reachable: "),
    ):
        done = kubectl("dnat", *words)
        assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
        assert told in done.stdout


def completed(kubectl: Kubectl, *words: str) -> tuple[list[str], str]:
    """What a shell is offered for the last word, and what it is told to do with that."""
    *found, directive = kubectl("__complete", "dnat", *words).stdout.splitlines()
    return [line.partition("\t")[0] for line in found], directive


def test_kubectl_completes_its_words(kubectl: Kubectl) -> None:
    assert completed(kubectl, "st") == (["status"], ":4")
    assert completed(kubectl, "list", "-o", "") == (["table", "wide", "json", "yaml"], ":4")
    assert "--watch" in completed(kubectl, "status", "--")[0]
    assert completed(kubectl, "status", "--kubeconfig", "") == ([], ":0"), "a file's name"

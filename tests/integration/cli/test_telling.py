"""What the demo looks at and how it tells it: its checks must be able to fail."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnatctl_sim.configuration import CLUSTER_ID
from dnatctl_sim.demo.controller import Samples
from dnatctl_sim.demo.scene import PodLine, Scene
from dnatctl_sim.demo.screen import Screen
from dnatctl_sim.demo.story import DOCUMENTED, missing_fields
from dnatctl_sim.kube import KubeletSettings
from dnatctl_sim.stage import Stage, StageSettings
from tests.integration.cli.processes import eventually

NOTES = {"k8s.aliyun.com/pod-dnat": "", "k8s.aliyun.com/pod-dnat-expose-port": "80"}
EIP = "203.0.113.1"
POD = {
    "metadata": {"name": "game", "namespace": "default", "annotations": NOTES},
    "spec": {"containers": [{"name": "game", "image": "game"}]},
}


class Exposed:
    """A pod that some controller has exposed, and the row that it made."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.scene = Scene(stage)
        stage.kube.store.create("pods", POD)
        eventually(lambda: self.scene.find("game").ip)
        self.ip = self.scene.find("game").ip
        uid = self._record()["metadata"]["uid"]
        gateway = stage.settings.scenario.gateways[0].id
        name = f"dnatctl_{CLUSTER_ID}_{uid}"
        self.row = stage.acts.create_entry(gateway, EIP, "512", self.ip, "80", name=name)

    def _record(self) -> dict[str, Any]:
        mapping = [{"externalPort": "512", "internalPort": "80"}]
        return self.stage.kube.store.create(
            "poddnats.alibabacloud.com",
            {
                "metadata": {"name": "game", "namespace": "default"},
                "spec": {"externalIP": EIP, "internalIP": self.ip, "portMapping": mapping},
            },
        )

    def publish(self, *, listed: bool) -> None:
        entry = {
            "externalIP": EIP,
            "externalPort": "512",
            "ipProtocol": "tcp",
            "internalIP": self.ip,
            "internalPort": "80",
            "forwardEntryId": self.row,
        }
        patch = {"status": {"entries": [entry] if listed else []}}
        self.stage.kube.store.patch("poddnats.alibabacloud.com", "default", "game", patch, "status")


@pytest.fixture
def exposed(tmp_path: Path) -> Iterator[Exposed]:
    with Stage(StageSettings(folder=tmp_path, kubelet=KubeletSettings())) as stage:
        yield Exposed(stage)


def test_listing_what_reaches_the_pod_is_the_truth(exposed: Exposed) -> None:
    exposed.publish(listed=True)
    assert exposed.scene.lies() == []
    assert exposed.scene.find("game").line() == PodLine(
        "game", exposed.ip, "Running", f"{EIP}:512", "Available", ready=True
    )


def test_listing_what_leads_elsewhere_is_a_lie(exposed: Exposed) -> None:
    exposed.publish(listed=True)
    exposed.stage.acts.edit_entry(exposed.row, internal_ip="172.16.9.9")
    assert exposed.scene.lies() == ["game"]
    assert exposed.scene.find("game").line().entry == "to 172.16.9.9"


def test_listing_what_is_gone_is_a_lie(exposed: Exposed) -> None:
    exposed.publish(listed=True)
    exposed.stage.acts.delete_entry(exposed.row)
    assert exposed.scene.lies() == ["game"]


def test_listing_what_is_not_usable_yet_is_a_lie(exposed: Exposed) -> None:
    exposed.publish(listed=True)
    exposed.stage.acts.hold_entry(exposed.row)
    assert exposed.scene.lies() == ["game"]


def test_listing_nothing_is_never_a_lie_and_never_ready(exposed: Exposed) -> None:
    exposed.publish(listed=False)
    assert exposed.scene.lies() == []
    assert not exposed.scene.find("game").ready
    assert not exposed.scene.find("game").line().settled


def test_a_missing_field_is_found() -> None:
    entry = dict.fromkeys(DOCUMENTED["entries"], "x")
    whole: dict[str, Any] = {
        "metadata": dict.fromkeys(DOCUMENTED["metadata"], "x"),
        "spec": dict.fromkeys(DOCUMENTED["spec"], "x"),
        "status": {"entries": [entry]},
    }
    assert missing_fields(whole) == []
    del whole["spec"]["eni"], entry["forwardEntryId"]
    assert missing_fields(whole) == ["entries.forwardEntryId", "spec.eni"]


def test_a_pipe_gets_a_line_for_each_change() -> None:
    out = io.StringIO()
    before = PodLine("game", "", "Pending", "", "", ready=False)
    after = PodLine("game", "172.16.0.10", "Running", f"{EIP}:512", "Available", ready=True)
    with Screen(out).pods() as show:
        for lines in ([], [before], [before], [after], [after], []):
            show(lines)

    told = [line.split()[2:] for line in out.getvalue().splitlines()[1:]]
    assert told == [
        ["game", "-", "Pending", "-", "-", "no"],
        ["game", "172.16.0.10", "Running", f"{EIP}:512", "Available", "yes"],
        ["game", "-", "released", "-", "-", "-"],
    ]


class Terminal(io.StringIO):
    """One that looks as if it were on a desk."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_whole_columns_however_long_names_are(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    name = "a-deployment-of-a-long-name-62f6b2jnx-qjkkb"
    ip, endpoint = "172.16.255.250", "203.0.113.254:65535"
    line = PodLine(name, ip, "Terminating", endpoint, f"to {ip}", ready=True)
    out = Terminal()
    with Screen(out).pods() as show:
        show([line])

    text = re.sub(r"\x1b\[[\d?;]*[A-Za-z]", "", out.getvalue())
    header, row = [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()][:2]
    assert header.split() == ["POD", "IP", "PHASE", "ENDPOINT", "ENTRY", "READY"]
    assert row.split()[1:] == [ip, "Terminating", endpoint, "to", ip, "yes"]
    assert row.split()[0].endswith("-qjkkb" if width == 80 else name)
    assert max(len(header), len(row)) <= width


def test_a_pipe_gets_no_colours_even_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    screen = Screen(out)
    screen.heading("Title", "Intro")
    screen.check("[red]as it is[/red]", held=True)
    assert out.getvalue() == "\n== Title\nIntro\nok   [red]as it is[/red]\n"


def test_samples_are_summed_over_the_labels_not_given() -> None:
    samples = Samples(
        "# TYPE writes counter\n"
        'writes_total{op="create",outcome="ok"} 2\n'
        'writes_total{op="create",outcome="busy"} 3\n'
        'writes_total{op="delete",outcome="ok"} 5\n'
    )
    assert samples.total("writes_total") == 10
    assert samples.total("writes_total", outcome="ok") == 7
    assert samples.total("writes_total", op="create", outcome="ok") == 2
    assert samples.total("others_total") == 0

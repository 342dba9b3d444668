"""The emulated server as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.integration.sim.kube_support import Http, eventually, pod

PODS = "/api/v1/namespaces/default/pods"


@contextmanager
def process(*args: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and what it said when it was ready."""
    command = [sys.executable, "-m", "dnatctl_sim.kube", *args]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield running, json.loads(running.stdout.readline())
        finally:
            running.kill()


def test_it_writes_a_kubeconfig_and_runs_pods(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    args = ("--kubeconfig", str(file), "--nodes=1", "--pod-cidr=10.7.0.0/24", "--start-seconds=0")
    with process(*args) as (_, ready):
        config = yaml.safe_load(file.read_text())
        assert config["clusters"][0]["cluster"]["server"] == ready["url"]
        assert ready["kubeconfig"] == str(file)
        assert file.stat().st_mode & 0o077 == 0, "for its owner only"
        http = Http(ready["url"])
        http("POST", PODS, pod("web"))
        eventually(lambda: http("GET", f"{PODS}/web")["status"].get("podIP") == "10.7.0.10")
        assert len(http("GET", "/api/v1/nodes")["items"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(number: signal.Signals) -> None:
    with process() as (running, ready):
        assert Http(ready["url"])("GET", PODS).code == 200
        running.send_signal(number)
        assert running.wait(timeout=60) == 0


def test_it_ends_with_its_parent() -> None:
    with process("--parent-pipe") as (running, _):
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(timeout=60) == 0

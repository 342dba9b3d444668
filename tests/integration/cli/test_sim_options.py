"""What can be asked of `dnatctl sim`, and what it says to nonsense."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from dnatctl.cli.main import cli
from dnatctl.config import load
from dnatctl_sim.cloud import CloudAdmin, Settle
from tests.integration.cli.processes import running


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command takes over the signals of the process."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def refuse(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sim", *arguments])


@pytest.mark.parametrize("text", ["soon", "3-1", "1-2-3", "-1", "nan", "inf", "0-inf"])
def test_a_time_that_makes_no_sense_is_bad_usage(text: str) -> None:
    result = refuse(f"--settle={text}")
    assert result.exit_code == 2
    assert "--settle" in result.output


@pytest.mark.parametrize(
    ("scenario", "complaint"),
    [
        ("gateways: {}", "gateways"),
        ("colour: blue", "colour"),
        ("]", "expected"),
        ("vpcs: [{vswitches: [{id: v, cidr: 10.0.0.0/8, zone: z, pods: false}]}]", "vSwitch"),
        ("gateways: [{id: ngw-1, vpc: vpc-other}]", "vpc-other"),
        ("gateways: [{id: a}, {id: b, vpc: vpc-x}]", "gateway b: there is no VPC vpc-x"),
        ("gateways: [{id: ngw-1}, {id: ngw-1}]", "gateway ngw-1: it is there twice"),
        ("gateways: [{id: ngw-1, eips: [203.0.113]}]", "gateway ngw-1: Expected 4 octets"),
        ("gateways: [{id: ngw-1, eips: [1.2.3.4]}]\neips: [1.2.3.4]", "EIP 1.2.3.4: the EIP 1.2."),
        ("vpcs: [{vswitches: [{id: v, cidr: 10.1.2.3/8, zone: z}]}]", "10.1.2.3/8 has host bits"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_bad_usage(
    tmp_path: Path, scenario: str, complaint: str
) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(scenario)
    result = refuse("--scenario", str(file))
    assert result.exit_code == 2, result.output
    assert complaint in result.output


def test_a_scenario_says_itself_what_gateways_there_are(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text("{}")
    assert refuse("--scenario", str(file), "--gateways", "2").exit_code == 2


def test_what_it_prints_can_be_pasted_into_a_shell_that_knows_no_dnatctl(tmp_path: Path) -> None:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with running(tmp_path / "out", "sim", environment=bare) as sim:
        text = sim.wait_for("_sim/truth")
        (line,) = [line for line in text.splitlines() if " run --config " in line]
        pasted = ["bash", "-c", f"{line.replace(' run ', ' check ').split(' --kubeconfig')[0]}"]
        done = subprocess.run(pasted, env=bare, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_taken_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--kube-port", "--cloud-port"):
            result = refuse(option, port)
            assert result.exit_code == 1
            assert "in use" in result.output


@pytest.mark.parametrize("port", ["-1", "65536"])
@pytest.mark.parametrize("option", ["--kube-port", "--cloud-port"])
def test_a_port_that_is_none_is_bad_usage(option: str, port: str) -> None:
    result = refuse(f"{option}={port}")
    assert result.exit_code == 2
    assert option in result.output


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = refuse("--dir", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 1
    assert "file/folder" in result.output


def test_gateways_and_how_they_behave_are_as_asked_for(tmp_path: Path) -> None:
    asked = ["--gateways", "3", "--eips", "4", "--settle", "0.1-0.2", "--quota", "7", "--relaxed"]
    with running(tmp_path, "sim", "--json", *asked) as sim:
        where = json.loads(sim.wait_for("\n"))
        cloud = CloudAdmin(where["cloud"])
        knobs = cloud.knobs()
        truth = cloud.truth()
        config = load(Path(where["config"]))

    assert [gateway.gateway_id for gateway in config.gateways] == list(truth["gateways"])
    assert len(truth["gateways"]) == 3
    assert len(truth["eips"]) == 12
    assert config.endpoints.vpc == where["cloud"]
    assert (knobs.settle, knobs.quota, knobs.mode) == (Settle.all((0.1, 0.2)), 7, "relaxed")


def test_a_scenario_is_the_account(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    gateway = {"id": "ngw-1", "zone": "cn-hangzhou-k", "eips": ["203.0.113.77"]}
    intranet = {"id": "ngw-2", "network_type": "intranet", "nat_ips": ["172.16.0.5"]}
    keys = [{"id": "LTAI-mine", "secret": "mine"}]
    account = {"gateways": [gateway, intranet], "keys": keys, "knobs": {"quota": 5}}
    file.write_text(yaml.safe_dump(account))
    with running(tmp_path, "sim", "--json", "--scenario", str(file)) as sim:
        where = json.loads(sim.wait_for("\n"))
        knobs = CloudAdmin(where["cloud"]).knobs()
        config = load(Path(where["config"]))

    assert [gateway.gateway_id for gateway in config.gateways] == ["ngw-1"]
    assert config.credential.access_key.get_secret_value() == "LTAI-mine"
    assert knobs.quota == 5
    assert knobs.settle == Settle()


def test_it_prints_what_to_type_in_other_shells(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    with running(tmp_path, "sim", "--dir", str(folder)) as sim:
        text = sim.wait_for("Ctrl-C")
        assert f"export KUBECONFIG='{folder}/kubeconfig'" in text
        assert f"dnatctl run --config '{folder}/config.yaml'" in text
        assert (folder / "config.yaml").stat().st_mode & 0o077 == 0
        assert sim.end() == 0
    assert (folder / "kubeconfig").exists()

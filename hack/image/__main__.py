"""`python -m hack.image`: an OCI archive of the image, and its SBOM beside it, in dist/."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from dnatctl import __version__
from hack.controlplane.debian import AptError
from hack.image import base
from hack.supply import licences

ROOT = Path(__file__).parents[2]
MOST_MB = 60
BASE = "localhost/dnatctl-base"
NAME = "localhost/dnatctl"
# No engine, no kernel features: works as root wherever chroot does.
BUILDAH = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


def main() -> int:
    """Build; exits with 1 where a program is missing or the archive is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the results")
    parser.add_argument("--keep-root", type=Path, help="leave the image's whole tree here as well")
    options = parser.parse_args()
    if shutil.which("buildah") is None:
        print("needs buildah; on Debian: apt-get install buildah", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dnatctl-image-") as made:
        try:
            archive = build(Path(made), options.out, options.keep_root)
        except (AptError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    sbom = write_sbom(options.out)
    size = archive.stat().st_size / 1e6
    print(f"{archive}: {size:.1f} MB\n{sbom}")
    return 0 if size <= MOST_MB else 1


def build(work: Path, out: Path, keep_root: Path | None) -> Path:
    """The archive. Raises AptError, CalledProcessError."""
    root, tree = work / "base", work / "tree"
    base.make(root, work / "apt")
    run(str(ROOT / "manifests/image/build-tree"), str(ROOT), str(tree), PYTHON=sys.executable)
    store = ("--root", str(work / "store"), "--runroot", str(work / "run"))
    container = run("buildah", *store, "from", "scratch").strip()
    run("buildah", *store, "copy", "--quiet", container, str(root), "/")
    run("buildah", *store, "commit", "--quiet", "--timestamp", "0", container, BASE)
    run("buildah", *store, "bud", "--quiet", "--timestamp", "0", *_arguments(tree), str(ROOT))
    if keep_root is not None:
        _export(store, keep_root)
    layout = work / "layout"
    run("buildah", *store, "push", "--quiet", NAME, f"oci:{layout}:{__version__}")
    return _pack(layout, out / f"dnatctl-{__version__}.oci.tar")


def _pack(layout: Path, archive: Path) -> Path:
    """The folder as one file, the same bytes whenever it is made."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(layout.rglob("*")):
            info = tarfile.TarInfo(str(path.relative_to(layout)))
            info.mode, info.mtime = (0o755 if path.is_dir() else 0o644), 0
            if path.is_dir():
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(info, content)
    return archive


def _arguments(tree: Path) -> list[str]:
    revision = run("git", "-C", str(ROOT), "rev-parse", "HEAD").strip()
    arguments = {"BASE": BASE, "VERSION": __version__, "REVISION": revision}
    return [
        *(word for item in arguments.items() for word in ("--build-arg", "=".join(item))),
        *("--build-context", f"tree={tree.parent}"),
        *("--file", str(ROOT / "manifests/image/Containerfile"), "--tag", NAME),
    ]


def _export(store: tuple[str, ...], target: Path) -> None:
    container = run("buildah", *store, "from", NAME).strip()
    mounted = run("buildah", *store, "mount", container).strip()
    try:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(mounted, target, symlinks=True)
    finally:
        run("buildah", *store, "umount", container)


def write_sbom(out: Path) -> Path:
    """What the image holds beyond its base, as CycloneDX."""
    sbom = out / f"dnatctl-{__version__}.cdx.json"
    locked = str(ROOT / "requirements/run.txt")
    command = ("requirements", "--output-reproducible", "--output-file", str(sbom), locked)
    run(str(Path(sys.executable).with_name("cyclonedx-py")), *command)
    bill = json.loads(sbom.read_bytes())
    terms = {package.name: package.licence for package in licences.packages()}
    for component in bill["components"]:
        component["licenses"] = [{"expression": terms[component["name"].lower()]}]
    sbom.write_text(json.dumps(bill, indent=2) + "\n", "utf-8")
    return sbom


def run(*command: str, **env: str) -> str:
    """What the program prints; raises CalledProcessError, with its errors shown."""
    done = subprocess.run(
        command, env=os.environ | BUILDAH | env, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

"""The root file system of the base: Python 3.11 of Debian 12 and what it needs, no shell."""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.controlplane.debian import Archive

PACKAGES = (
    "base-files",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libuuid1",
    "media-types",
    "netbase",
    "python3.11-minimal",
    "zlib1g",
)
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/locale")
PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
GROUP = "root:x:0:\nnonroot:x:65532:\n"


def make(root: Path, state: Path) -> None:
    """Unpack the packages under `root`. Raises AptError."""
    archive = Archive(state)
    archive.update()
    _merge_usr(root)
    archive.unpack(PACKAGES, root)
    for name in UNUSED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def _merge_usr(root: Path) -> None:
    """Debian's packages still say /lib, which is a link."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")

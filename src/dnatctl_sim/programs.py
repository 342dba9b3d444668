"""Where the programs are that people are told to run, and that the demo runs for them."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path


def beside_python(name: str) -> Path | None:
    """The program that was installed along with this one."""
    path = Path(sysconfig.get_path("scripts"), name)
    return path if path.exists() else None


def own_command(name: str) -> str:
    """What runs our own `name` in a shell: its path where the bare name would not find it."""
    own, found = beside_python(name), shutil.which(name)
    if own is None or (found and Path(found).samefile(own)):
        return name
    return str(own)


def any_command(name: str) -> str:
    """What runs some `name` in a shell: our own only where PATH has none."""
    return name if shutil.which(name) else own_command(name)

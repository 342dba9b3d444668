"""Where the programs of the control plane are: given by the user, or built once and cached."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.20.2"
"""The Kubernetes version of Debian 12's source package; the cache is keyed by it."""

SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")
TOOLS = ("kubectl", "prometheus", "promtool")
PROGRAMS = SERVERS + TOOLS


class MissingProgramError(Exception):
    """A program is neither in `KUBEBUILDER_ASSETS` nor in the cache."""


@dataclass(frozen=True)
class Assets:
    """The folders that are searched for programs, first hit wins."""

    folders: tuple[Path, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Assets":
        """`KUBEBUILDER_ASSETS` (envtest's convention) if it is set, then the cache."""
        given = environment.get("KUBEBUILDER_ASSETS")
        cached = cache_folder(environment) / "bin"
        return cls((Path(given), cached) if given else (cached,))

    def find(self, program: str) -> Path | None:
        """Path of an executable, None where no folder has it."""
        candidates = (folder / program for folder in self.folders)
        return next((path for path in candidates if os.access(path, os.X_OK)), None)

    def path(self, program: str) -> Path:
        """Path of an executable.

        Raises:
            MissingProgramError: no folder has it.
        """
        found = self.find(program)
        if found is None:
            searched = ", ".join(map(str, self.folders))
            raise MissingProgramError(
                f"{program} not found in {searched}; run `hack/control-plane build`"
            )
        return found

    def missing(self) -> list[str]:
        """Names of the programs that no folder has."""
        return [program for program in PROGRAMS if self.find(program) is None]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of what `build` makes, outside of any checkout and keyed by version."""
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "dnatctl" / "control-plane" / VERSION

"""Fetches Debian packages and sources with apt, without touching the system's own state.

apt is given source entries, package lists and a download cache of its own. The entries are those
of the system with `deb-src` added, so the same mirror is used and the same keys are checked.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APT_FOLDER = Path("/etc/apt")


class AptError(Exception):
    """apt refused, or the system has no source entries to go by."""


@dataclass(frozen=True)
class Archive:
    """The Debian archive as this system is set up to reach it, with state kept under `state`."""

    state: Path

    def update(self) -> None:
        """Write the own source entries and fetch the package lists for them.

        Raises:
            AptError: no source entries on this system, or apt failed.
        """
        for folder in ("sources", "lists/partial", "cache/archives/partial"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        entries = dict(_entries_with_sources(APT_FOLDER))
        if not entries:
            raise AptError(f"no enabled Debian source entries under {APT_FOLDER}")
        for name, text in entries.items():
            (self.state / "sources" / name).write_text(text)
        self._apt_get("update", cwd=self.state)

    def unpack(self, packages: tuple[str, ...], into: Path) -> None:
        """Download binary packages and unpack their files under `into`; nothing is installed.

        Raises:
            AptError: apt or dpkg failed.
        """
        downloads = self.state / "packages"
        downloads.mkdir(exist_ok=True)
        self._apt_get("download", *packages, cwd=downloads)
        for package in packages:
            (deb,) = downloads.glob(f"{package}_*.deb")
            _run(["dpkg", "-x", str(deb), str(into)], cwd=downloads)

    def download_source(self, package: str, version: str) -> Path:
        """Download a source package and return the path of its upstream tarball.

        Raises:
            AptError: apt failed, or the archive's version is not `version`.
        """
        downloads = self.state / "source"
        downloads.mkdir(exist_ok=True)
        self._apt_get("source", "--download-only", package, cwd=downloads)
        tarballs = sorted(downloads.glob(f"{package}_*.orig.tar.*"))
        for tarball in tarballs:
            if re.search(rf"[_y]{re.escape(version)}\.orig\.tar\.\w+$", tarball.name):
                return tarball
        found = ", ".join(tarball.name for tarball in tarballs) or "nothing"
        raise AptError(f"the archive has {found}, not {package} {version} (needs Debian 12)")

    def _apt_get(self, *arguments: str, cwd: Path) -> None:
        _run(["apt-get", "--quiet=2", *self._options(), *arguments], cwd=cwd)

    def _options(self) -> Iterator[str]:
        settings = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.state / "sources",
            "Dir::State::Lists": self.state / "lists",
            "Dir::Cache": self.state / "cache",
            "Acquire::Retries": 3,
            # The sandbox user of a root apt cannot write to a folder under root's home.
            "APT::Sandbox::User": "root",
        }
        for name, value in settings.items():
            yield from ("-o", f"{name}={value}")


def with_sources_deb822(text: str) -> str:
    """Stanzas of a `.sources` file, each enabled binary one asking for sources too."""
    stanzas = (stanza for stanza in re.split(r"\n\s*\n", text.strip()) if _is_enabled(stanza))
    return "\n\n".join(_retyped(stanza) for stanza in stanzas) + "\n"


def with_sources_one_line(text: str) -> str:
    """Lines of a `.list` file, each `deb` line followed by its `deb-src` twin."""
    binary = [line.strip() for line in text.splitlines() if re.match(r"\s*deb\s", line)]
    return "".join(f"{line}\n{re.sub('^deb', 'deb-src', line)}\n" for line in binary)


def _entries_with_sources(folder: Path) -> Iterator[tuple[str, str]]:
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        convert = {".list": with_sources_one_line, ".sources": with_sources_deb822}.get(path.suffix)
        if convert is not None and path.is_file():
            text = convert(path.read_text())
            if text.strip():
                yield path.name, text


def _is_enabled(stanza: str) -> bool:
    is_binary = re.search(r"^Types:.*\bdeb(?!-)", stanza, re.MULTILINE | re.IGNORECASE)
    is_off = re.search(r"^Enabled:\s*(no|false|0|off)\s*$", stanza, re.MULTILINE | re.IGNORECASE)
    return is_binary is not None and is_off is None


def _retyped(stanza: str) -> str:
    return re.sub(r"^Types:.*$", "Types: deb deb-src", stanza, flags=re.MULTILINE | re.IGNORECASE)


def _run(command: list[str], cwd: Path) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    finished = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise AptError(f"{command[0]} failed in {cwd}:\n{finished.stdout}{finished.stderr}")

"""The commands of docs/release.md that sign and check, as they stand, with a throw-away key."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WHEEL, IMAGE = "dnatctl-1.2.3-py3-none-any.whl", "dnatctl-1.2.3.oci.tar"
PROGRAMS = ("ssh-keygen", "git", "sha256sum", "tar")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}"
)


def command(*words: str) -> str:
    """The one command of the page that begins so, or holds all of these words."""
    text = (ROOT / "docs" / "release.md").read_text("utf-8")
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    (found,) = (line for line in indented if all(word in line for word in words))
    return found


MAKE_KEY = command("ssh-keygen -t")
ALLOW = command(">> allowed-signers")
SIGN = (command("tar -xOf"), command("> SHA256SUMS", "dnatctl-*"), command("-Y sign"))
CHECK = (command("-Y verify"), command("--check"))
TAG, CHECK_TAG = command("tag --sign"), command("verify-tag")


def run(folder: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    """Run them one after the other, as far as they end well."""
    return subprocess.run(
        ("bash", "-euc", "\n".join(commands)),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def done(folder: Path, *commands: str) -> None:
    ended = run(folder, *commands)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder of what is published, signed, and beside it who may sign."""
    (tmp_path / WHEEL).write_bytes(b"a wheel")
    with tarfile.open(tmp_path / IMAGE, "w") as archive:
        index = tarfile.TarInfo("index.json")
        index.size = 2
        archive.addfile(index, io.BytesIO(b"{}"))
    done(tmp_path, MAKE_KEY.replace("-t", "-q -N '' -t"), ALLOW, *SIGN)
    return tmp_path


def test_what_is_as_it_was_signed_passes(release: Path) -> None:
    done(release, *CHECK)
    assert (release / "dnatctl-1.2.3.index.json").read_text("utf-8") == "{}"
    (release / IMAGE).unlink()
    done(release, *CHECK)


@pytest.mark.parametrize("name", [WHEEL, IMAGE, "dnatctl-1.2.3.index.json"])
def test_a_changed_file_does_not(release: Path, name: str) -> None:
    with (release / name).open("ab") as file:
        file.write(b"evil")
    ended = run(release, *CHECK)
    assert ended.returncode != 0
    assert f"{name}: FAILED" in ended.stdout


def test_nor_do_sums_that_were_made_anew(release: Path) -> None:
    (release / WHEEL).write_bytes(b"evil")
    done(release, SIGN[1])
    assert run(release, *CHECK).returncode != 0


def test_nor_does_what_another_key_has_signed(release: Path) -> None:
    (release / WHEEL).write_bytes(b"evil")
    for file in ("KEY", "KEY.pub", "SHA256SUMS.sig"):
        (release / file).unlink()
    done(release, MAKE_KEY.replace("-t", "-q -N '' -t"), *SIGN)
    assert run(release, *CHECK).returncode != 0


def test_a_tag_is_signed_by_the_same_key_and_cannot_be_moved(release: Path) -> None:
    commit = "git -c user.name=a -c user.email=a@example.com commit --allow-empty -qm"
    who = "export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com"
    done(release, "git init -q .", f"{commit} first", who, TAG, CHECK_TAG)
    done(release, f"{commit} second", who, "git tag --force -m moved v1.2.3")
    assert run(release, CHECK_TAG).returncode != 0

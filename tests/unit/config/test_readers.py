"""A file of keys that others may read is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnatctl.cli.options import load_config
from dnatctl.config.readers import read_by_all
from tests.unit.config.samples import MINIMAL

KEYS = "credential: {accessKey: LTAI-sesame, accessSecret: open-sesame}\n"


def file(folder: Path, text: str, mode: int) -> Path:
    made = folder / "config.yaml"
    made.write_text(text, "utf-8")
    made.chmod(mode)
    return made


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o604, True), (0o440, False)])
def test_who_may_read_it_is_looked_at(tmp_path: Path, mode: int, *, told: bool) -> None:
    said = list(read_by_all([file(tmp_path, KEYS, mode), tmp_path / "none"]))
    assert [f"mode {mode:04o}" in line for line in said] == [True] * told


def test_it_is_told_where_a_configuration_with_keys_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_config(file(tmp_path, f"{MINIMAL}\n{KEYS}", 0o644))
    said = capsys.readouterr().err
    assert "may be read by everybody (mode 0644)" in said
    assert "sesame" not in said


def test_and_not_of_one_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_config(file(tmp_path, MINIMAL, 0o644))
    load_config(file(tmp_path, f"{MINIMAL}\n{KEYS}", 0o600))
    assert capsys.readouterr().err == ""


def test_the_mounted_pair_is_looked_at_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    for name, mode in (("accessKey", 0o440), ("accessSecret", 0o644)):
        (folder / name).write_text("open-sesame", "utf-8")
        (folder / name).chmod(mode)
    load_config(file(tmp_path, f"{MINIMAL}\ncredential: {{keyFolder: {folder}}}\n", 0o644))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {folder}/accessSecret holds an AccessKey")

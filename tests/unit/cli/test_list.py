"""What `dnatctl list` says of PodDNATs, whoever runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dnatctl.cli.asking import Asking
from dnatctl.cli.main import cli
from dnatctl.objects import READY, Condition, Key, PodDNAT, PodDNATStatus
from tests.support.leader import kubeconfig


def listed(record: PodDNAT, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> str:
    monkeypatch.setattr(Asking, "records", lambda _: [record])
    words = ["list", "--kubeconfig", str(kubeconfig(folder)), *more]
    return CliRunner().invoke(cli, words).stdout


@pytest.mark.parametrize(
    ("deleting", "told", "shown"),
    [
        (False, "EntriesAvailable", "EntriesAvailable"),
        (True, "EntriesAvailable", "Releasing"),
        (True, "", "Releasing"),
        (True, "ReleaseHeld", "ReleaseHeld"),
        (True, "DeletionHeld", "DeletionHeld"),
        (False, "", "-"),
    ],
)
def test_the_reason_is_that_of_the_condition_if_it_knows_of_the_deletion(
    deleting: bool, told: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = (Condition(READY, "True", told, "text"),) if told else ()
    status = PodDNATStatus(conditions=conditions)
    record = PodDNAT(Key("games", "web"), "uid", "1", deleting=deleting, status=status)

    table = listed(record, tmp_path, monkeypatch)
    document: Any = json.loads(listed(record, tmp_path, monkeypatch, "-o", "json"))

    assert table.split()[-1] == shown
    assert document[0]["reason"] == shown.replace("-", "")

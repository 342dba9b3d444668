"""Each form that a command offers for its answer is one that it gives, also of bad news."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from dnatctl.cli.main import COMMANDS, cli
from tests.support.stage import Stage, stage

READ: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}


def offered() -> Iterator[tuple[str, str]]:
    """Each command that has forms, with each of them."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for option in command.params if command else ():
            if option.name == "output" and isinstance(option.type, click.Choice):
                yield from ((name, form) for form in option.type.choices)


@pytest.fixture(scope="module")
def it() -> Iterator[Stage]:
    """A pod is exposed, and one asks for nonsense."""
    with stage() as running:
        running.config["endpoints"] = dict.fromkeys(("vpc", "ecs"), running.cloud_server.endpoint)
        running.start_controller()
        running.pod("web")
        running.pod("bad", "http")
        running.ready("web")
        running.told("bad", "InvalidAnnotation")
        yield running


def asked(it: Stage, *words: str, **config: Any) -> Result:
    file = it.folder / "config.yaml"
    file.write_text(yaml.safe_dump(it.configuration() | config))
    doors = it.running[0].controller.parts.doors
    usual = {
        "--config": str(file),
        "--server": f"127.0.0.1:{doors.status_port}",
        "--kubeconfig": str(it.folder / "kubeconfig"),
    }
    command = cli.get_command(click.Context(cli), words[0])
    known = {name for option in command.params for name in option.opts} if command else set()
    given = [word for name, value in usual.items() if name in known for word in (name, value)]
    return CliRunner().invoke(cli, [*words, *given])


def document(result: Result, form: str) -> Any:
    # The controller of this process logs to wherever the command's answer goes.
    lines = [line for line in result.stdout.splitlines() if not line.startswith("20")]
    return READ[form]("\n".join(lines))


@pytest.mark.parametrize(("command", "form"), [*offered()])
def test_each_form_is_given(it: Stage, command: str, form: str) -> None:
    entry = it.entries("web")[0]
    address = f"{entry['externalIP']}:{entry['externalPort']}"
    about = {"who": [[address]], "explain": [["web"], ["bad"]]}.get(command, [[]])

    for words in about:
        result = asked(it, command, *words, "-o", form)

        assert result.exception is None or isinstance(result.exception, SystemExit), words
        assert result.exit_code in (0, 1), result.output
        if form in READ:
            assert document(result, form), result.output


@pytest.mark.parametrize("form", READ)
def test_what_is_wrong_with_a_configuration_is_a_document_too(it: Stage, form: str) -> None:
    result = asked(it, "check", "-o", form, regionID="", quarantin="2s")

    found = document(result, form)
    assert (result.exit_code, found["good"]) == (2, False)
    assert {each["grade"] for each in found["findings"]} == {"fail"}
    region, key = sorted((each["text"] for each in found["findings"]), key=lambda t: "quar" in t)
    assert "regionID: found" in region
    assert "did you mean quarantine?" in key
    assert all(each["mend"].startswith("allowed: ") for each in found["findings"])


@pytest.mark.parametrize("form", READ)
def test_keys_that_contradict_each_other_are_a_document_too(
    it: Stage, form: str, tmp_path: Path
) -> None:
    keys = {"type": "rrsa", "tokenFile": str(tmp_path)}
    result = asked(it, "check", "-o", form, credential=keys)

    assert result.exit_code == 2
    (found,) = document(result, form)["findings"]
    assert found["text"].startswith("credential: ")

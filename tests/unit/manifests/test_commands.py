"""What documents tell people to run can be run: commands, flags, files, values, metrics exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from dnatctl.cli.asking import LEASE, LIKELY
from dnatctl.cli.main import COMMANDS, cli
from dnatctl.config import parse
from dnatctl.config.settings import SETTINGS
from dnatctl.kube import definition, orders
from tests.unit.manifests.built import MANIFESTS
from tests.unit.manifests.commands import PAGES, ROOT, blocks, commands, spans
from tests.unit.manifests.test_chart import configuration, render

EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
VALUES = yaml.safe_load((MANIFESTS / "chart" / "values.yaml").read_text("utf-8"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
METRICS = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")


def test_there_is_something_to_look_at() -> None:
    install = ROOT / "docs" / "install.md"
    assert ["uninstall", "--config", "config.yaml", "--yes"] in commands(install, "dnatctl")
    assert ["image"] in commands(install, "make")
    assert ["explain", "lobby-0"] in commands(ROOT / "README.md", "dnatctl")
    assert commands(MANIFESTS / "chart" / "README.md", "helm")


@EACH
def test_commands_of_dnatctl_are_there_with_their_flags(page: Path) -> None:
    told = commands(page, "dnatctl")
    told += [words[1:] for words in commands(page, "kubectl") if words[:1] == ["dnat"]]
    for words in told:
        parsed(words)


def parsed(words: list[str]) -> None:
    """Fails where the command or a flag is none; arguments may be stand-ins."""
    context = click.Context(cli)
    if not words or words[0].startswith("-"):
        cli.make_parser(context).parse_args(list(words))
        return
    for name in words[0].split("|"):
        command = cli.get_command(context, name)
        assert command is not None, words
        command.make_parser(click.Context(command)).parse_args(list(words[1:]))


@EACH
def test_targets_of_make_are_there(page: Path) -> None:
    for words in commands(page, "make"):
        asked = {word for word in words if "=" not in word and not word.startswith("-")}
        assert asked <= TARGETS, words


@EACH
def test_files_that_commands_are_given_are_there(page: Path) -> None:
    for program in ("kubectl", "helm", "podman"):
        for words in commands(page, program):
            for word in words:
                if word.startswith(("manifests/", "docs/", "hack/")):
                    assert (ROOT / word).exists(), words


def test_the_definition_is_put_in_place_by_the_one_command_that_does_so() -> None:
    """Without --force-conflicts one that has changed is refused: its fields are Helm's."""
    right = definition.MEND.partition(" (")[0].split()[1:]
    told = [
        words
        for page in PAGES
        for words in commands(page, "kubectl")
        if words[:1] == ["apply"] and words[-1].endswith("crds/poddnats.yaml")
    ]
    assert len(told) >= 4
    assert [words for words in told if words != right] == []
    notes = (MANIFESTS / "chart" / "templates" / "NOTES.txt").read_text("utf-8")
    assert " ".join(right) in notes


@EACH
def test_settings_and_values_that_are_named_are_there(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)+", span) and span.split(".")[0] in VALUES:
            assert span in SETTINGS or is_value(span), span


def is_value(key: str) -> bool:
    found: Any = VALUES
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    return True


@EACH
def test_metrics_that_are_named_are_there(page: Path) -> None:
    for span in spans(page):
        for name in re.findall(r"\bdnatctl_[a-z_]+[a-z]\b(?!<|_)", span):
            assert name == "dnatctl_sim" or f"`{name}`" in METRICS, name


@EACH
def test_names_in_code_are_in_the_code(page: Path) -> None:
    """Reasons, kinds, error codes, alerts: `LikeThis`."""
    for span in spans(page):
        if re.fullmatch(r"[A-Z][a-z]+([A-Z][a-z]+)+", span):
            assert span in sources(), span


@cache
def sources() -> str:
    overlays = MANIFESTS / "overlays"
    folders = [each for each in MANIFESTS.iterdir() if each.is_dir() and each != overlays]
    # Other tests make overlays of their own there, and take them away again (`built`).
    folders += [each for each in overlays.iterdir() if not each.name.startswith("tmp")]
    files = [*(ROOT / "src").rglob("*.py")]
    files += [file for folder in folders for file in folder.rglob("*.yaml")]
    return "\n".join(file.read_text("utf-8") for file in files)


@EACH
def test_yaml_is_yaml(page: Path) -> None:
    for block in blocks(page, "yaml"):
        list(yaml.safe_load_all(block))


def test_the_values_that_a_newcomer_copies_are_values(tmp_path: Path) -> None:
    (values,) = (
        block for block in blocks(ROOT / "docs" / "install.md", "yaml") if "clusterID" in block
    )
    objects = render(tmp_path, values)
    assert parse(yaml.safe_dump(configuration(objects))).gateways


def test_the_roles_for_people_give_what_the_commands_ask_for() -> None:
    """The Lease, the port-forward to the leader (`create` from Kubernetes 1.35 on), the orders."""
    (shown,) = (b for b in blocks(ROOT / "docs" / "install.md", "yaml") if "kind: Role" in b)
    roles = {(r["kind"], r["metadata"]["name"]): r for r in yaml.safe_load_all(shown)}
    everywhere = roles["ClusterRole", "dnatctl-reader"]["rules"]
    reader, operator = roles["Role", "dnatctl-reader"], roles["Role", "dnatctl-operator"]
    assert {role["metadata"]["namespace"] for role in (reader, operator)} == {LIKELY[0]}
    assert {"get", "list"} <= given(everywhere, "poddnats")
    assert "get" in given(everywhere, "pods")
    assert "get" in given(reader["rules"], "leases", LEASE)
    assert {"get", "create"} <= given(reader["rules"], "pods/portforward")
    assert {"get", "patch"} == given(operator["rules"], "configmaps", orders.NAME)
    assert {"create"} == given(operator["rules"], "configmaps")


def given(rules: list[dict[str, list[str]]], resource: str, *names: str) -> set[str]:
    """The verbs for that resource: of these names alone, or whatever it is called."""
    return {
        verb
        for rule in rules
        if resource in rule["resources"] and rule.get("resourceNames", []) == [*names]
        for verb in rule["verbs"]
    }


def test_who_is_told_to_apply_an_example_is_told_whose_image_it_names() -> None:
    page = ROOT / "docs" / "install.md"
    named = [
        container["image"]
        for words in commands(page, "kubectl")
        if words[-1].startswith("manifests/examples/")
        for item in yaml.safe_load_all((ROOT / words[-1]).read_text("utf-8"))
        for container in item["spec"]["template"]["spec"]["containers"]
    ]
    assert named
    assert [image for image in named if image not in spans(page)] == []


def test_each_command_that_asks_the_cluster_is_told_what_it_needs() -> None:
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    table = page[page.index("| command | in all namespaces |") :]
    told = {
        word
        for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for word in re.findall(r"`([a-z-]+)", row)
    }
    assert told == COMMANDS.keys() - {"run", "version", "completion"}


OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.opts[-1]}")
    for name in cli.list_commands(click.Context(cli))
    for option in cli.get_command(click.Context(cli), name).params
    if isinstance(option, click.Option) and not option.hidden
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_each_option_is_told_with_what_may_be_given(name: str, option: click.Option) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    section = page.partition(f"\n## `dnatctl {name}`\n")[2].partition("\n## ")[0]
    flags = " ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    (row,) = (line for line in section.splitlines() if line.startswith(f"| {flags} |"))
    assert option.help
    if isinstance(option.type, click.Choice):
        assert [word for word in option.type.choices if f"`{word}`" not in row] == []
    if isinstance(option.type, click.IntRange):
        assert f"| {option.type.min} " in row


def test_every_command_is_documented() -> None:
    told = {words[0] for page in PAGES for words in commands(page, "dnatctl") if words}
    assert told >= COMMANDS.keys()

"""What is said to somebody who mistypes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dnatctl.cli.main import cli
from tests.support.leader import Leader, known_document, kubeconfig


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("explian", " (Did you mean 'explain'?)"),
        ("uninstal", " (Did you mean 'uninstall'?)"),
        ("expose", ""),
    ],
)
def test_a_command_that_is_none(typed: str, hint: str) -> None:
    done = CliRunner().invoke(cli, [typed])
    assert done.exit_code == 2
    assert done.output.rstrip().endswith(f"No such command '{typed}'.{hint}")


@pytest.mark.parametrize(
    "order", [("pause", "all", "--for", "48h"), ("log-level", "all", "debug", "--for", "24h1s")]
)
def test_an_order_for_longer_than_may_be(order: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, order)
    assert done.exit_code == 2
    assert f"'{order[-1]}': at most 24h" in done.output


@pytest.mark.parametrize("command", ["drain", "undrain", "pause", "resume", "log-level"])
def test_orders_have_no_forms_of_an_answer(command: str) -> None:
    assert "--output" not in CliRunner().invoke(cli, [command, "--help"]).output


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *((text, "write HOST:PORT") for text in ("foo", "foo:", ":8082", "foo:bar", "a b:80")),
        *((text, "write HOST:PORT") for text in ("https://foo:443", "foo:80/status", "foo:999999")),
        ("127.0.0.1:99999", "a port is 1 to 65535, not 99999"),
        ("foo:0", "a port is 1 to 65535, not 0"),
    ],
)
def test_an_address_that_is_none(text: str, wrong: str, tmp_path: Path) -> None:
    words = ["status", "--kubeconfig", str(kubeconfig(tmp_path))]
    done = CliRunner().invoke(cli, [*words, "--server", text])
    by_environment = CliRunner().invoke(cli, words, env={"DNATCTL_SERVER": text})
    for said in (done, by_environment):
        assert said.exit_code == 2
        assert wrong in said.output
        assert repr(text) in said.output
        assert "--server" in said.output


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/"])
def test_an_address_may_be_that_of_a_page(form: str, tmp_path: Path) -> None:
    with Leader() as leader:
        leader.document = known_document()
        words = ["status", "--kubeconfig", str(kubeconfig(tmp_path))]
        done = CliRunner().invoke(cli, [*words, "--server", form.format(leader.address)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("pause", "a b"), "'a b' is no IP, no gateway (ngw-...) and no pod: write NAME"),
        (("drain", "ngw-x y"), "'ngw-x y' is no ID of a gateway"),
        (("explain", "games/a_b"), "'games/a_b' is no IP"),
        (("resume", "web", "-n", "a.b"), "no namespace can be called 'a.b'"),
        (("list", "-n", "n" * 64), "no namespace can be called 'nnn"),
    ],
)
def test_a_name_that_nothing_can_have(words: tuple[str, ...], wrong: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, [*words, "--kubeconfig", str(kubeconfig(tmp_path))])
    assert done.exit_code == 2
    assert wrong in " ".join(done.output.split())


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    done = CliRunner().invoke(cli, ["list"], env={"KUBECONFIG": missing})
    assert done.exit_code == 1
    assert done.output.rstrip().endswith(f"{missing}: there is no such file")

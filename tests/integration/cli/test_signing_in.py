"""Each way to sign in, as a file and an environment that a user writes; against STS and a metadata
service that the configuration says where to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dnatctl.cli.main import cli
from dnatctl.cloud.credentials import Rrsa
from dnatctl.cloud.fetch import fetch_rrsa
from tests.integration.cloud.test_cloud_identity import put_addon_token
from tests.support.stage import Stage, stage

Env = dict[str, str]
Way = tuple[Mapping[str, object], Env]
"""What `credential` says, and the environment."""

NO_WAY = {
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED": None,
    "ALIBABA_CLOUD_ROLE_ARN": None,
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": None,
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": None,
}


@pytest.fixture(scope="module")
def it() -> Iterator[Stage]:
    with stage() as world:
        services = ("vpc", "ecs", "sts", "metadata")
        world.config["endpoints"] = dict.fromkeys(services, world.cloud_server.endpoint)
        world.cloud.set_knobs(imds_v1=False)
        yield world


def lent(it: Stage, folder: Path) -> Rrsa:
    sts = it.cloud.scenario.sts
    (folder / "oidc-token").write_text(sts.oidc_token)
    return Rrsa(it.cloud.issuer.role_arn, sts.oidc_provider, str(folder / "oidc-token"))


def pair_in_environment(it: Stage, folder: Path) -> Way:
    del folder
    key = it.cloud.scenario.keys[0]
    return {}, {"DNATCTL_ACCESS_KEY": key.id, "DNATCTL_ACCESS_SECRET": key.secret}


def pair_in_files(it: Stage, folder: Path) -> Way:
    key = it.cloud.scenario.keys[0]
    for name, text in (("accessKey", key.id), ("accessSecret", key.secret)):
        (folder / name).write_text(text)
    return {"keyFolder": str(folder)}, {}


def rrsa(it: Stage, folder: Path) -> Way:
    role = lent(it, folder)
    return {"type": "rrsa"}, {
        "ALIBABA_CLOUD_ROLE_ARN": role.role_arn,
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": role.provider_arn,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": role.token_file,
    }


def addon_token(it: Stage, folder: Path) -> Way:
    role = lent(it, folder)
    keys = fetch_rrsa(
        Rrsa(role.role_arn, role.provider_arn, role.token_file, endpoint=it.cloud_server.endpoint)
    )
    return {"tokenFile": put_addon_token(folder / "token", keys).path, "type": "addonToken"}, {}


def role_of_the_node(it: Stage, folder: Path) -> Way:
    del it, folder
    return {"type": "ramRole"}, {}


WAYS: dict[str, Callable[[Stage, Path], Way]] = {
    "AccessKey": pair_in_environment,
    "the AccessKey in": pair_in_files,
    "RRSA, acs:ram:": rrsa,
    "ACK's addon token": addon_token,
    "the node's RAM role": role_of_the_node,
}


def check(it: Stage, way: Way) -> str:
    credential, env = way
    file = it.folder / "config.yaml"
    file.write_text(yaml.safe_dump({**it.configuration(), "credential": credential}))
    words = ("--config", str(file), "--kubeconfig", str(it.folder / "kubeconfig"))
    result = CliRunner(env={**NO_WAY, **env}).invoke(cli, ["check", "--online", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return next(line for line in result.stdout.splitlines() if "cloud:" in line)


@pytest.mark.parametrize("words", WAYS)
def test_each_way_signs_in_where_the_configuration_says(
    it: Stage, tmp_path: Path, words: str
) -> None:
    said = check(it, WAYS[words](it, tmp_path))
    assert said.startswith("✓ cloud: credentials accepted")
    assert words in said


def test_who_signs_in_by_rrsa_is_told_what_is_amiss_with_that(it: Stage, tmp_path: Path) -> None:
    credential, env = rrsa(it, tmp_path)
    said = check(it, (credential, {**env, "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/other"}))
    assert said.startswith("✗ cloud: no credentials: ")
    for part in ("EntityNotExist.Role", "see that acs:ram::1:role/other", "trust-policy-rrsa.json"):
        assert part in said
    assert "attach a RAM role" not in said


def test_a_node_without_a_role_is_told_of_the_ways_that_there_are(it: Stage) -> None:
    service = it.config["endpoints"]
    it.config["endpoints"] = {**service, "metadata": "http://127.0.0.1:1"}
    try:
        said = check(it, role_of_the_node(it, it.folder))
    finally:
        it.config["endpoints"] = service
    assert "attach a RAM role to the node, set up RRSA" in said

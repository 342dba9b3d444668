"""Which source of credentials a configuration and an environment add up to."""

from __future__ import annotations

import pytest

from dnatctl.cloud.credentials import (
    ADDON_TOKEN_FILE,
    METADATA_ENDPOINT,
    AccessKey,
    AddonToken,
    CredentialError,
    CredentialSource,
    CredentialType,
    KeyFiles,
    Keys,
    RamRole,
    Rrsa,
    choose,
)

RRSA_ENV = {
    "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/dnat",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ack",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/var/run/token",
}
RRSA = Rrsa("acs:ram::1:role/dnat", "acs:ram::1:oidc-provider/ack", "/var/run/token")
STATIC = AccessKey(Keys("AK", "SECRET"))


def pick(
    key: str = "",
    secret: str = "",
    wanted: CredentialType | None = None,
    env: dict[str, str] | None = None,
    files: tuple[str, ...] = (),
) -> CredentialSource:
    return choose(key, secret, wanted, env or {}, files.__contains__)


def test_keys_win_over_everything() -> None:
    assert pick("AK", "SECRET", env=RRSA_ENV, files=(ADDON_TOKEN_FILE,)) == STATIC


KEY_FILES = ("/var/run/secrets/dnatctl/accessKey", "/var/run/secrets/dnatctl/accessSecret")


def test_a_mounted_pair_is_used_where_the_configuration_gives_none() -> None:
    assert pick(env=RRSA_ENV, files=KEY_FILES) == KeyFiles()
    assert pick("AK", "SECRET", files=KEY_FILES) == STATIC
    assert pick(wanted=CredentialType.ACCESS_KEY, files=KEY_FILES) == KeyFiles()
    assert pick(files=KEY_FILES[:1]) == RamRole()
    elsewhere = {"DNATCTL_KEY_FOLDER": "/x"}
    assert pick(env=elsewhere, files=("/x/accessKey", "/x/accessSecret")) == KeyFiles("/x")


def test_without_keys_a_role_for_the_service_account_comes_first() -> None:
    assert pick(env=RRSA_ENV, files=(ADDON_TOKEN_FILE,)) == RRSA


@pytest.mark.parametrize("name", RRSA_ENV)
def test_rrsa_needs_all_its_variables(name: str) -> None:
    partial = {**RRSA_ENV, name: ""}
    assert pick(env=partial) == RamRole()
    with pytest.raises(CredentialError, match=name):
        pick(wanted=CredentialType.RRSA, env=partial)


@pytest.mark.parametrize("name", ["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"])
@pytest.mark.parametrize("value", ["< ARN of the RAM role. acs:ram::1:role/dnatctl >", "dnatctl"])
def test_what_was_left_to_be_filled_in_is_told_at_once(name: str, value: str) -> None:
    with pytest.raises(CredentialError, match=f"{name}: found '{value}'; allowed: an ARN"):
        pick(env=RRSA_ENV | {name: value})


def test_the_addon_token_is_used_where_it_is_mounted() -> None:
    assert pick(files=(ADDON_TOKEN_FILE,)) == AddonToken()
    assert pick(env={"DNATCTL_ADDON_TOKEN_FILE": "/x"}) == AddonToken("/x")


def test_the_role_of_the_instance_comes_last() -> None:
    assert pick() == RamRole("", METADATA_ENDPOINT)
    assert pick(env={"ALIBABA_CLOUD_ECS_METADATA": "worker"}) == RamRole("worker")
    override = {"DNATCTL_METADATA_ENDPOINT": "http://127.0.0.1:1"}
    assert pick(env=override) == RamRole("", "http://127.0.0.1:1")


def test_an_explicit_type_overrides_what_is_found() -> None:
    wanted = CredentialType.RAM_ROLE
    assert pick(wanted=wanted, env=RRSA_ENV, files=(ADDON_TOKEN_FILE,)) == RamRole()
    assert pick(wanted=CredentialType.ADDON_TOKEN, env=RRSA_ENV) == AddonToken()
    assert pick(wanted=CredentialType.RRSA, env=RRSA_ENV) == RRSA
    assert pick("AK", "SECRET", CredentialType.ACCESS_KEY) == STATIC


@pytest.mark.parametrize(
    ("env", "endpoint"),
    [
        ({}, "https://sts.aliyuncs.com"),
        ({"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}, "https://sts.cn-beijing.aliyuncs.com"),
        (
            {
                "ALIBABA_CLOUD_STS_REGION": "cn-beijing",
                "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true",
            },
            "https://sts-vpc.cn-beijing.aliyuncs.com",
        ),
        ({"DNATCTL_STS_ENDPOINT": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
    ],
)
def test_where_sts_is(env: dict[str, str], endpoint: str) -> None:
    source = pick(env=RRSA_ENV | env)
    assert isinstance(source, Rrsa)
    assert source.endpoint == endpoint


@pytest.mark.parametrize(
    ("key", "secret", "wanted", "env", "told"),
    [
        ("AK", "", None, {}, "accessSecret is empty"),
        ("", "SECRET", None, {}, "accessKey is empty"),
        ("", "", CredentialType.ACCESS_KEY, {}, "accessKey is empty"),
        ("AK", "SECRET", CredentialType.RRSA, RRSA_ENV, "an access key is set"),
        ("", "", None, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}, "no credentials"),
    ],
)
def test_contradictions_are_refused(
    key: str, secret: str, wanted: CredentialType | None, env: dict[str, str], told: str
) -> None:
    with pytest.raises(CredentialError, match=told) as caught:
        pick(key, secret, wanted, env)
    assert "SECRET" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    shown = f"{STATIC} {STATIC!r} {Keys('AK', 'SECRET', 'TOKEN')!r}"
    assert "AK" in shown
    assert "SECRET" not in shown
    assert "TOKEN" not in shown

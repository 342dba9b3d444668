"""Who dnatctl is to the cloud: one source of credentials, chosen from configuration alone.

The vendor's default chain is not used: it takes whatever it finds first (a stray file, another
pod's environment), asks the metadata service on machines that have none, and cannot say why it
chose. Here the choice is a pure function, and `check` can show it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ADDON_TOKEN_FILE: Final = "/var/addon/token-config"
"""Where ACK mounts the secret `addon.network.token` into its network components."""

KEY_FOLDER: Final = "/var/run/secrets/dnatctl"
"""Where the manifests mount a Secret with an AccessKey pair, as the files `accessKey` and
`accessSecret`."""

METADATA_ENDPOINT: Final = "http://100.100.100.200"
"""The metadata service of an ECS instance (https://help.aliyun.com/zh/ecs/user-guide/
view-instance-metadata)."""


class CredentialError(Exception):
    """No usable credentials, or no valid choice of them. The text holds no secret."""


class CredentialType(StrEnum):
    """The ways to be known to the cloud, as configuration names them."""

    ACCESS_KEY = "accessKey"
    RAM_ROLE = "ramRole"
    RRSA = "rrsa"
    ADDON_TOKEN = "addonToken"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a call is signed with. `expires_at`: POSIX seconds, None for keys that do not expire."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A fixed key pair from the configuration file."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """A key pair in two files of a folder, a mounted Secret; read again when it is rotated."""

    folder: str = KEY_FOLDER

    @property
    def paths(self) -> tuple[str, str]:
        """The file of the ID and that of the secret."""
        return f"{self.folder}/accessKey", f"{self.folder}/accessSecret"


@dataclass(frozen=True, slots=True)
class RamRole:
    """The RAM role of the ECS instance; an empty name is asked of the metadata service."""

    role_name: str = ""
    endpoint: str = METADATA_ENDPOINT


@dataclass(frozen=True, slots=True)
class Rrsa:
    """A RAM role for the pod's service account (RRSA): its token is traded in at STS."""

    role_arn: str
    provider_arn: str
    token_file: str
    session_name: str = "dnatctl"
    endpoint: str = "https://sts.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class AddonToken:
    """The token file that ACK keeps fresh for its network components."""

    path: str = ADDON_TOKEN_FILE


CredentialSource = AccessKey | KeyFiles | RamRole | Rrsa | AddonToken


def in_words(source: CredentialSource) -> str:
    """Whose the calls are, for people; no secret."""
    match source:
        case AccessKey(keys):
            return f"AccessKey {keys.access_key_id} of the configuration"
        case KeyFiles(folder):
            return f"the AccessKey in {folder}"
        case RamRole(role_name):
            return f"the node's RAM role{f' {role_name}' if role_name else ''}"
        case Rrsa(role_arn):
            return f"RRSA, {role_arn}"
        case AddonToken(path):
            return f"ACK's addon token {path}"


def remedy(source: CredentialSource) -> str:
    """What to do where that source gives no credentials."""
    match source:
        case AccessKey() | KeyFiles():
            return "put in the AccessKey pair of a RAM user, both parts"
        case RamRole():
            return "attach a RAM role to the node, set up RRSA, or fill in `credential`"
        case Rrsa(role_arn, provider_arn):
            return (
                f"see that {role_arn} is there and trusts this service account through"
                f" {provider_arn} (manifests/ram/trust-policy-rrsa.json), and that STS is reached"
                " from here (`endpoints.sts`)"
            )
        case AddonToken():
            return "see whether ACK keeps its Secret addon.network.token; else sign in another way"


def choose(
    access_key: str = "",
    access_secret: str = "",
    wanted: CredentialType | None = None,
    env: Mapping[str, str] = os.environ,
    exists: Callable[[str], bool] = os.path.exists,
) -> CredentialSource:
    """The source that the configuration asks for.

    With no `wanted`: the key pair if there is one, in the configuration or in files; else RRSA if
    its three variables are set, as the ack-pod-identity-webhook does; else ACK's addon token if its
    file is there; else the RAM role of the instance. Raises CredentialError if the configuration
    contradicts itself or names a source that is not there.
    """
    if bool(access_key) != bool(access_secret):
        missing = "accessSecret" if access_key else "accessKey"
        raise CredentialError(f"credential.{missing} is empty: set both keys or neither")
    if wanted is None:
        wanted = _implied(access_key, env, exists)
    if wanted is CredentialType.ACCESS_KEY:
        return _access_key(access_key, access_secret, _key_files(env), exists)
    if access_key:
        raise CredentialError(f"credential.type is {wanted.value}, yet an access key is set")
    if wanted is CredentialType.RRSA:
        return _rrsa(env)
    if wanted is CredentialType.ADDON_TOKEN:
        return AddonToken(env.get("DNATCTL_ADDON_TOKEN_FILE") or ADDON_TOKEN_FILE)
    return _ram_role(env)


_RRSA_VARIABLES: Final = (
    "ALIBABA_CLOUD_ROLE_ARN",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
)


_ARN: Final = "acs:ram:"
"""How the names of RAM's roles and providers begin; else a placeholder was left, or an ID given."""


def _implied(
    access_key: str, env: Mapping[str, str], exists: Callable[[str], bool]
) -> CredentialType:
    if access_key or all(map(exists, _key_files(env).paths)):
        return CredentialType.ACCESS_KEY
    if all(env.get(name) for name in _RRSA_VARIABLES):
        return CredentialType.RRSA
    if env.get("DNATCTL_ADDON_TOKEN_FILE") or exists(ADDON_TOKEN_FILE):
        return CredentialType.ADDON_TOKEN
    return CredentialType.RAM_ROLE


def _key_files(env: Mapping[str, str]) -> KeyFiles:
    return KeyFiles(env.get("DNATCTL_KEY_FOLDER") or KEY_FOLDER)


def _access_key(
    access_key: str, access_secret: str, files: KeyFiles, exists: Callable[[str], bool]
) -> AccessKey | KeyFiles:
    if access_key:
        return AccessKey(Keys(access_key, access_secret))
    if not all(map(exists, files.paths)):
        raise CredentialError(
            "credential.type is accessKey, yet accessKey is empty and there are no files "
            + " and ".join(files.paths)
        )
    return files


def _rrsa(env: Mapping[str, str]) -> Rrsa:
    missing = [name for name in _RRSA_VARIABLES if not env.get(name)]
    if missing:
        raise CredentialError(f"credential.type is rrsa, yet not set: {', '.join(missing)}")
    for name in _RRSA_VARIABLES[:2]:
        if not env[name].startswith(_ARN):
            raise CredentialError(f"{name}: found {env[name]!r}; allowed: an ARN, {_ARN}…")
    role_arn, provider_arn, token_file = (env[name] for name in _RRSA_VARIABLES)
    session_name = env.get("ALIBABA_CLOUD_ROLE_SESSION_NAME") or "dnatctl"
    return Rrsa(role_arn, provider_arn, token_file, session_name, _sts_endpoint(env))


def _sts_endpoint(env: Mapping[str, str]) -> str:
    """The variables of the vendor's SDKs, and one to point elsewhere."""
    if override := env.get("DNATCTL_STS_ENDPOINT"):
        return override
    region = env.get("ALIBABA_CLOUD_STS_REGION")
    if not region:
        return "https://sts.aliyuncs.com"
    inside_vpc = env.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "").lower() == "true"
    return f"https://{'sts-vpc' if inside_vpc else 'sts'}.{region}.aliyuncs.com"


def _ram_role(env: Mapping[str, str]) -> RamRole:
    if env.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() == "true":
        raise CredentialError(
            "no credentials: no access key, no RRSA variables, no addon token file, and the "
            "metadata service is turned off by ALIBABA_CLOUD_ECS_METADATA_DISABLED"
        )
    endpoint = env.get("DNATCTL_METADATA_ENDPOINT") or METADATA_ENDPOINT
    return RamRole(env.get("ALIBABA_CLOUD_ECS_METADATA", ""), endpoint)

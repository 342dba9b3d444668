"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dnatctl.cloud.credentials import (
    CredentialError,
    CredentialSource,
    CredentialType,
    KeyFiles,
    choose,
)
from dnatctl.cloud.operation import Operation
from dnatctl.kube import paths
from dnatctl.kube.errors import Failure, KubeConfigError, KubeError

if TYPE_CHECKING:
    # Loaded by what needs them: the clients of cloud and cluster cost half a second, the schema of
    # the configuration a tenth.
    from dnatctl.cloud.client import Cloud
    from dnatctl.cloud.providers import Provider
    from dnatctl.config import Config
    from dnatctl.kube.client import KubeClient, OnRequest

DEFAULT_CONFIG = "/etc/dnatctl/config.yaml"

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="DNATCTL_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    show_envvar=True,
    help="Configuration file.",
)
kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Kubeconfig file. Default: in-cluster, then KUBECONFIG or ~/.kube/config.",
)

namespace_option = click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    show_envvar=True,
    help="Namespace of the Lease and the ledger. Default: the pod's own, else dnatctl-system.",
)

F = TypeVar("F", bound=Callable[..., Any])


def timeout_option(usual_s: float) -> Callable[[F], F]:
    """For how long cluster and cloud are waited for, in seconds."""
    return click.option(
        "--timeout",
        default=usual_s,
        show_default=True,
        callback=_positive,
        help="Seconds to wait for answers.",
    )


def _positive(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not 0 < value < inf:  # click's own range takes "nan"
        raise click.BadParameter(f"{value:g} is no number of seconds to wait")
    return value


USUAL_NAMESPACE = "dnatctl-system"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _warn(warning: str) -> None:
    click.echo(f"warning: {warning}", err=True)


def load_config(path: Path, warn: Callable[[str], None] = _warn) -> Config:
    """The configuration; on mistakes prints all of them and exits with 2."""
    from dnatctl.config import ConfigErrors

    try:
        return read_config(path, warn)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)


def read_config(path: Path, warn: Callable[[str], None] = _warn) -> Config:
    """The configuration. Raises ConfigErrors."""
    from dnatctl.config import load
    from dnatctl.config.doubts import doubts, misspelt
    from dnatctl.config.readers import read_by_all

    config = load(path, os.environ)
    around = misspelt(os.environ, _variables()), read_by_all(_files_of_keys(path, config))
    for warning in chain(doubts(config), *around):
        warn(warning)
    return config


def _variables() -> set[str]:
    """The variables of the environment that the running command reads."""
    from dnatctl.config import ENVIRONMENT

    context = click.get_current_context(silent=True)
    options = context.command.params if context else ()
    return {*ENVIRONMENT, *(str(option.envvar) for option in options if option.envvar)}


def _files_of_keys(path: Path, config: Config) -> Iterator[Path]:
    """The files that hold keys: the configuration, if it does, and the mounted pair."""
    if config.credential.access_secret and not os.environ.get("DNATCTL_ACCESS_SECRET"):
        yield path
    for name in KeyFiles(config.credential.key_folder).paths:
        yield Path(name)


def credential_source(config: Config, env: Mapping[str, str] = os.environ) -> CredentialSource:
    """Where the keys come from; exits with 2 if the configuration contradicts itself."""
    try:
        return chosen_source(config, env)
    except CredentialError as error:
        click.echo(f"credential: {error}", err=True)
        sys.exit(2)


def chosen_source(config: Config, env: Mapping[str, str] = os.environ) -> CredentialSource:
    """Where the keys come from. Raises CredentialError if the configuration contradicts itself."""
    from dnatctl.config import CredentialSetting

    credential = config.credential
    wanted = credential.type
    environment = dict(env)
    if credential.role_name:
        environment["ALIBABA_CLOUD_ECS_METADATA"] = credential.role_name
    if credential.key_folder != type(credential)().key_folder:
        environment["DNATCTL_KEY_FOLDER"] = credential.key_folder
    if credential.token_file != type(credential)().token_file:
        environment["DNATCTL_ADDON_TOKEN_FILE"] = credential.token_file
    if config.endpoints.sts:
        environment["DNATCTL_STS_ENDPOINT"] = config.endpoints.sts
    if config.endpoints.metadata:
        environment["DNATCTL_METADATA_ENDPOINT"] = config.endpoints.metadata
    return choose(
        credential.access_key.get_secret_value(),
        credential.access_secret.get_secret_value(),
        None if wanted is CredentialSetting.AUTO else CredentialType(wanted.value),
        environment,
    )


def connect_cloud(config: Config, provider: Provider, **more: Any) -> Cloud:
    """The cloud that the configuration describes."""
    from dnatctl.cloud.client import Cloud
    from dnatctl.config.doubts import UNCALLED

    rates = config.rate_limits
    return Cloud.connect(
        config.region_id,
        config.vpc_id,
        provider,
        vpc_endpoint=config.endpoints.vpc or "",
        ecs_endpoint=config.endpoints.ecs or "",
        limits={Operation(name): rates[name] for name in rates if name not in UNCALLED},
        **more,
    )


def provider_for(config: Config) -> Provider:
    """Credentials as the configuration asks for them."""
    from dnatctl.cloud.providers import open_provider

    return open_provider(credential_source(config))


def own_namespace(client: KubeClient) -> str:
    """The namespace of the Lease and the ledger: the pod's own, outside of pods the usual one.

    On a cluster where that was never made (nothing but the CRD is installed), it is kube-system.
    """
    if SERVICE_ACCOUNT.is_file():
        return SERVICE_ACCOUNT.read_text(encoding="utf-8").strip()
    return USUAL_NAMESPACE if _exists(client, USUAL_NAMESPACE) else "kube-system"


def own_identity(name: str) -> str:
    """Who takes the Lease: this process and no other. Whoever holds it may take it again at once,
    so that two of one name would both lead."""
    return f"{name}_{uuid.uuid4().hex[:8]}"


def _exists(client: KubeClient, namespace: str) -> bool:
    """Whether the namespace is there, found out with no right but that to make a Lease in it."""
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "dnatctl"},
    }
    try:
        path = paths.in_namespace("coordination.k8s.io/v1", namespace, "leases")
        client.request("POST", path, query={"dryRun": "All"}, body=lease)
    except KubeError as error:
        return error.failure is not Failure.NOT_FOUND
    return True


def connect(kubeconfig: Path | None, size: int, observer: OnRequest | None = None) -> KubeClient:
    """The cluster, with so many connections kept; ends the command if none is configured."""
    from dnatctl.kube.client import KubeClient

    try:
        return KubeClient.connect(kubeconfig, size, observer=observer)
    except KubeConfigError as error:
        raise click.ClickException(str(error)) from error

"""`dnatctl check`: is the configuration good, and does it fit the world?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dnatctl.cli.asking import colours, give_document, now, output_option
from dnatctl.cli.options import (
    chosen_source,
    config_option,
    connect,
    connect_cloud,
    kubeconfig_option,
    namespace_option,
    own_namespace,
    read_config,
)
from dnatctl.cloud.credentials import CredentialError, CredentialSource, in_words, remedy
from dnatctl.status.findings import Finding, Grade, fail, good, line, ok, summary

if TYPE_CHECKING:
    from dnatctl.config import Config
    from dnatctl.config.errors import Mistake

COLOURS = {Grade.OK: "green", Grade.FAIL: "red", Grade.NOTE: "yellow"}


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@click.option("--online", is_flag=True, help="Also ask the cloud and the cluster.")
@click.option(
    "--try-delete",
    is_flag=True,
    help="With --online: also ask the cloud to delete an entry that does not exist, as there is no "
    "dry run that tells whether RAM allows vpc:DeleteForwardEntry.",
)
@output_option("table", "json", "yaml")
def check(
    config_file: Path,
    kubeconfig: Path | None,
    namespace: str | None,
    online: bool,
    try_delete: bool,
    output: str,
) -> None:
    """Check the configuration; with --online also credentials, RAM actions, gateways, EIPs, room in
    their tables, the CRD, what this account may do in the cluster (use the controller's), who
    leads, and workloads with an annotation in the wrong place.

    A line for each: ✓ right, ✗ not right, with its cause and what to do, - not looked at, or good
    to know. Changes nothing: whether entries may be made and changed is asked by dry runs. Exits
    with 2 for a bad configuration, 1 if a line has a ✗, else 0.
    """
    config, source = _read(config_file, output)
    gateways = len(config.gateways)
    first = f"{config_file}: {gateways} gateway(s)"
    found: list[Finding] = []
    if output == "table":
        click.echo(line(ok("configuration", first), _painted))
    if online:
        for each in _online(config, source, kubeconfig, namespace, try_delete=try_delete):
            found.append(each)
            if output == "table":
                click.echo(line(each, _painted))
    if output != "table":
        _give(output, [ok("configuration", first), *found])
    elif online:
        click.echo(summary(found))
    sys.exit(0 if good(found) else 1)


def _read(config_file: Path, output: str) -> tuple[Config, CredentialSource]:
    """What is to be checked. Exits with 2 if it cannot be used, and says so in the form asked
    for."""
    from dnatctl.config import ConfigErrors

    try:
        config = read_config(config_file)
        return config, chosen_source(config)
    except ConfigErrors as errors:
        wrong, text = [_wrong(each) for each in errors.problems], str(errors)
    except CredentialError as error:
        wrong, text = [fail("configuration", f"credential: {error}", "")], f"credential: {error}"
    click.echo(text, err=True)
    if output != "table":
        _give(output, wrong)
    sys.exit(2)


def _wrong(mistake: Mistake) -> Finding:
    text = f"{mistake.where}: {mistake.key or 'the file'}: found {mistake.found}"
    return fail("configuration", text, f"allowed: {mistake.allowed}")


def _give(output: str, found: list[Finding]) -> None:
    give_document(output, {"good": good(found), "findings": found})


def _painted(sign: str, grade: Grade) -> str:
    return click.style(sign, fg=COLOURS[grade]) if colours() else sign


def _online(
    config: Config,
    source: CredentialSource,
    kubeconfig: Path | None,
    namespace: str | None,
    *,
    try_delete: bool,
) -> Iterator[Finding]:
    from dnatctl.cloud.providers import open_provider
    from dnatctl.control.tools.cloud_check import look_at_cloud
    from dnatctl.control.tools.cluster_check import CLUSTER, look_at_cluster
    from dnatctl.kube.errors import KubeError
    from dnatctl.observe.logs import configure

    configure("error", "console")
    cloud = connect_cloud(config, open_provider(source))
    who, mend = in_words(source), remedy(source)
    yield from look_at_cloud(cloud, config, who, remedy=mend, try_delete=try_delete)
    try:
        client = connect(kubeconfig, 2)
        yield from look_at_cluster(client, config, namespace or own_namespace(client), now())
    except (KubeError, click.ClickException) as error:
        yield fail(CLUSTER, str(error), "name a kubeconfig file, or run this in the cluster")

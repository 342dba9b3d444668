"""What the commands that ask share: options as kubectl has them, the leader's word, the output."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from msgspec import to_builtins

from dnatctl.cli.options import F, kubeconfig_option
from dnatctl.kube import paths
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.names import LONGEST_LABEL, is_label
from dnatctl.status.table import columns, on_a_line, printable

if TYPE_CHECKING:
    from dnatctl.kube.client import KubeClient
    from dnatctl.kube.lease_record import LeaseRecord
    from dnatctl.objects import PodDNAT
    from dnatctl.status.document import StatusDocument

LEASE = "dnatctl"
"""The controller's Lease."""

STATUS_PORT = 8082
"""Where a controller serves /status, if its flag says nothing else."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The cluster that is asked, and how the answer is to look.

    `namespace`: whose pods; "" for all. `controller`: where the controller's Lease is, "" to look.
    """

    client: KubeClient
    namespace: str
    output: str
    server: str
    port: int
    controller: str

    @property
    def wide(self) -> bool:
        """Whether more columns are wanted."""
        return self.output == "wide"

    def records(self) -> list[PodDNAT]:
        """The PodDNATs of the namespace, or of all. Raises KubeError."""
        from dnatctl.kube.listing import read_all
        from dnatctl.kube.poddnats import PodDNATSource, Served, served_version

        served = Served(self.client, served_version(self.client))
        source = PodDNATSource(served, self.namespace)
        items, unreadable = read_all(self.client, source)
        for name in unreadable:
            aside(f"{name} cannot be read")
        return sorted(items, key=lambda record: record.key)

    def all_records(self) -> list[PodDNAT]:
        """The PodDNATs of all namespaces. Raises KubeError."""
        return replace(self, namespace="").records()

    def lease(self) -> tuple[str, LeaseRecord | None]:
        """The namespace that the controller's Lease is in, and the Lease. Raises KubeError."""
        from dnatctl.kube.lease_record import LeaseRecord

        for namespace in (self.controller,) if self.controller else LIKELY:
            path = paths.in_namespace("coordination.k8s.io/v1", namespace, "leases", LEASE)
            try:
                return namespace, LeaseRecord.read(self.client.request("GET", path))
            except ValueError as error:
                raise KubeError(Failure.UNKNOWN, f"the Lease cannot be read: {error}") from error
            except KubeError as error:
                if error.failure is not Failure.NOT_FOUND:
                    raise
        return "", None

    def status(self) -> StatusDocument:
        """The leader's word. Raises KubeError, with what to do, where it cannot be had."""
        from dnatctl.status.document import decode

        try:
            holder, answer = self._fetch()
            found = decode(answer)
        except ValueError as error:
            raise KubeError(Failure.UNKNOWN, f"/status cannot be read: {error}") from error
        if holder and found.lease.identity != holder:
            raise _not_the_leader(f"{found.lease.identity} of cluster {found.cluster}", holder)
        if not found.lease.leading:
            raise _not_the_leader(f"{found.lease.identity}, which stands by,", found.lease.holder)
        return found

    def status_if_told(self, instead: str) -> StatusDocument | None:
        """As `status`; where it cannot be had, that is said, and from what the answer is made."""
        try:
            return self.status()
        except KubeError as error:
            aside(f"the leader does not answer ({error}): from {instead} alone")
            return None

    def _fetch(self) -> tuple[str, bytes]:
        """/status, and who has to have answered: on one machine there may be several controllers.

        Nobody in particular where the answer comes from a named address or from a pod.
        """
        if self.server:
            return "", _here(self.server)
        namespace, lease = self.lease()
        if lease is None or not lease.holder:
            raise KubeError(Failure.UNREACHABLE, "no controller leads")
        pod = lease.holder.rpartition("_")[0]
        if pod == socket.gethostname():
            try:
                return lease.holder, _here(f"127.0.0.1:{self.port}")
            except KubeError as error:
                why = (
                    f"{error.message}; it ran on this machine when it last renewed its Lease,"
                    f" {lease.renew_time}: if it still does, say where it serves (--server)"
                )
                raise KubeError(error.failure, why) from error
        from dnatctl.kube import forward

        return "", forward.get(self.client.api, namespace, pod, self.port, "/status")


def _not_the_leader(who: str, leader: str) -> KubeError:
    leads = f"{leader} leads: say where that serves (--server)" if leader else "nobody leads"
    return KubeError(Failure.UNREACHABLE, f"{who} answers, and {leads}")


LIKELY = ("dnatctl-system", "kube-system")
"""Namespaces in which the controller usually is."""


def _here(address: str) -> bytes:
    from dnatctl.kube import forward

    host, _, port = address.rpartition(":")
    try:
        with closing(http.client.HTTPConnection(host, int(port), timeout=10.0)) as connection:
            connection.request("GET", "/status")
            return forward.body_of(connection.getresponse(), "/status")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise KubeError(Failure.UNREACHABLE, f"{address}: {error}") from error


class _AddressType(click.ParamType[str]):
    name = "address"

    _form = re.compile(r"(?:http://)?([\w.-]+:(\d{1,5}))/?", re.ASCII)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click. None at all stays none."""
        found = self._form.fullmatch(value)
        if value and not found:
            self.fail(f"write HOST:PORT, not {value!r}", param, ctx)
        if found and not 1 <= int(found[2]) <= 65535:
            self.fail(f"{value!r}: a port is 1 to 65535, not {found[2]}", param, ctx)
        return found[1] if found else ""


def output_option(*forms: str) -> Callable[[F], F]:
    """In which of these forms the answer is given; the first is the usual one."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help="Form of the answer.",
    )


def asking(
    *, all_namespaces: bool = True, namespaced: bool = True, answers: bool = True
) -> Callable[[F], F]:
    """Options of a command that asks; it is called with an `Asking` first.

    `namespaced`: it is about pods of a namespace. `answers`: it prints what it is told, in a form
    that can be chosen.
    """
    options: list[Callable[[Any], Any]] = [
        kubeconfig_option,
        click.option("--context", help="Context of the kubeconfig file."),
        click.option(
            "--server",
            type=_AddressType(),
            envvar="DNATCTL_SERVER",
            default="",
            metavar="HOST:PORT",
            help="Where the leader serves /status. Default: the pod that holds the Lease, by a "
            "port-forward, or this machine if the leader runs on it.",
        ),
        click.option(
            "--status-port",
            type=click.IntRange(1, 65535),
            default=STATUS_PORT,
            show_default=True,
            hidden=True,
        ),
        click.option(
            "--controller-namespace",
            default="",
            help=f"Where the controller runs. Default: {' or '.join(LIKELY)}.",
        ),
    ]
    if answers:
        options.insert(2, output_option("table", "wide", "json", "yaml"))
    if namespaced:
        named = click.option("-n", "--namespace", default="", help="Namespace of the pods.")
        options.insert(2, named)
    if all_namespaces:
        options.append(click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces."))

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def asked(
            kubeconfig: Path | None,
            context: str | None,
            server: str,
            status_port: int,
            controller_namespace: str,
            namespace: str = "",
            output: str = "table",
            all_namespaces: bool = False,
            **more: Any,
        ) -> Any:
            client, usual = _connect(kubeconfig, context)
            chosen = "" if all_namespaces else namespace or usual
            if namespaced and chosen and not is_label(chosen):
                raise click.UsageError(
                    f"no namespace can be called {chosen!r}: at most {LONGEST_LABEL} of a-z, 0-9"
                    " and '-' (--namespace)"
                )
            it = Asking(client, chosen, output, server, status_port, controller_namespace)
            try:
                return command(it, **more)
            except KubeError as error:
                raise failure(error) from error
            finally:
                client.close()

        wrapped: Any = asked
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[no-any-return]

    return decorate


def _connect(kubeconfig: Path | None, context: str | None) -> tuple[KubeClient, str]:
    from dnatctl.kube.client import KubeClient, usual_namespace
    from dnatctl.kube.errors import KubeConfigError

    try:
        client = KubeClient.connect(kubeconfig, 2, context=context)
    except KubeConfigError as error:
        raise click.ClickException(str(error)) from error
    return client, usual_namespace(kubeconfig, context)


def give(output: str, document: object, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print the answer in the form that was asked for."""
    if output in ("json", "yaml"):
        give_document(output, document)
        return
    for line in columns(head, rows):
        click.echo(line)


_HIGH_CONTROLS = re.compile("[\x7f-\x9f]")
"""Control characters that JSON lets stand as they are; a terminal may obey some."""


def give_document(output: str, document: object) -> None:
    """Print as JSON or YAML, whatever values of ours it holds."""
    document = to_builtins(document)  # yaml takes no enum, be it a str
    if output == "json":
        text = json.dumps(document, indent=2, ensure_ascii=False)
        click.echo(_HIGH_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def now() -> datetime:
    """The time, for ages."""
    return datetime.now(UTC)


def say(text: str) -> None:
    """A line of the answer. What stands in it may be anybody's who may write to cluster or cloud:
    a terminal is told no more than what to show."""
    click.echo(on_a_line(text))


def aside(text: str) -> None:
    """A word to the person, that is no part of the answer; see `say`."""
    click.echo(on_a_line(text), err=True)


def failure(error: Exception) -> click.ClickException:
    """What ends a command that cluster or cloud has failed; see `say`."""
    return click.ClickException(printable(str(error)))


def colours() -> bool:
    """Whether this goes to a terminal of somebody who wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")

"""`dnatctl ui`: what the leader knows, in a browser on this machine."""

from __future__ import annotations

import webbrowser

import click

from dnatctl.cli.asking import Asking, asking
from dnatctl.kube.errors import KubeError

PORT = 8090
"""Of 127.0.0.1, if nothing else is said."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port of 127.0.0.1 to serve the page on; 0 for one that is free.",
)
@click.option("--no-browser", is_flag=True, help="Open no browser; only say where the page is.")
@asking(all_namespaces=False, namespaced=False, answers=False)
def ui(it: Asking, port: int, no_browser: bool) -> None:
    """Serve a page that shows gateways, each port, backlogs, who waits, and who had an endpoint.

    It changes nothing, and answers on 127.0.0.1 alone. It shows what `dnatctl status` shows, asked
    every two seconds while somebody looks; where the leader does not answer it says why, and
    how old what it shows is. Ends with Ctrl-C.
    """
    from dnatctl.heartbeat import Heartbeats
    from dnatctl.observe.http import ListenError
    from dnatctl.ui.server import PageServer

    hearts = Heartbeats()
    try:
        server = PageServer(port, lambda: _ask(it), hearts)
    except ListenError as error:
        raise click.ClickException(f"{error}; --port takes another") from error
    try:
        server.start()
        click.echo(f"{server.url} shows what the leader knows; Ctrl-C ends it")
        if not no_browser:
            webbrowser.open(server.url)
        hearts.died.wait()
        raise click.ClickException(hearts.complaint())
    except KeyboardInterrupt:
        click.echo()
    finally:
        server.stop()


def _ask(it: Asking) -> bytes:
    from dnatctl.status.document import encode
    from dnatctl.ui.server import LeaderSilentError

    try:
        return encode(it.status())
    except KubeError as error:
        raise LeaderSilentError(str(error)) from error

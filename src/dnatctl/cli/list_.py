"""`dnatctl list`: which pods have which endpoints."""

from __future__ import annotations

from collections.abc import Iterator

import click

from dnatctl.cli.asking import Asking, aside, asking, give, now
from dnatctl.objects import READY, PodDNAT
from dnatctl.status.show import age

HEAD = ("NAMESPACE", "NAME", "READY", "ENDPOINTS", "POD-IP", "AGE", "REASON")
WIDE = ("GATEWAY", "ENTRIES")


@click.command("list")
@asking()
def list_(it: Asking) -> None:
    """List pods with their endpoints, of one namespace or of all (-A).

    It reads PodDNATs, and works whether or not a controller runs. READY counts the ports that reach
    the pod now; an endpoint in parentheses is claimed and leads nowhere yet.
    """
    records = it.records()
    document = [_document(record) for record in records]
    head = HEAD + WIDE if it.wide else HEAD
    rows = [_row(record, it) for record in records]
    if not rows and not it.output.endswith(("json", "yaml")):
        where = f"in namespace {it.namespace}" if it.namespace else "anywhere"
        aside(f"no pod has an endpoint {where}")
        return
    give(it.output, document, head, rows)


def _row(record: PodDNAT, it: Asking) -> tuple[str, ...]:
    spec, status = record.spec, record.status
    cells = (
        record.key.namespace,
        record.key.name,
        f"{len(status.entries)}/{len(spec.ports)}",
        ",".join(_endpoints(record)) or "-",
        spec.internal_ip or "-",
        age(record.created, now()),
        _reason(record) or "-",
    )
    if not it.wide:
        return cells
    return (*cells, spec.gateway_id or "-", ",".join(e.entry_id for e in status.entries) or "-")


def _reason(record: PodDNAT) -> str:
    """What its condition says, if that knows of its deletion where it is being deleted."""
    ready = record.status.condition(READY)
    reason = ready.reason if ready else ""
    return "Releasing" if record.deleting and reason in ("", "EntriesAvailable") else reason


def _endpoints(record: PodDNAT) -> Iterator[str]:
    usable = {entry.endpoint for entry in record.status.entries}
    for port in record.spec.ports:
        endpoint = record.spec.endpoint(port)
        text = f"{endpoint}->{port.internal}"
        yield text if endpoint in usable else f"({text})"


def _document(record: PodDNAT) -> dict[str, object]:
    usable = {entry.endpoint: entry for entry in record.status.entries}
    ready = record.status.condition(READY)
    return {
        "namespace": record.key.namespace,
        "name": record.key.name,
        "uid": record.uid,
        "gateway": record.spec.gateway_id,
        "podIP": record.spec.internal_ip,
        "created": record.created,
        "deleting": record.deleting,
        "reason": _reason(record),
        "message": ready.message if ready else "",
        "endpoints": [
            {
                "endpoint": str(endpoint := record.spec.endpoint(port)),
                "internalPort": port.internal,
                "usable": endpoint in usable,
                "entry": usable[endpoint].entry_id if endpoint in usable else "",
            }
            for port in record.spec.ports
        ],
    }

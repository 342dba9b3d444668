"""Which options a request may come with.

The rules are those of k8s.io/apimachinery: ValidateCreateOptions, ValidateDeleteOptions and their
like in meta/v1/validation, ValidateListOptions in meta/internalversion/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dnatctl_sim.kube.core.causes import Cause
from dnatctl_sim.kube.core.errors import bad_request, invalid_request

_POLICIES = ("Foreground", "Background", "Orphan", "nil")
_MATCHES = ("Exact", "NotOlderThan", "")
_MANAGER_LIMIT = 128


def check_write(verb: str, query: Mapping[str, str]) -> None:
    """Of a create, update or patch. Raises ApiError 422."""
    causes = list(_dry_run_causes([query["dryRun"]] if query.get("dryRun") else []))
    if len(query.get("fieldManager", "")) > _MANAGER_LIMIT:
        why = f"Too long: must have at most {_MANAGER_LIMIT} bytes"
        causes.append(Cause("fieldManager", "FieldValueTooLong", why))
    if query.get("force"):
        causes.append(Cause.forbidden("force", "may not be specified for non-apply patch"))
    _refuse(causes, f"{verb.capitalize()}Options")


def check_delete(dry_run: Sequence[str], policy: str, *, orphan: bool) -> None:
    """Of a deletion. Raises ApiError 422."""
    causes = list(_dry_run_causes(dry_run))
    if policy and orphan:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause.invalid("propagationPolicy", policy, why))
    elif policy and policy not in _POLICIES:
        causes.append(Cause.unsupported("propagationPolicy", policy, _POLICIES))
    _refuse(causes, "DeleteOptions")


def check_list(query: Mapping[str, str], *, watch: bool) -> None:
    """Of a list or a watch. Raises ApiError 422, and 400 for a page of another version."""
    version, following = query.get("resourceVersion", ""), query.get("continue", "")
    streamed = watch and "sendInitialEvents" in query  # of newer servers, which want a match there
    if query.get("resourceVersionMatch") and not streamed:
        causes = _match_causes(query["resourceVersionMatch"], version, following, watch=watch)
        _refuse(list(causes), "ListOptions")
    if following and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def _match_causes(match: str, version: str, following: str, *, watch: bool) -> Iterator[Cause]:
    field = "resourceVersionMatch"
    if watch:
        yield Cause.forbidden(field, "resourceVersionMatch is forbidden for watch")
    if not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        yield Cause.forbidden(field, why)
    if following:
        yield Cause.forbidden(field, "resourceVersionMatch is forbidden when continue is provided")
    if match not in _MATCHES:
        yield Cause.unsupported(field, match, _MATCHES)
    if match == "Exact" and version == "0":
        yield Cause.forbidden(field, 'resourceVersionMatch "Exact" is forbidden for version "0"')


def _dry_run_causes(values: Iterable[str]) -> Iterator[Cause]:
    for value in values:
        if value != "All":
            yield Cause.unsupported("dryRun", value, ["All"])


def _refuse(causes: list[Cause], kind: str) -> None:
    if causes:
        raise invalid_request(causes, kind)

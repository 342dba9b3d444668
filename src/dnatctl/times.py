"""Times as objects of a cluster have them, read and written in one place."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str) -> datetime | None:
    """A time as RFC 3339 writes it, in whatever form of it; None for what is none.

    What stands in an object of the cluster may have been written by anybody.
    """
    try:
        time = datetime.fromisoformat(text.strip().upper())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """A time in UTC as objects of the cluster have it (metav1.Time)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")

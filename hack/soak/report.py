"""What a soak found: printed for people, kept as JSON."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from hack.soak.fleet import Sample

GROWTH_KB = 8 * 1024
"""What a process may grow by over the second half of its quiet time, in addition to a tenth."""
SPARE_THREADS = 4
"""Requests for metrics and health run on threads of their own."""


@dataclasses.dataclass
class Report:
    """One run; `wrong` is empty if everything was true at the end."""

    seed: int
    seconds: float
    pods: int
    churn: dict[str, int] = dataclasses.field(default_factory=dict)
    trouble: dict[str, int] = dataclasses.field(default_factory=dict)
    last_trouble: str = ""
    """What came right before the end: an API server that was away costs the leader its Lease."""
    last_trouble_took_s: float = 0.0
    replicas: dict[str, int] = dataclasses.field(default_factory=dict)
    cloud: dict[str, object] = dataclasses.field(default_factory=dict)
    foreign_entries: int = 0
    exposed: int = 0
    settled_after_s: float = 0.0
    memory: dict[str, float] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything was true at the end."""
        return not self.wrong


def judge_growth(report: Report, samples: Sequence[Sample]) -> None:
    """Compare what the process that led longest used in the middle and at the end of that time."""
    by_pid: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.leads:
            by_pid.setdefault(sample.pid, []).append(sample)
    longest = max(by_pid.values(), key=lambda s: s[-1].at - s[0].at, default=[])
    quarter = len(longest) // 4
    if quarter < 3:
        report.memory = {"samples": len(longest)}
        report.wrong.append(f"memory cannot be judged by {len(longest)} samples of one leader")
        return
    middle, end = longest[quarter : 2 * quarter], longest[-quarter:]
    rss = [statistics.median(sample.rss_kb for sample in part) for part in (middle, end)]
    threads = [max(sample.threads for sample in part) for part in (middle, end)]
    report.memory = {
        "watched_s": round(longest[-1].at - longest[0].at, 1),
        "rss_kb_middle": rss[0],
        "rss_kb_end": rss[1],
        "threads_middle": threads[0],
        "threads_end": threads[1],
    }
    if rss[1] > rss[0] * 1.1 + GROWTH_KB:
        report.wrong.append(f"memory grew from {rss[0]} to {rss[1]} kB")
    if threads[1] > threads[0] + SPARE_THREADS:
        report.wrong.append(f"threads grew from {threads[0]} to {threads[1]}")


def show(report: Report) -> None:
    """Print it."""
    for field in dataclasses.fields(report):
        value = getattr(report, field.name)
        if isinstance(value, dict):
            print(f"{field.name}:")
            for key, count in sorted(value.items()):
                print(f"  {key:<28} {count}")
        elif field.name != "wrong":
            print(f"{field.name:<30} {value}")
    print("\n".join(["WRONG:", *report.wrong[:50]]) if report.wrong else "all true")


def keep(report: Report, out: Path) -> Path:
    """Write it as JSON; returns the file."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"soak-{report.seed}.json"
    path.write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    return path

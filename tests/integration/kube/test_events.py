"""Events as the emulated API server ends up with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import orjson
import pytest

from dnatctl.kube.events import EventRecorder
from dnatctl.objects import Key
from dnatctl_sim.kube import Fault, KubeServer, Match, Settings
from tests.integration.kube.conftest import client_of
from tests.support.clock import FakeClock
from tests.support.stage import eventually

EVENTS = "events.events.k8s.io"
KEY = Key("default", "web-0")
ROOM = 150
"""Of the outbox: so many are written in time, however slow each is."""


@pytest.fixture
def kube(no_leaked_threads: None) -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False)) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recorder(
    kube: KubeServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventRecorder]:
    # What fails rests, by a clock that stands still here.
    monkeypatch.setattr("dnatctl.kube.events._TIMEOUT", 60.0)
    monkeypatch.setattr("dnatctl.kube.events._ROOM", ROOM)
    client = client_of(kube.url)
    made = EventRecorder(
        client, controller="dnatctl", instance="dnatctl-0", clock=clock, dnat_version="v1beta1"
    )
    made.start()
    yield made
    made.stop()
    client.close()


def say(recorder: EventRecorder, note: str = "usable", uid: str = "u1", **more: Any) -> None:
    recorder.record("Pod", KEY, uid, "Normal", "EntryReady", "Expose", note, **more)


def stored(kube: KubeServer) -> list[dict[str, Any]]:
    """As events.k8s.io/v1 shows them; the store keeps the names of the older API."""
    client = client_of(kube.url)
    body = client.request("GET", "/apis/events.k8s.io/v1/events")
    client.close()
    return cast(list[dict[str, Any]], orjson.loads(body)["items"])


def settled(recorder: EventRecorder, kube: KubeServer) -> list[dict[str, Any]]:
    assert recorder.flush(60)
    return stored(kube)


def test_an_event_says_what_happened_to_whom(kube: KubeServer, recorder: EventRecorder) -> None:
    say(recorder, related=("PodDNAT", KEY, "u2"))
    (event,) = settled(recorder, kube)
    assert event["metadata"]["namespace"] == "default"
    assert event["metadata"]["name"].startswith("web-0.")
    wanted = {
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "dnatctl",
        "reportingInstance": "dnatctl-0",
        "type": "Normal",
        "reason": "EntryReady",
        "action": "Expose",
        "note": "usable",
    }
    assert {name: event[name] for name in wanted} == wanted
    assert "series" not in event
    pod = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web-0", "uid": "u1"}
    record = {"apiVersion": "alibabacloud.com/v1beta1", "kind": "PodDNAT", "uid": "u2"}
    assert event["regarding"] == pod
    assert event["related"] == pod | record


def test_repeats_become_a_series_and_cost_two_writes(
    kube: KubeServer, recorder: EventRecorder, clock: FakeClock
) -> None:
    say(recorder)
    settled(recorder, kube)
    for _ in range(50):
        clock.advance(1)
        say(recorder)
    (event,) = settled(recorder, kube)
    assert event["series"]["count"] >= 2
    assert len(kube.requests.writes()) == 2
    recorder.stop(60)
    (event,) = stored(kube)
    assert event["series"]["count"] == 51
    assert event["series"]["lastObservedTime"] == "2026-01-01T00:00:50.000000Z"
    assert recorder.dropped == 0


def test_another_note_or_object_is_another_event(kube: KubeServer, recorder: EventRecorder) -> None:
    say(recorder)
    say(recorder, note="another")
    say(recorder, uid="u2")
    events = settled(recorder, kube)
    assert len(events) == 3
    assert len({event["metadata"]["name"] for event in events}) == 3


def test_a_repeat_after_a_long_time_is_a_new_event(
    kube: KubeServer, recorder: EventRecorder, clock: FakeClock
) -> None:
    say(recorder)
    clock.advance(361)
    say(recorder)
    assert len(settled(recorder, kube)) == 2


def test_an_object_has_a_budget_that_refills(
    kube: KubeServer, recorder: EventRecorder, clock: FakeClock
) -> None:
    for n in range(40):
        say(recorder, note=f"note {n}")
    say(recorder, uid="another")
    assert len(settled(recorder, kube)) == 26
    assert recorder.dropped == 15
    clock.advance(600)
    for n in range(40, 50):
        say(recorder, note=f"note {n}")
    assert len(settled(recorder, kube)) == 28


def test_long_notes_are_cut_between_characters(kube: KubeServer, recorder: EventRecorder) -> None:
    say(recorder, note="端" * 1000)
    (event,) = settled(recorder, kube)
    assert 1020 <= len(event["note"].encode()) <= 1024
    assert event["note"].endswith("端...")


def test_objects_without_a_namespace_go_to_the_default_one(
    kube: KubeServer, recorder: EventRecorder
) -> None:
    recorder.record("Node", Key("", "n" * 250), "u", "Warning", "Odd", "Look", "x")
    (event,) = settled(recorder, kube)
    assert event["metadata"]["namespace"] == "default"


@pytest.mark.parametrize(
    "fault", [Fault(code=503), Fault(drop=True), Fault(drop=True, after=True), Fault(code=429)]
)
def test_a_passing_failure_is_tried_again(
    kube: KubeServer, recorder: EventRecorder, clock: FakeClock, fault: Fault
) -> None:
    kube.faults.add(fault, Match(verb="create", resource=EVENTS))
    say(recorder)
    eventually(lambda: (clock.advance(1), recorder.flush(0.05))[1])
    assert len(stored(kube)) == 1
    assert recorder.dropped == 0


SLOW = Fault(delay=0.5)
SLOW_AND_IN_VAIN = Fault(code=500, message="failed calling webhook: timed out", delay=0.5)


@pytest.mark.parametrize("fault", [SLOW, SLOW_AND_IN_VAIN], ids=["slow", "in vain"])
def test_a_namespace_where_events_are_slow_to_be_written_holds_up_no_other(
    kube: KubeServer, recorder: EventRecorder, fault: Fault
) -> None:
    kube.store.create("namespaces", {"metadata": {"name": "other"}})
    kube.faults.add(fault, Match(resource=EVENTS, namespace="default"), times=None)
    for n in range(100):
        say(recorder, uid=f"u{n}")
    recorder.record("Pod", Key("other", "late"), "u", "Normal", "EntryReady", "Expose", "usable")
    eventually(lambda: kube.store.list(EVENTS, "other"))
    assert recorder.pending > 50, "it was not its turn only after all of them"


def test_a_namespace_with_too_many_events_leaves_room_for_others(
    kube: KubeServer, recorder: EventRecorder
) -> None:
    kube.store.create("namespaces", {"metadata": {"name": "other"}})
    kube.pause()
    for n in range(ROOM + 20):
        say(recorder, uid=f"u{n}")
    recorder.record("Pod", Key("other", "late"), "u", "Normal", "EntryReady", "Expose", "usable")
    kube.resume()
    eventually(lambda: kube.store.list(EVENTS, "other"))


def test_a_refusal_drops_the_event_and_no_other(kube: KubeServer, recorder: EventRecorder) -> None:
    kube.faults.add(Fault(code=403), Match(verb="create", resource=EVENTS))
    say(recorder)
    say(recorder, note="next")
    (event,) = settled(recorder, kube)
    assert event["note"] == "next"
    assert recorder.dropped == 1


def test_an_event_in_a_namespace_that_ends_is_not_missed(
    kube: KubeServer, recorder: EventRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    kube.store.create("namespaces", {"metadata": {"name": "ends", "finalizers": ["a.example/b"]}})
    kube.store.delete("namespaces", "", "ends")
    recorder.record("Pod", Key("ends", "web-0"), "u1", "Normal", "EntryReleased", "Release", "gone")
    assert settled(recorder, kube) == []
    assert recorder.dropped == 0
    assert "event dropped" not in capsys.readouterr().out


def test_a_series_whose_event_is_gone_is_written_anew(
    kube: KubeServer, recorder: EventRecorder
) -> None:
    say(recorder)
    (event,) = settled(recorder, kube)
    kube.store.delete(EVENTS, "default", event["metadata"]["name"])
    say(recorder)
    (event,) = settled(recorder, kube)
    assert event["series"]["count"] == 2


def test_recording_never_waits_and_drops_what_is_too_much(
    kube: KubeServer, recorder: EventRecorder
) -> None:
    kube.pause()
    for n in range(ROOM + 40):
        say(recorder, uid=f"u{n}")
    assert recorder.dropped in (39, 40), "one may be on its way already"
    assert not recorder.flush(0.05)
    kube.resume()
    eventually(lambda: recorder.flush(0.05))
    assert len(stored(kube)) == ROOM + 40 - recorder.dropped


def test_stop_does_not_wait_for_a_server_that_hangs(
    kube: KubeServer, recorder: EventRecorder
) -> None:
    kube.pause()
    say(recorder)
    recorder.stop(0.1)
    kube.resume()


def test_stop_before_start(kube: KubeServer, clock: FakeClock) -> None:
    EventRecorder(client_of(kube.url), controller="c", instance="i", clock=clock).stop()

"""What a decision rests on is of one moment, whatever happens while the API server is asked."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.cloud.eni import EniCache
from dnatctl.config import Namespaces
from dnatctl.control.sight.look import MOST_QUESTIONS, WORKLOAD_BELIEVED_S, Lookout
from dnatctl.control.sight.resolver import forgetting
from dnatctl.control.sight.spaces import Spaces
from dnatctl.control.sight.tenancy import Nodes
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.model import Eni
from dnatctl.objects import Key, Pod, PodDNAT
from dnatctl.plan.exposure import Ask, Rules
from dnatctl.plan.values import Deletion, Policy, Seen, WorkloadAnswer
from tests.support.clock import FakeClock
from tests.unit.plan.made import KEY, ME, POD_IP, pod, record, spec
from tests.unit.pool.made import offer
from tests.unit.table.made import MARKS

ANY = Rules()


def nothing() -> None:
    """Nothing happens meanwhile."""


@dataclass
class ApiServer:
    """Answers as it is told; `meanwhile` happens while it is asked."""

    pods: dict[Key, Pod] = field(default_factory=dict)
    workload: WorkloadAnswer = WorkloadAnswer.WANTS
    meanwhile: Callable[[], None] = nothing
    asked: list[str] = field(default_factory=list)

    def pod(self, key: Key) -> Pod | None:
        self.asked.append(f"pod {key.name}")
        found = self.pods.get(key)
        self.meanwhile()
        return found

    def keeps(self, key: Key, owner: Any) -> WorkloadAnswer:
        self.asked.append(f"workload {owner.name}")
        self.meanwhile()
        return self.workload

    def deletion(self, record: PodDNAT, pod: Pod, now: float) -> Deletion:
        self.asked.append(f"why {record.key.name}")
        self.meanwhile()
        return Deletion(wished=True, settled=True)


class Place:
    """Caches, views and a lookout over them."""

    def __init__(self, rules: Rules = ANY, spaces: Any = None) -> None:
        clock = self.clock = FakeClock()
        self.rules = rules
        self.views = Views(MARKS, [offer()], 60.0, clock)
        self.pods: Cache[Pod] = Cache()
        self.records: Cache[PodDNAT] = Cache()
        self.pods.on_change(self.views.ips.pod_changed)
        self.records.on_change(lambda old, new: (self.views.record_changed(old, new), None)[1])
        self.enis = EniCache(clock, lambda ip: None)
        self.pods.on_change(forgetting(self.enis))
        self.server = ApiServer()
        self.neighbours = Neighbours()
        self.unanswered = False
        writer = SimpleNamespace(
            refusals=lambda uid: {},
            hindrances=lambda uid: {},
            trouble=lambda: "",
            unready=lambda uid: "",
            unanswered=lambda uid: self.unanswered,
        )
        nothing: Any = None
        fleet = SimpleNamespace(writer=lambda _id: writer)
        gateways: Any = SimpleNamespace(fleet=fleet, writers_for=lambda _: [writer])
        self.lookout = Lookout(
            self.views,
            self.pods,
            self.records,
            rules=lambda _: self.rules,
            spaces=spaces or Spaces(nothing, nothing, Namespaces),
            policy=Policy,
            nodes=Nodes(Cache()),
            lookups=self.server,
            gateways=lambda: gateways,
            enis=self.enis,
            neighbours=self.neighbours,
            clock=clock,
        )

    def look(self) -> Seen:
        seen = self.lookout.look(KEY, lambda seen: seen)
        assert seen is not None
        return seen


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_changes_while_a_pod_is_looked_up_is_seen_as_it_is_then(place: Place):
    place.records.apply(record((600, 80)))

    def meanwhile() -> None:
        place.unanswered = True
        changed = replace(record(claim=spec((601, 80))), resource_version="2")
        place.records.apply(changed)

    place.server.meanwhile = meanwhile
    seen = place.look()
    assert seen.pod is None
    assert seen.unanswered
    assert seen.record is not None
    assert [port.external for port in seen.record.spec.ports] == [601]


def test_a_pod_that_comes_while_it_is_looked_up_is_seen(place: Place):
    place.records.apply(record((600, 80)))
    place.server.meanwhile = lambda: place.pods.apply(pod())
    seen = place.look()
    assert seen.pod == pod()
    assert place.server.asked == ["pod lobby-0"], "the cache knows of it"


def test_a_pod_that_goes_meanwhile_is_looked_up_before_anything_rests_on_that(place: Place):
    place.pods.apply(pod(annotations={}))
    place.server.pods[KEY] = pod(annotations={})
    place.records.apply(record((600, 80)))

    def meanwhile() -> None:
        place.server.meanwhile = nothing
        place.pods.remove(KEY, "uid-pod", "5")
        place.server.pods[KEY] = replace(pod(), uid="another", resource_version="9")

    place.server.meanwhile = meanwhile
    seen = place.look()
    assert seen.pod is not None
    assert seen.pod.uid == "another"
    assert place.server.asked == ["pod lobby-0"] * 2


def test_a_pod_is_looked_up_once_for_as_long_as_the_caches_do_not_change(place: Place):
    place.records.apply(record((600, 80)))
    place.look()
    place.look()
    assert place.server.asked == ["pod lobby-0"]


def ended(place: Place) -> Pod:
    """The record's pod has ended, which is looked up."""
    over = pod(ended=True, deleting=True)
    place.server.pods[KEY] = over
    place.pods.apply(over)
    place.records.apply(record((600, 80)))
    assert place.look().pod == over
    assert place.server.asked.pop() == "pod lobby-0"
    return over


def test_that_a_pod_has_ended_is_asked_once(place: Place):
    """It does not come back to life, however it changes, goes, or is followed by another."""
    over = ended(place)
    place.pods.apply(replace(over, resource_version="8"))
    assert place.look().exposure.ask is Ask.ENDED
    place.pods.remove(KEY, over.uid, "9")
    assert place.look().pod is None
    place.pods.apply(replace(pod(), uid="another", resource_version="10"))
    assert place.look().pod is not None
    assert place.server.asked == []


def test_and_so_is_that_it_is_gone(place: Place):
    place.pods.apply(pod())
    place.records.apply(record((600, 80)))
    place.pods.remove(KEY, "uid-pod", "5")
    assert place.look().pod is None
    place.pods.apply(replace(pod(), uid="another", resource_version="10"))
    place.look()
    assert place.server.asked == ["pod lobby-0"]


def test_but_the_next_pod_of_the_name_is_asked_after_for_itself(place: Place):
    ended(place)
    follower = replace(pod(ended=True), uid="another", resource_version="10")
    owner = replace(record((600, 80)).owners[0], uid="another")
    place.pods.apply(follower)
    place.records.apply(replace(record((600, 80)), resource_version="11", owners=(owner,)))
    place.look()
    assert place.server.asked == ["pod lobby-0"]


def test_and_a_name_whose_claim_belongs_to_a_workload_is_asked_after_each_time(place: Place):
    over = pod(ended=True)
    place.server.pods[KEY] = over
    place.pods.apply(over)
    place.records.apply(record((600, 80), fixed=True))
    place.look()
    del place.server.pods[KEY]
    place.pods.remove(KEY, over.uid, "9")
    place.look()
    assert place.server.asked.count("pod lobby-0") == 2


def test_and_what_the_cache_says_against_it_counts(place: Place):
    """A server that went back in time tells of the pod as it was: it is looked up."""
    over = ended(place)
    place.pods.apply(replace(over, resource_version="12", ended=False, annotations={}))
    place.look()
    assert place.server.asked == ["pod lobby-0"]


def test_but_again_where_the_cache_does_not_hold_what_was_found(place: Place):
    place.records.apply(record((600, 80)))
    place.server.pods[KEY] = pod()
    assert place.look().pod == pod()
    assert place.look().pod == pod()
    assert place.server.asked == ["pod lobby-0"] * 2


def test_where_all_changes_all_the_time_nothing_is_decided(place: Place):
    place.records.apply(record((600, 80)))
    versions = iter(range(2, 100))

    def meanwhile() -> None:
        place.pods.apply(replace(pod(annotations={}), resource_version=str(next(versions))))

    place.server.meanwhile = meanwhile
    decided: list[Seen] = []
    assert place.lookout.look(KEY, decided.append) is None
    assert decided == []
    assert len(place.server.asked) == MOST_QUESTIONS


def is_free(views: Views) -> bool:
    """Whether another thread could have the views now."""
    found: list[bool] = []

    def other() -> None:
        found.append(views.lock.acquire(blocking=False))
        if found[0]:
            views.lock.release()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    return found[0]


def test_nobody_changes_the_world_while_it_is_decided(place: Place):
    place.records.apply(record((600, 80)))
    assert place.lookout.look(KEY, lambda _seen: is_free(place.views)) is False


def test_and_nobody_waits_for_the_world_while_the_api_server_is_asked(place: Place):
    free: list[bool] = []
    place.server.meanwhile = lambda: free.append(is_free(place.views))
    place.records.apply(record((600, 80)))
    place.look()
    assert free == [True]


def test_a_workload_is_asked_and_believed_for_a_while(place: Place):
    place.records.apply(record((600, 80), fixed=True))
    place.server.workload = WorkloadAnswer.SHED
    assert place.look().workload is WorkloadAnswer.SHED
    place.server.workload = WorkloadAnswer.WANTS
    assert place.look().workload is WorkloadAnswer.SHED
    place.views.clock.advance(20.0)
    assert place.look().workload is WorkloadAnswer.WANTS


def test_what_it_said_is_as_old_as_the_question(place: Place):
    """The API server may take its time, and the workload change in that."""
    place.records.apply(record((600, 80), fixed=True))
    place.server.workload = WorkloadAnswer.SHED
    place.server.meanwhile = lambda: place.views.clock.advance(10.0)
    assert place.look().workload is WorkloadAnswer.SHED
    place.server.meanwhile = nothing
    place.server.workload = WorkloadAnswer.WANTS
    place.views.clock.advance(WORKLOAD_BELIEVED_S - 5.0)
    assert place.look().workload is WorkloadAnswer.WANTS


def test_a_neighbour_is_called_on_once_a_look(place: Place):
    """One that is not to be held: it has the IP no more, or another one came."""
    place.pods.apply(pod())
    other = Key("games", "other")
    place.neighbours.note(POD_IP, other)
    place.server.meanwhile = lambda: place.neighbours.note(POD_IP, other)
    assert place.look().pod == pod()
    assert place.server.asked == ["pod other"]


def test_who_made_the_record_is_seen_as_it_is_then(place: Place):
    place.records.apply(record((600, 80)))
    place.server.meanwhile = lambda: place.views.records.made(ME)
    assert place.look().made_here


def interface(eni_id: str) -> Any:
    """A cloud where every address is of that network interface."""

    def find(ips: list[str]) -> dict[str, Eni]:
        return {ip: Eni(eni_id, "vsw-1", "zone-1", (ip,)) for ip in ips}

    return SimpleNamespace(find_enis=find)


def test_the_interface_of_an_earlier_holder_of_the_ip_is_not_the_pods(place: Place):
    """The earlier one's end may not have been heard of yet."""
    earlier = replace(pod(), key=Key("games", "earlier"), uid="uid-earlier")
    place.pods.apply(earlier)
    place.enis.want(POD_IP)
    place.enis.resolve_pending(interface("eni-earlier"))
    place.views.clock.advance(100.0)
    place.pods.apply(replace(pod(), resource_version="2"))
    assert place.look().eni is None
    place.enis.resolve_pending(interface("eni-now"))
    found = place.look().eni
    assert found is not None
    assert found.eni_id == "eni-now"


def test_on_the_same_node_an_address_stays_with_its_interface(place: Place):
    earlier = replace(pod(), key=Key("games", "earlier"), uid="uid-earlier", node="node-1")
    place.pods.apply(earlier)
    place.enis.want(POD_IP, node="node-1")
    place.enis.resolve_pending(interface("eni-1"))
    place.views.clock.advance(100.0)
    place.pods.apply(replace(pod(), resource_version="2", node="node-1"))
    found = place.look().eni
    assert found is not None
    assert found.eni_id == "eni-1"


@pytest.mark.parametrize("change", [{"ended": True}, {"ips": ()}, {"ips": ("10.0.0.9",)}])
def test_an_address_that_no_pod_states_is_looked_for_no_more(place: Place, change: dict[str, Any]):
    place.pods.apply(pod())
    place.enis.want(POD_IP)
    place.pods.apply(replace(pod(), resource_version="2", **change))
    assert not place.enis.resolve_pending(interface("eni-1"))


def test_and_stays_while_the_pod_lives(place: Place):
    place.pods.apply(pod())
    place.enis.want(POD_IP)
    place.enis.resolve_pending(interface("eni-1"))
    place.pods.apply(replace(pod(), resource_version="2", node="node-1"))
    assert place.enis.want(POD_IP) is not None


def test_a_namespace_that_is_denied_keeps_what_it_has_for_the_grace():
    place = Place(Rules(denial=lambda _: "no", grace_s=300.0))
    place.pods.apply(pod())
    place.server.pods[KEY] = pod()
    place.clock.advance(1000.0)
    assert place.look().retry_in is None, "it has nothing"
    place.records.apply(record((600, 80)))
    seen = place.look()
    assert (seen.exposure.ask, seen.retry_in) == (Ask.KEEP, 300.0)
    place.clock.advance(200.0)
    assert (place.look().exposure.ask, place.look().retry_in) == (Ask.KEEP, 100.0)
    place.clock.advance(100.0)
    assert (place.look().exposure.ask, place.look().retry_in) == (Ask.REVOKED, None)


class Unlisted:
    """Namespaces whose labels decide and are not held; they are told unless there is no leave."""

    def __init__(self, *, leave: bool) -> None:
        self.leave = leave

    def must_ask(self, name: str) -> bool:
        return True

    def labels(self, name: str) -> None:
        return None

    def ask(self, name: str) -> dict[str, str]:
        if not self.leave:
            raise KubeError(Failure.FORBIDDEN, "no leave")
        return {}


def test_the_grace_begins_when_somebody_says_whether_the_namespace_is_denied():
    spaces = Unlisted(leave=False)
    place = Place(Rules(denial=lambda _: "no", grace_s=300.0), spaces)
    place.pods.apply(pod())
    place.server.pods[KEY] = pod()
    place.records.apply(record((600, 80)))
    with pytest.raises(KubeError):
        place.look()
    place.clock.advance(400.0)
    assert place.lookout.glance(KEY).exposure.ask is Ask.KEEP
    spaces.leave = True
    seen = place.look()
    assert (seen.exposure.ask, seen.retry_in) == (Ask.KEEP, 300.0)

    spaces.leave = False
    place.clock.advance(300.0)
    assert place.lookout.glance(KEY).exposure.ask is Ask.REVOKED, "once it has begun it goes on"


def test_the_end_of_the_grace_is_another_when_the_grace_is_and_not_when_the_clock_is_put_right():
    place = Place(Rules(denial=lambda _: "no", grace_s=3600.0))
    place.pods.apply(pod())
    place.server.pods[KEY] = pod()
    place.records.apply(record((600, 80)))
    told = place.look().exposure.problem
    assert "released at 01:00:00 UTC" in told.text
    place.clock.advance(100.0)
    place.clock.set_back(7.0)
    assert place.look().exposure.problem.text == told.text
    place.rules = Rules(denial=lambda _: "no", grace_s=300.0)
    assert "released at 00:04:53 UTC" in place.look().exposure.problem.text

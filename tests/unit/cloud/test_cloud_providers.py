"""Credentials are renewed in time, and served as long as they are good."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dnatctl.cloud.credentials import AccessKey, CredentialError, KeyFiles, Keys
from dnatctl.cloud.fetch import read_key_pair
from dnatctl.cloud.providers import (
    RENEW_BEFORE,
    RESTS,
    RETRY_AFTER,
    RETRY_AFTER_NONE,
    UNCLEAR_LIFE,
    FileProvider,
    LentProvider,
    StaticProvider,
    open_provider,
)
from tests.unit.cloud.clocks import FakeClock

HOUR = 3600.0


class Lender:
    """A service that lends keys for an hour, numbered, unless it is down."""

    def __init__(self, clock: FakeClock, life: float = HOUR) -> None:
        self.clock = clock
        self.life = life
        self.down = False
        self.hangs = 0.0
        self.asked = 0

    def __call__(self) -> Keys:
        self.asked += 1
        self.clock.advance(self.hangs)
        if self.down:
            raise CredentialError("STS is down")
        expires = self.clock.now().timestamp() + self.life
        return Keys(f"STS.{self.asked}", "secret", "token", expires)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lender(clock: FakeClock) -> Lender:
    return Lender(clock)


@pytest.fixture
def lent(lender: Lender, clock: FakeClock) -> LentProvider:
    return LentProvider(lender, clock)


def test_lent_credentials_are_kept_until_renewal_is_due(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    assert lent.keys().access_key_id == "STS.1"
    clock.advance(HOUR - RENEW_BEFORE - 1)
    assert lent.keys().access_key_id == "STS.1"
    clock.advance(2)
    assert lent.keys().access_key_id == "STS.2"


def test_short_lived_credentials_are_renewed_at_half_of_their_life(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lender.life = 600
    lent.keys()
    clock.advance(299)
    assert lent.keys().access_key_id == "STS.1"
    clock.advance(2)
    assert lent.keys().access_key_id == "STS.2"


def test_good_credentials_outlive_a_failing_service(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lent.keys()
    lender.down = True
    clock.advance(HOUR - RENEW_BEFORE + 1)
    asked_before = lender.asked
    served = 0
    while clock.seconds < 1000 + HOUR - 1:
        assert lent.keys().access_key_id == "STS.1"
        clock.advance(1)
        served += 1
    assert served > RENEW_BEFORE * 0.9
    # The failing service is not asked on every call.
    assert lender.asked - asked_before <= RENEW_BEFORE / RETRY_AFTER + 1


def test_a_service_that_recovers_in_time_is_not_noticed(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lent.keys()
    lender.down = True
    clock.advance(HOUR - RENEW_BEFORE + 1)
    assert lent.keys().access_key_id == "STS.1"
    lender.down = False
    clock.advance(RETRY_AFTER + 1)
    assert lent.keys().access_key_id == "STS.3"


def test_expired_credentials_are_not_served(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lent.keys()
    lender.down = True
    clock.advance(HOUR + 1)
    with pytest.raises(CredentialError, match="STS is down"):
        lent.keys()
    lender.down = False
    clock.advance(RETRY_AFTER_NONE + 1)
    assert lent.keys().expires_at is not None


def test_a_failure_is_repeated_to_those_who_ask_right_after(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lender.down = True
    for _ in range(20):
        with pytest.raises(CredentialError, match="STS is down"):
            lent.keys()
    assert lender.asked == 1


def test_credentials_that_come_expired_are_the_clouds_to_judge(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    """More likely this machine's clock is ahead."""
    lender.life = -HOUR
    for _ in range(5):
        assert lent.keys().access_key_id == "STS.1"
    assert lender.asked == 1
    clock.advance(UNCLEAR_LIFE)
    assert lent.keys().access_key_id == "STS.2"


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
def test_a_clock_that_jumps_costs_nothing(
    lent: LentProvider, lender: Lender, clock: FakeClock, jump: float
) -> None:
    lent.keys()
    clock.jump(jump)
    assert lent.keys().access_key_id == "STS.1"
    clock.advance(HOUR - RENEW_BEFORE + 1)
    assert lent.keys().access_key_id == "STS.2"
    assert lender.asked == 2


def test_refused_credentials_are_exchanged_once_for_all_threads(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lent.keys()
    clock.advance(60)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: lent.renew(), range(8)))
    assert lender.asked == 2
    assert lent.keys().access_key_id == "STS.2"


def test_refused_credentials_stay_if_there_are_no_others(
    lent: LentProvider, lender: Lender, clock: FakeClock
) -> None:
    lent.keys()
    clock.advance(60)
    lender.down = True
    assert not lent.renew()
    assert lent.keys().access_key_id == "STS.1"


@pytest.mark.parametrize("hangs", [0.0, 10 * RETRY_AFTER], ids=["at once", "after long"])
def test_a_failure_is_the_answer_for_all_who_waited_for_it(
    lent: LentProvider, lender: Lender, clock: FakeClock, hangs: float
) -> None:
    lender.down, lender.hangs = True, hangs
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(lent.keys) for _ in range(8)]
        assert {str(each.exception()) for each in asked} == {"STS is down"}
    assert lender.asked == 1

    lender.down = False
    clock.advance(RETRY_AFTER_NONE)
    lent.keys()
    clock.advance(60)
    lender.down = True
    with ThreadPoolExecutor(8) as threads:
        assert not any(threads.map(lambda _: lent.renew(), range(8)))
    assert lender.asked == 3

    lender.down = False
    clock.advance(RETRY_AFTER_NONE)
    assert lent.renew()


def test_while_one_thread_renews_the_others_go_on(clock: FakeClock) -> None:
    lender = Lender(clock)
    renewing, may_finish = threading.Event(), threading.Event()

    def slow() -> Keys:
        if lender.asked:
            renewing.set()
            assert may_finish.wait(60)
        return lender()

    lent = LentProvider(slow, clock)
    lent.keys()
    clock.advance(HOUR - RENEW_BEFORE + 1)
    thread = threading.Thread(target=lent.keys)
    thread.start()
    assert renewing.wait(60)
    assert lent.keys().access_key_id == "STS.1"
    may_finish.set()
    thread.join(60)
    assert lent.keys().access_key_id == "STS.2"


def test_fixed_keys_can_be_replaced_while_in_use() -> None:
    provider = open_provider(AccessKey(Keys("AK1", "S1")))
    assert isinstance(provider, StaticProvider)
    assert not provider.renew()
    provider.replace(Keys("AK2", "S2"))
    assert provider.keys() == Keys("AK2", "S2")


class File:
    """A mounted Secret, whose content is swapped as the kubelet does it."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.path = directory / "token"
        self.clock = clock
        self.reads = 0

    def put(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.path)

    def parse(self, data: bytes) -> Keys:
        self.reads += 1
        if data == b"damaged":
            raise CredentialError("damaged")
        key_id, life = data.decode().split()
        return Keys(key_id, "secret", "token", self.clock.now().timestamp() + float(life))


@pytest.fixture
def file(tmp_path: Path, clock: FakeClock) -> File:
    return File(tmp_path, clock)


@pytest.fixture
def from_file(file: File, clock: FakeClock) -> FileProvider:
    return FileProvider([str(file.path)], file.parse, clock)


def test_a_file_is_read_again_only_when_it_changes(file: File, from_file: FileProvider) -> None:
    file.put("A 100")
    assert [from_file.keys().access_key_id for _ in range(5)] == ["A"] * 5
    assert file.reads == 1
    file.put("B 100")
    assert from_file.keys().access_key_id == "B"


def test_a_damaged_or_absent_file_does_not_undo_good_credentials(
    file: File, from_file: FileProvider, clock: FakeClock
) -> None:
    file.put("A 100")
    from_file.keys()
    file.put("damaged")
    assert from_file.keys().access_key_id == "A"
    file.path.unlink()
    assert from_file.keys().access_key_id == "A"
    clock.advance(101)
    from_file.renew()
    with pytest.raises(CredentialError, match="No such file"):
        from_file.keys()
    file.put("B 100")
    assert from_file.keys().access_key_id == "B"


def test_a_file_that_is_not_renewed_is_told(
    file: File, from_file: FileProvider, clock: FakeClock
) -> None:
    file.put("A 100")
    from_file.keys()
    clock.advance(101)
    from_file.renew()
    with pytest.raises(CredentialError, match="have expired"):
        from_file.keys()


def test_a_late_refusal_of_those_before_says_nothing_of_the_new_ones(
    file: File, from_file: FileProvider
) -> None:
    file.put("A 100")
    from_file.keys()
    file.put("B 100")
    assert [from_file.renew() for _ in range(3)] == [True] * 3
    assert from_file.keys().access_key_id == "B"


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
@pytest.mark.parametrize("from_the_start", [True, False])
def test_by_a_wrong_clock_those_of_a_file_are_good_until_they_are_refused(
    file: File, from_file: FileProvider, clock: FakeClock, jump: float, from_the_start: bool
) -> None:
    file.put("A 3600")
    if not from_the_start:
        from_file.keys()
    clock.jump(jump)
    assert from_file.keys().access_key_id == "A"
    clock.advance(HOUR)
    assert not from_file.renew(), "the cloud has refused them"
    with pytest.raises(CredentialError):
        from_file.keys()
    clock.advance(max(RESTS.values()))
    assert from_file.keys().access_key_id == "A", "tried again, as the refusal may be over"
    from_file.renew()
    file.put("B 3600")
    assert from_file.keys().access_key_id == "B", "others are used at once"


def test_after_a_refusal_only_a_changed_file_is_worth_another_try(
    file: File, from_file: FileProvider
) -> None:
    file.put("A 100")
    from_file.keys()
    assert not from_file.renew()
    file.put("B 100")
    assert from_file.renew()


def test_a_pair_in_two_files_is_taken_up_when_both_are_there(
    tmp_path: Path, clock: FakeClock
) -> None:
    source = KeyFiles(str(tmp_path))
    provider = open_provider(source, clock)
    key, secret = map(Path, source.paths)
    key.write_text("A1\n", encoding="ascii")
    with pytest.raises(CredentialError, match="accessSecret"):
        provider.keys()
    secret.write_text("S1\n", encoding="ascii")
    assert provider.keys() == Keys("A1", "S1")
    for path, text in ((key, "A2"), (secret, "S2")):
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="ascii")
        os.replace(fresh, path)
    assert provider.renew()
    assert provider.keys() == Keys("A2", "S2")


@pytest.mark.parametrize("content", [b"", b" \n", "\N{SNOWMAN}".encode()])
def test_a_pair_that_is_none_is_refused_without_its_text(content: bytes) -> None:
    with pytest.raises(CredentialError) as caught:
        read_key_pair(b"SECRET-ID", content)
    assert "SECRET" not in str(caught.value)


class TestWhenTheyExpire:
    """Told as of the credentials that were last used; asking fetches nothing."""

    def test_a_fixed_pair_never_does(self) -> None:
        assert StaticProvider(Keys("id", "secret")).expires_at() is None

    def test_lent_ones_do_and_are_not_lent_to_tell(
        self, lent: LentProvider, lender: Lender, clock: FakeClock
    ) -> None:
        assert lent.expires_at() is None
        assert lender.asked == 0
        lent.keys()
        assert lent.expires_at() == clock.now().timestamp() + HOUR
        lender.down = True
        clock.advance(2 * HOUR)
        with pytest.raises(CredentialError):
            lent.keys()
        assert lent.expires_at() == clock.now().timestamp() - HOUR

    def test_those_of_a_file_that_does_not_say_do_not(
        self, tmp_path: Path, clock: FakeClock
    ) -> None:
        for name in ("accessKey", "accessSecret"):
            (tmp_path / name).write_text("text", encoding="utf-8")
        provider = open_provider(KeyFiles(str(tmp_path)), clock)
        provider.keys()
        assert provider.expires_at() is None

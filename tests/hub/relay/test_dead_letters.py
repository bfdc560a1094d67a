"""Dead letters in the store: kept with cursor and ledger, counted, tried again when asked."""

from dataclasses import replace
from pathlib import Path

from hub import dead_letters, ledger
from hub.database import connect
from hub.dead_letters import LETTERS_MAX, DeadLetter, loss_of
from hub.relay.mqtt import MqttUplink
from hub.relay.suspects import Suspect
from hub.store import Store
from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.vocabulary import GAP_DEAD_LETTER, LANE_STATE, LANE_WAVE

SETTINGS = {
    "name": "platform",
    "host": "127.0.0.1",
    "port": 1,
    "version": "5",
    "required": True,
    "link_kbit_s": 0,
    "keepalive_s": 10,
    "backlog_kib_s": 0,
    "user": "",
}
KEYS = DeviceKeys("river-1", bytes(32))


def letter_of(index: int, lane: int = LANE_WAVE) -> DeadLetter:
    """Return the letter of a frame; its sequence number is its index."""
    series = Series("level", "m", (-3, 1), 0, spacing_ns=10**6, values=[1, 2])
    frame = KEYS.up.seal(encode_batch((7, index, lane, 0), [series]))
    return DeadLetter(("platform", lane, index), "refused", 5, 1_000_000, frame=frame)


async def test_letters_outlive_the_store_and_are_counted_by_lane(tmp_path: Path) -> None:
    store = Store(tmp_path, 1 << 26)
    letters = [letter_of(3), letter_of(4), letter_of(5, LANE_STATE)]
    for one in letters:
        store.save_dead_letter(one.key, one)
        store.group.ledger.append(loss_of(one))
    await store.close()
    store = Store(tmp_path, 1 << 26)
    assert store.dead_letters_of("platform") == [one.key for one in (letters[2], *letters[:2])]
    assert store.dead_letters_of("other") == []
    assert await store.read_dead_letter_to_retry("platform") is None
    db = connect(store.path)
    assert dead_letters.read_all(db) == [letters[2], *letters[:2]]
    gaps = [entry.fields() for _, entry in ledger.read(db, ledger.GAP)]
    assert [(one["device"], one["boot"], one["first"], one["next"]) for one in gaps] == [
        ("river-1", 7, index, index + 1) for index in (3, 4, 5)
    ]
    assert all(one["reason"] == GAP_DEAD_LETTER for one in gaps)
    assert dead_letters.ask_to_retry(db, "other") == 0
    assert dead_letters.ask_to_retry(db) == 3
    db.close()
    assert await store.read_dead_letter_to_retry("platform") == letters[2]
    store.save_dead_letter(letters[2].key, None)
    store.save_dead_letter(letters[0].key, letters[0].failed("refused again"))
    await store.wait_idle()
    assert store.dead_letters_of("platform") == [one.key for one in letters[:2]]
    assert (
        await store.read_dead_letter_to_retry("platform") == letters[1]
    )  # not the one that failed
    await store.close()


def test_a_frame_that_nobody_can_read_is_named_by_its_place_in_the_lane() -> None:
    entry = loss_of(DeadLetter(("platform", LANE_WAVE, 9), "refused", 5, 0, frame=b"\xff\x00"))
    fields = entry.fields()
    assert (fields["device"], fields["first"], fields["next"]) == ("", 9, 10)


async def test_of_too_many_the_oldest_of_the_least_urgent_lane_is_given_up(tmp_path: Path) -> None:
    store = Store(tmp_path, 1 << 26)
    for index in range(LETTERS_MAX):
        one = letter_of(index, LANE_STATE + index % 2)
        store.save_dead_letter(one.key, replace(one, at_utc_us=index))
    await store.wait_idle()
    store.append("river-1", (7, 0, LANE_WAVE), letter_of(0).frame)
    await store.wait_idle()
    uplink = MqttUplink("hub-1", store, SETTINGS)
    before = uplink.queue.counts(store.following)
    suspect = Suspect(LANE_WAVE, 0, 1, 0, 0)
    uplink._dispatch.suspects._all.append(suspect)
    uplink._bury(suspect, prefixed(letter_of(0).frame), "refused")
    await store.wait_idle()
    left = store.dead_letters_of("platform")
    assert len(left) == LETTERS_MAX
    assert ("platform", LANE_WAVE, 1) not in left and ("platform", LANE_STATE, 0) in left
    after = uplink.queue.counts(store.following)
    assert after["dead_lettered"] == before["dead_lettered"] == LETTERS_MAX
    assert after["evicted"] == 1 and sum(after.values()) == sum(before.values())
    await store.close()

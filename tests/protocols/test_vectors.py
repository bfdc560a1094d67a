"""The golden bytes, decoded and encoded again; on a board too."""

import json

from protocols.batch import Series, decode_batch, encode_batch
from protocols.bundle import decode_bundle
from protocols.cose import DeviceKeys, sender_of
from protocols.framing import Splitter, prefixed
from protocols.messages import HELLO, WELCOME, decode_message, encode_message
from protocols.records import decode_record, encode_record
from protocols.session import OPEN, DeviceSession
from protocols.vocabulary import KIND_BATCH, KIND_NOTICE, NOTICE_ONCE


def load(name: str) -> list:  # type: ignore[type-arg]
    """Return the entries of one file of vectors."""
    folder = __file__[: -len("tests/protocols/test_vectors.py")] + "protocols/vectors/"
    with open(folder + name, encoding="utf-8") as file:
        return json.load(file)  # type: ignore[no-any-return]


KEY_ROW = load("keys.json")[0]
KEYS = DeviceKeys(KEY_ROW["device"], bytes.fromhex(KEY_ROW["secret"]))
NONCES = [bytes.fromhex(KEY_ROW[name]) for name in ("device_nonce", "hub_nonce")]
SESSION_MACS = KEYS.session(NONCES[0], NONCES[1])


def test_keys_derive_as_recorded() -> None:
    assert KEYS.up_key().hex() == KEY_ROW["up_key"]
    assert KEYS.seal_key.hex() == KEY_ROW["seal_key"]
    macs = (KEYS.up, KEYS.down, SESSION_MACS[0], SESSION_MACS[1])
    for name, mac in zip(("up", "down", "session up", "session down"), macs):  # noqa: B905
        assert mac.seal(b"\x80").hex() == KEY_ROW["sealed"][name], name


def test_records_open_and_seal_as_recorded() -> None:
    for row in load("records.json"):
        frame, payload = bytes.fromhex(row["frame"]), bytes.fromhex(row["payload"])
        assert sender_of(frame) == KEY_ROW["device"]
        assert KEYS.up.open(frame) == payload and KEYS.up.seal(payload) == frame, row["name"]
        if row["kind"] == KIND_BATCH:
            check_batch(row, payload)
        else:
            fields = dict(row["fields"])
            for name in ("minutes", "counts", "least", "mean", "greatest"):
                if name in fields:
                    fields[name] = bytes.fromhex(fields[name])
            decoded = decode_record(payload)
            assert decoded[0] == row["kind"] and list(decoded[1:5]) == row["head"]
            assert encode_record(row["kind"], tuple(row["head"]), fields) == payload
            if row["kind"] == KIND_NOTICE and "key" not in fields:  # of what is once so
                fields.update({"key": "", "state": NOTICE_ONCE})
            assert decoded[5] == fields


def check_batch(row: dict, payload: bytes) -> None:  # type: ignore[type-arg]
    """Decode and encode one batch; a personal one stays closed here."""
    batch = decode_batch(payload)
    assert [batch.boot, batch.index, batch.lane, batch.start_us] == row["head"]
    if row["iv"]:
        assert batch.series is None and batch.readings_count() == 0
        return
    series = [series_of(fields) for fields in row["series"]]
    assert batch.series == series, row["name"]
    assert [one.plain for one in batch.series or ()] == [one.plain for one in series]
    assert encode_batch(tuple(row["head"]), series) == payload, row["name"]


def series_of(fields: dict) -> Series:  # type: ignore[type-arg]
    """Return the series that JSON describes."""
    whole = dict(fields)
    whole["scale"] = (whole.pop("exponent"), whole.pop("multiplier"))
    return Series(**whole)


def session_mac(row: dict) -> object:  # type: ignore[type-arg]
    """Return the key that the sender of a recorded message used."""
    is_up = row["from"] == "device"
    if row["kind"] in (HELLO, WELCOME):
        return KEYS.up if is_up else KEYS.down
    return SESSION_MACS[0 if is_up else 1]


def test_session_messages_open_and_seal_as_recorded() -> None:
    for row in load("session.json"):
        frame, payload = bytes.fromhex(row["frame"]), bytes.fromhex(row["payload"])
        mac = session_mac(row)
        assert mac.open(frame) == payload and mac.seal(payload) == frame, row["name"]  # type: ignore[attr-defined]
        fields = dict(row["fields"])
        for name in ("nonce", "device_nonce"):
            if name in fields:
                fields[name] = bytes.fromhex(fields[name])
        assert decode_message(payload) == (row["kind"], row["counter"], fields)
        assert encode_message(row["kind"], row["counter"], fields) == payload


def test_a_device_says_the_recorded_words_again() -> None:
    rows = load("session.json")
    device = DeviceSession(KEYS, NONCES[0], 0)
    hello = dict(rows[0]["fields"])
    del hello["nonce"]
    device.start(hello)
    said = []
    for row in rows:
        if row["from"] == "hub":
            device.receive(bytes.fromhex(row["frame"]), row["now_us"])
        elif row["name"] == "result":
            assert device.state == OPEN
            device.send(row["kind"], row["fields"])
        said += device.take_output()
    recorded = [bytes.fromhex(row["frame"]) for row in rows if row["from"] == "device"]
    assert said == recorded


def test_bundles_hold_the_recorded_frames() -> None:
    for row in load("bundles.json"):
        bundle = decode_bundle(bytes.fromhex(row["bundle"]))
        for name in ("hub", "lane", "first", "historical"):
            assert getattr(bundle, name) == row[name]
        assert [frame.hex() for frame in bundle.frames()] == row["frames"]


def test_the_stream_splits_into_the_recorded_frames_at_every_cut() -> None:
    row = load("stream.json")[0]
    data = bytes.fromhex(row["stream"])
    frames = [bytes.fromhex(frame) for frame in row["frames"]]
    assert b"".join([prefixed(frame) for frame in frames]) == data
    for cut in range(len(data) + 1):
        splitter = Splitter()
        assert splitter.feed(data[:cut]) + splitter.feed(data[cut:]) == frames, cut

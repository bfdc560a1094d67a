"""Makes the golden bytes of protocols/vectors/, only when asked to.

    python -m tests.protocols.golden           # say which files would change; exit 1 if any
    python -m tests.protocols.golden --write   # change them

A change of these files is a change of the wire: devices in the field speak the old one.
Byte strings stand as hex; `values` of a batch as plain integers.
"""

import json
import sys
from pathlib import Path

from protocols import messages
from protocols.batch import Series, encode_batch, pack
from protocols.bundle import Bundle, encode_bundle
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.records import encode_record
from protocols.session import DeviceSession, HubSession
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_MODE,
    COMMAND_POLICY,
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    GAP_FLASH_FULL,
    KIND_BATCH,
    KIND_CLOCK,
    KIND_GAP,
    KIND_MODE,
    KIND_NOTICE,
    KIND_SUMMARY,
    LANE_ALERT,
    LANE_LIFE,
    LANE_STATE,
    LANE_WAVE,
    MODE_DISASTER,
    MODE_NORMAL,
    NOTICE_BEGIN,
    POLICY_FIELDS,
    RESULT_DONE,
    RESULT_DRILL,
    UTC_SYNCHRONISED,
)
from tests.protocols.release_key import release

FOLDER = Path(__file__).resolve().parents[2] / "protocols" / "vectors"
DEVICE = "bridge-01"
SECRET = bytes(range(32))
IV = bytes(range(0xA0, 0xB0))
DEVICE_NONCE = bytes(range(0x10, 0x18))
HUB_NONCE = bytes(range(0x20, 0x28))
KEYS = DeviceKeys(DEVICE, SECRET)

Entry = dict[str, object]
SHAKE = [0, 3, -2, 5, -64, 63, 64, -65, 8191, -8192, 8192, -8193, 2147483647, -2147483648]


def wave(channel: str, *, plain: bool, count: int = 12) -> Series:
    """Return readings of an accelerometer axis at 100 Hz."""
    values = [(step * 37) % 101 - 50 for step in range(count)]
    return Series(
        channel,
        "m/s2",
        (-9, 38245),
        7_000_000_123,
        spacing_ns=10_000_000,
        values=values,
        plain=plain,
    )


def batches() -> list[tuple[str, tuple[int, int, int, int], list[Series], bool]]:
    """Return (name, head, series, is personal)."""
    wide = Series("edges", "1", (0, 1), 9, spacing_ns=1, values=SHAKE)
    wide_plain = Series("edges", "1", (0, -1), 9, spacing_ns=1, values=SHAKE, plain=True)
    level = Series("level", "m", (-3, 1), 5_000_000, spacing_ns=10**9, values=[1234, 1235, 1233])
    times_us = [10**11, 86_400_000_000]
    door = Series(
        "door", "/", (0, 1), 86_400_000_000, spacing_ns=0, values=[1, 0], times_us=times_us
    )
    first = (0, 0, LANE_STATE, 0)
    last = (0xFFFFFFFF, 0xFFFFFFFF, LANE_WAVE, 0x7FFFFFFFFFFFFFFF - 100)
    edge = Series(
        "x" * 64, "u" * 16, (-18, -0x80000000), last[3], spacing_ns=1000, values=[0] * 101
    )
    axes = [wave("acc." + axis, plain=True) for axis in "xyz"]
    return [
        ("least", first, [Series("level", "m", (0, 1), 0, spacing_ns=1, values=[0])], False),
        ("river level, packed", (3, 17, LANE_STATE, 5_000_000), [level], False),
        ("three axes, 16 bits", (3, 18, LANE_WAVE, 7_000_000_000), axes, False),
        ("two series", (3, 19, LANE_WAVE, 7_000_000_000), [wave("a", plain=False), level], False),
        ("widest values, packed", (3, 20, LANE_WAVE, 0), [wide], False),
        ("widest values, 32 bits", (3, 21, LANE_WAVE, 0), [wide_plain], False),
        ("irregular", (3, 22, LANE_LIFE, 86_400_000_000), [door], False),
        ("limits", last, [edge], False),
        ("personal", (3, 23, LANE_LIFE, 86_400_000_000), [door], True),
    ]


RECORDS: list[tuple[int, tuple[int, int, int, int], Entry]] = [
    (
        KIND_GAP,
        (4, 1, LANE_STATE, 1000),
        {
            "device": DEVICE,
            "boot": 3,
            "first": 5,
            "next": 9,
            "lane": LANE_WAVE,
            "reason": GAP_FLASH_FULL,
            "channel": "",
            "from_us": 0,
            "until_us": 0,
        },
    ),
    (
        KIND_CLOCK,
        (4, 2, LANE_STATE, 2000),
        {
            "device": DEVICE,
            "boot": 3,
            "device_us": 7_000_000_000,
            "utc_us": 1_767_225_600_000_000,
            "uncertainty_us": 850,
            "rate_ppb": -12_345,
            "quality": UTC_SYNCHRONISED,
        },
    ),
    (
        KIND_MODE,
        (4, 3, LANE_ALERT, 3000),
        {"mode": MODE_DISASTER, "drill": True, "actor": "hub", "reason": "quake"},
    ),
    (
        KIND_NOTICE,
        (4, 4, LANE_ALERT, 4000),
        {
            "level": 2,
            "drill": False,
            "kind": "river level",
            "text_ja": "水位が上がっています",
            "text_en": "The river is rising",
            "key": "river-1",
            "state": NOTICE_BEGIN,
        },
    ),
    (
        KIND_NOTICE,
        (4, 6, LANE_STATE, 4500),
        {
            "level": 0,
            "drill": False,
            "kind": "safe mode",
            "text_ja": "セーフモード",
            "text_en": "safe mode",
        },
    ),
    (
        KIND_SUMMARY,
        (4, 5, LANE_STATE, 5000),
        {
            "device": DEVICE,
            "boot": 3,
            "first": 5,
            "next": 9,
            "lane": LANE_WAVE,
            "channel": "acc.x",
            "unit": "m/s2",
            "exponent": -9,
            "multiplier": 38_245,
            "minutes": pack([116, 117]),
            "counts": pack([6000, 300]),
            "least": pack([-50, -49]),
            "mean": pack([0, 1]),
            "greatest": pack([50, 49]),
        },
    ),
]


def describe(series: Series) -> Entry:
    """Return a series as JSON can hold it."""
    return {
        "channel": series.channel,
        "unit": series.unit,
        "exponent": series.exponent,
        "multiplier": series.multiplier,
        "start_us": series.start_us,
        "spacing_ns": series.spacing_ns,
        "values": series.values,
        "times_us": series.times_us,
        "plain": series.plain,
    }


def records() -> list[Entry]:
    """Return all stored kinds: the payload, the frame around it and what they mean."""
    entries: list[Entry] = []
    for name, head, series, is_personal in batches():
        payload = encode_batch(head, series, (KEYS.seal_key, IV) if is_personal else None)
        row: Entry = {"name": name, "kind": KIND_BATCH, "head": head}
        row["series"] = [describe(one) for one in series]
        row["iv"] = IV.hex() if is_personal else None
        entries.append({**row, "payload": payload.hex(), "frame": KEYS.up.seal(payload).hex()})
    for kind, head, fields in RECORDS:
        payload = encode_record(kind, head, fields)
        row = {"name": f"kind {kind}", "kind": kind, "head": head}
        row["fields"] = {key: _shown(value) for key, value in fields.items()}
        entries.append({**row, "payload": payload.hex(), "frame": KEYS.up.seal(payload).hex()})
    return entries


def keys() -> list[Entry]:
    """Return the derived keys and the frame around an empty array under each."""
    up, down = KEYS.session(DEVICE_NONCE, HUB_NONCE)
    sealed = {"up": KEYS.up, "down": KEYS.down, "session up": up, "session down": down}
    row: Entry = {"device": DEVICE, "secret": SECRET.hex(), "up_key": KEYS.up_key().hex()}
    row["seal_key"] = KEYS.seal_key.hex()
    row["device_nonce"], row["hub_nonce"] = DEVICE_NONCE.hex(), HUB_NONCE.hex()
    row["sealed"] = {name: mac.seal(b"\x80").hex() for name, mac in sealed.items()}
    return [row]


class Transcript:
    """Both machines wired together; every frame that passes is written down."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.device = DeviceSession(KEYS, DEVICE_NONCE, 1000)
        self.hub = HubSession(KEYS, HUB_NONCE, 2000)
        self._up, self._down = KEYS.session(DEVICE_NONCE, HUB_NONCE)

    def pass_on(self, now_us: int) -> None:
        """Let each side hear what the other one has to say."""
        for frame in self.device.take_output():
            self._note("device", now_us, frame)
            self.hub.receive(frame, now_us)
        for frame in self.hub.take_output():
            self._note("hub", now_us, frame)
            self.device.receive(frame, now_us)

    def _note(self, sender: str, now_us: int, frame: bytes) -> None:
        payload = KEYS.up.peek(frame)
        kind, counter, fields = messages.decode_message(payload)
        shown = {name: _shown(value) for name, value in fields.items()}
        row: Entry = {"from": sender, "now_us": now_us, "kind": kind, "counter": counter}
        row["name"] = messages.MESSAGES[kind][0]
        self.entries.append(
            {**row, "fields": shown, "payload": payload.hex(), "frame": frame.hex()}
        )


def _shown(value: object) -> object:
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def session() -> list[Entry]:
    """Return a session from hello to bye: every message type, sealed by both machines."""
    talk = Transcript()
    talk.device.start(
        {
            "boot": 3,
            "firmware": "0.1.0",
            "profile": "bridge",
            "mode": MODE_NORMAL,
            "drill": False,
            "reset_cause": "power",
            "log": [[2, 100, 140], [3, 0, 17]],
            "policy": 0x1234ABCD,
        }
    )
    talk.pass_on(10_000)
    talk.hub.welcome({"mode": MODE_NORMAL, "drill": False, "durable": [[2, 100, 120]]}, 11_000)
    talk.pass_on(12_000)
    talk.pass_on(13_000)
    talk.hub.send(messages.ACK, {"durable": [[2, 120, 140], [3, 0, 17]]})
    command = {"id": 1, "code": COMMAND_MODE, "arguments": [MODE_DISASTER, False]}
    talk.hub.send(messages.COMMAND, command)
    talk.pass_on(20_000)
    talk.device.send(messages.RESULT, {"id": 1, "status": RESULT_DONE, "detail": ""})
    talk.pass_on(21_000)
    pace = [[POLICY_FIELDS.index("report_ms"), 1000], [POLICY_FIELDS.index("waveform"), True]]
    rows = [[MODE_DISASTER, "acc", pace]]
    for number, code, arguments, status in (
        (2, COMMAND_POLICY, [0x1234ABCD, rows], RESULT_DONE),
        (3, COMMAND_ACTUATE, ["siren", 30_000, True], RESULT_DRILL),
    ):
        talk.hub.send(messages.COMMAND, {"id": number, "code": code, "arguments": arguments})
        talk.pass_on(21_200)
        talk.device.send(messages.RESULT, {"id": number, "status": status, "detail": ""})
        talk.pass_on(21_400)
    talk.hub.send(messages.BYE, {"reason": 2, "retry_after_ms": 1000})
    talk.pass_on(22_000)
    return talk.entries


def update() -> list[Entry]:
    """Return a session in which a release is offered and fetched."""
    talk = Transcript()
    hello = {"boot": 4, "firmware": "0.1.0", "profile": "bridge", "mode": MODE_NORMAL}
    talk.device.start({**hello, "drill": False, "reset_cause": "power", "log": []})
    talk.pass_on(10_000)
    talk.hub.welcome({"mode": MODE_NORMAL, "drill": False, "durable": []}, 11_000)
    talk.pass_on(12_000)
    talk.pass_on(13_000)
    talk.entries.clear()
    image = bytes(range(200))
    command = {"id": 1, "code": COMMAND_UPDATE, "arguments": [release(image)]}
    talk.hub.send(messages.COMMAND, command)
    talk.pass_on(20_000)
    talk.device.send(messages.RESULT, {"id": 1, "status": RESULT_DONE, "detail": ""})
    talk.device.send(messages.WANT, {"id": 1, "offset": 0})
    talk.pass_on(21_000)
    talk.hub.send(messages.PIECE, {"id": 1, "offset": 0, "data": image})
    talk.pass_on(22_000)
    talk.device.send(messages.WANT, {"id": 1, "offset": 200})
    talk.pass_on(23_000)
    talk.hub.send(messages.COMMAND, {"id": 2, "code": COMMAND_SWITCH, "arguments": []})
    talk.pass_on(24_000)
    return talk.entries


def bundles() -> list[Entry]:
    """Return bundles of the records above, live and historical."""
    frames = [bytes.fromhex(str(entry["frame"])) for entry in records()]
    entries: list[Entry] = []
    for historical, part in ((False, frames[:1]), (True, frames)):
        blob = b"".join(prefixed(frame) for frame in part)
        position = (LANE_STATE, 12_345)
        whole = Bundle("town-hall", position, historical, count=len(part), blob=blob)
        row: Entry = {"hub": "town-hall", "lane": LANE_STATE, "first": 12_345}
        row["historical"], row["frames"] = historical, [frame.hex() for frame in part]
        entries.append({**row, "bundle": encode_bundle(whole).hex()})
    return entries


def stream() -> list[Entry]:
    """Return what a TCP link carries from the device in the session above, and three records."""
    frames = [
        bytes.fromhex(str(entry["frame"])) for entry in session() if entry["from"] == "device"
    ]
    frames[2:2] = [bytes.fromhex(str(entry["frame"])) for entry in records()[:3]]
    data = b"".join(prefixed(frame) for frame in frames)
    return [{"stream": data.hex(), "frames": [frame.hex() for frame in frames]}]


def golden_files() -> dict[str, str]:
    """Return name -> text of all files: one entry a line."""
    parts = {
        "keys.json": keys(),
        "records.json": records(),
        "session.json": session(),
        "update.json": update(),
        "bundles.json": bundles(),
        "stream.json": stream(),
    }
    return {name: _text(entries) for name, entries in parts.items()}


def _text(entries: list[Entry]) -> str:
    return "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in entries) + "\n]\n"


def main() -> int:
    """Write, or say what would be written."""
    changed = []
    for name, text in golden_files().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            changed.append(name)
            if "--write" in sys.argv:
                path.write_text(text, encoding="utf-8")
    print("changed: " + (", ".join(changed) or "nothing"))
    return 1 if changed and "--write" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

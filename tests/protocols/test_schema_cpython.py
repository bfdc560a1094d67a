"""The grammar, protocols/schema.cddl, by an independent CDDL validator.

What our decoders accept the grammar must accept; what the grammar refuses they must refuse.
"""

from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator, schema_diagnostics  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from protocols import cbor, cose_sign, messages, records
from protocols.batch import decode_batch
from protocols.bundle import decode_bundle
from protocols.cose import DeviceKeys, decrypt0
from protocols.errors import RemoteProtocolError
from protocols.messages import decode_message
from protocols.platform_order import encode_order, encode_state
from protocols.records import decode_record
from protocols.vocabulary import KIND_BATCH
from tests.protocols import golden
from tests.protocols.test_batch_properties import batches
from tests.protocols.test_messages import EXAMPLES as MESSAGE_EXAMPLES
from tests.protocols.test_messages import WRONG as MESSAGE_WRONG
from tests.protocols.test_records import EXAMPLES as RECORD_EXAMPLES
from tests.protocols.test_records import HEAD
from tests.protocols.test_records import WRONG as RECORD_WRONG
from tests.protocols.test_vectors import load

SCHEMA = Path(golden.FOLDER).with_name("schema.cddl")
VALIDATOR = Validator(SCHEMA)
# What only a comment of the grammar says: the order of two fields, the digits inside a column.
BEYOND_THE_GRAMMAR = ([[1, 2, 2]], [[1, 3, 2]])


def is_valid(data: bytes, rule: str) -> bool:
    """Tell whether data is deterministic CBOR that the rule allows."""
    return bool(VALIDATOR.validate(data, root_type=rule, require_deterministic=True).valid)


def is_accepted(payload: bytes) -> bool:
    """Tell whether our decoder for this kind of payload takes it."""
    decode: Any = decode_message
    if payload[1] < 16:
        decode = decode_batch if payload[1] == KIND_BATCH else decode_record
    try:
        decode(payload)
    except RemoteProtocolError:
        return False
    return True


def test_the_grammar_itself_is_in_order() -> None:
    assert [str(one) for one in schema_diagnostics(SCHEMA)] == []


@pytest.mark.parametrize("row", [*load("records.json"), *load("session.json")])
def test_golden_frames_are_valid(row: dict[str, Any]) -> None:
    assert is_valid(bytes.fromhex(row["frame"]), "frame")
    rule = "message" if "from" in row else "record"
    assert is_valid(bytes.fromhex(row["payload"]), rule)
    assert not is_valid(bytes.fromhex(row["payload"])[:-1], rule)


def test_golden_arguments_of_commands_are_valid() -> None:
    rules = {6: "policy_arguments", 7: "actuate_arguments"}
    rows = [row["fields"] for row in load("session.json") if row["name"] == "command"]
    checked = [row for row in rows if row["code"] in rules]
    assert sorted(row["code"] for row in checked) == sorted(rules)
    for row in checked:
        assert is_valid(cbor2.dumps(row["arguments"], canonical=True), rules[row["code"]])
        assert not is_valid(cbor2.dumps(row["arguments"][:-1]), rules[row["code"]])


def test_orders_of_a_platform_and_the_state_for_them_are_valid() -> None:
    order = encode_order("hub-1", bytes(16), 7, (1, [2, False, 0, "", ""]))
    state = encode_state((3, bytes(16), 2, True, 7, 0, ""))
    assert is_valid(order, "order") and is_valid(state, "hub_state")
    assert is_valid(cose_sign.seal(order, bytes(256)), "platform_order")
    for data, rule in ((order, "order"), (state, "hub_state")):
        items = cbor2.loads(data)
        for place in range(len(items)):
            wrong = [*items[:place], None, *items[place + 1 :]]
            assert not is_valid(cbor2.dumps(wrong, canonical=True), rule), (rule, place)


def test_golden_bundles_are_valid() -> None:
    for row in load("bundles.json"):
        assert is_valid(bytes.fromhex(row["bundle"]), "bundle")


def test_the_personal_part_holds_a_series_list() -> None:
    row = next(row for row in load("records.json") if row.get("iv"))
    sealed = decode_item(bytes.fromhex(row["payload"]))[5]
    keys = DeviceKeys(golden.DEVICE, golden.SECRET)
    assert is_valid(decrypt0(keys.seal_key, sealed), "series_list")


def decode_item(payload: bytes) -> Any:
    """Return the items of a payload as our own decoder sees them."""
    return cbor.decode(payload)


def test_each_message_and_record_has_its_rule() -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    for kind, (name, _) in messages.MESSAGES.items():
        assert f"{name.replace(' ', '_')}_message = [{kind}," in text.replace("[\n  ", "["), name
    for kind in records.BODIES:
        assert f"_record = [{kind}, boot, index, lane, at_us: time_us, [" in text


def test_every_field_of_the_wrong_sort_is_invalid_too() -> None:
    for kind, (_, rows) in messages.MESSAGES.items():
        for place, (name, sort) in enumerate(rows):
            for value in MESSAGE_WRONG[sort]:
                values = list(MESSAGE_EXAMPLES[kind])
                values[place] = value
                data = cbor2.dumps([kind, 0, *values], canonical=True)
                expected = value in BEYOND_THE_GRAMMAR
                assert is_valid(data, "message") == expected, (kind, name, value)
    for kind, rows in records.BODIES.items():
        for place, (name, sort) in enumerate(rows):
            for value in RECORD_WRONG[sort]:
                body = list(RECORD_EXAMPLES[kind])
                body[place] = value
                data = cbor2.dumps([kind, *HEAD, body], canonical=True)
                assert not is_valid(data, "record"), (kind, name, value)


@pytest.mark.parametrize(
    "frame",
    [
        [b"\xa2\x01\x04\x04\x41a", {}, b"\x83\x12\x00\x80", bytes(7)],
        [b"\xa2\x01\x04\x04\x41a", {}, b"\x83\x12\x00\x80"],
        [b"\xa2\x01\x05\x04\x41a", {}, b"\x83\x12\x00\x80", bytes(8)],
        [b"\xa2\x01\x04\x04\x40", {}, b"\x83\x12\x00\x80", bytes(8)],
        [b"\xa1\x01\x04", {}, b"\x83\x12\x00\x80", bytes(8)],
        [b"\xa2\x01\x04\x04\x41a", {4: b"a"}, b"\x83\x12\x00\x80", bytes(8)],
        [b"\xa2\x01\x04\x04\x41a", {}, b"\x83\x12\x00", bytes(8)],
        [b"\xa2\x01\x04\x04\x41a", {}, b"", bytes(8)],
    ],
)
def test_frames_of_another_shape_are_invalid(frame: list[Any]) -> None:
    good = [b"\xa2\x01\x04\x04\x41a", {}, b"\x83\x12\x00\x80", bytes(8)]
    assert is_valid(cbor2.dumps(cbor2.CBORTag(17, good), canonical=True), "frame")
    assert not is_valid(cbor2.dumps(cbor2.CBORTag(17, frame), canonical=True), "frame")
    assert not is_valid(cbor2.dumps(cbor2.CBORTag(18, good), canonical=True), "frame")


@given(batches())
def test_generated_batches_are_valid(made: Any) -> None:
    assert is_valid(made.payload, "record")


PAYLOADS = [
    bytes.fromhex(row["payload"]) for row in (*load("records.json"), *load("session.json"))
]
ODD_ITEMS = st.one_of(
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.sampled_from([-1, 0, 1, 3, 4, 19, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 63) - 1]),
    st.booleans(),
    st.none(),
    st.text(max_size=70),
    st.binary(max_size=20),
    st.just([]),
    st.just({}),
)


@given(st.sampled_from(PAYLOADS), st.data())
def test_what_the_grammar_refuses_our_decoders_refuse(payload: bytes, data: st.DataObject) -> None:
    items = cbor2.loads(payload)
    spot = items
    while True:
        place = data.draw(st.integers(0, len(spot) - 1))
        if not isinstance(spot[place], list) or not spot[place] or data.draw(st.booleans()):
            break
        spot = spot[place]
    action = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    if action == "delete":
        del spot[place]
    elif action == "insert":
        spot.insert(place, data.draw(ODD_ITEMS))
    else:
        spot[place] = data.draw(ODD_ITEMS)
    changed = cbor2.dumps(items, canonical=True)
    if len(changed) > 1 and is_accepted(changed):
        rule = "record" if changed[1] < 16 else "message"
        assert is_valid(changed, rule)


@given(st.lists(ODD_ITEMS, min_size=7, max_size=7), st.integers(0, 7))
def test_bundles_that_we_accept_are_valid(items: list[Any], kept: int) -> None:
    good = [1, "town-hall", 2, 12345, True, 3, b"\x00\x01x"]
    changed = cbor2.dumps([*good[:kept], *items[kept:]], canonical=True)
    try:
        decode_bundle(changed)
    except RemoteProtocolError:
        return
    assert is_valid(changed, "bundle")

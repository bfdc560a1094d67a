"""The golden bytes against decoders that are not ours: cbor2, pycose, cryptography."""

import json
import struct
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pycose.keys.symmetric import SymmetricKey
from pycose.messages.mac0message import Mac0Message

from protocols.batch import decode_batch, encode_batch
from protocols.cose import DeviceKeys
from tests.protocols import golden
from tests.protocols.test_vectors import load, series_of

RECORDS = load("records.json")
SESSION = load("session.json")
FRAMES = [row["frame"] for row in (*RECORDS, *SESSION)]


def derived(info: bytes, *, salt: bytes = b"", size: int = 32) -> bytes:
    """Return what HKDF makes of the device's secret, by `cryptography`."""
    return HKDF(hashes.SHA256(), size, salt or None, info).derive(golden.SECRET)


def key_of(row: dict[str, Any]) -> bytes:
    """Return the key of a recorded frame, by the words of protocols/session.py."""
    direction = b"down" if row.get("from") == "hub" else b"up"
    if row["kind"] <= 17:
        return derived(b"hinomi " + direction)
    salt = golden.DEVICE_NONCE + golden.HUB_NONCE
    return derived(b"hinomi session " + direction, salt=salt)


def test_files_are_what_the_code_makes() -> None:
    """A failure means that the wire changed: see tests/protocols/golden.py."""
    for name, text in golden.golden_files().items():
        assert (golden.FOLDER / name).read_text(encoding="utf-8") == text, name
    assert {path.name for path in golden.FOLDER.iterdir()} == set(golden.golden_files())


def test_keys_are_those_of_another_hkdf() -> None:
    row = load("keys.json")[0]
    assert row["up_key"] == derived(b"hinomi up").hex()
    assert row["seal_key"] == derived(b"hinomi personal", size=16).hex()


@pytest.mark.parametrize("row", [*RECORDS, *SESSION], ids=lambda row: row["name"])
def test_pycose_verifies_the_frame(row: dict[str, Any]) -> None:
    # Not by CoseMessage.decode: inside a tag cbor2 6 makes tuples, which pycose 1.1 does not know.
    frame = bytes.fromhex(row["frame"])
    assert frame[0] == 0xC0 | Mac0Message.cbor_tag
    message = Mac0Message.from_cose_obj(cbor2.loads(frame[1:]), allow_unknown_attributes=False)
    message.key = SymmetricKey(key_of(row))
    assert message.verify_tag()
    assert message.payload == bytes.fromhex(row["payload"])
    assert [str(name.fullname) for name in message.phdr] == ["ALG", "KID"]
    message.key = SymmetricKey(bytes(32))
    assert not message.verify_tag()


@pytest.mark.parametrize("row", [*RECORDS, *SESSION], ids=lambda row: row["name"])
def test_the_code_is_over_the_mac_structure_of_the_rfc(row: dict[str, Any]) -> None:
    protected, unprotected, payload, tag = cbor2.loads(bytes.fromhex(row["frame"])).value
    assert cbor2.loads(protected) == {1: 4, 4: golden.DEVICE.encode()} and unprotected == {}
    code = hmac.HMAC(key_of(row), hashes.SHA256())
    code.update(cbor2.dumps(["MAC0", protected, b"", payload]))
    assert code.finalize()[:8] == tag


@pytest.mark.parametrize("frame", FRAMES)
def test_cbor2_writes_the_same_bytes_canonically(frame: str) -> None:
    whole = cbor2.loads(bytes.fromhex(frame))
    assert cbor2.dumps(whole, canonical=True).hex() == frame
    payload = whole.value[2]
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload


@pytest.mark.parametrize(
    "row",
    [row for row in RECORDS if row["kind"] == 1 and not row["iv"]],
    ids=lambda row: row["name"],
)
def test_cbor2_reads_the_same_batch(row: dict[str, Any]) -> None:
    kind, *head, rows = cbor2.loads(bytes.fromhex(row["payload"]))
    assert kind == 1 and head == row["head"]
    assert [read_series(one, head[3]) for one in rows] == row["series"]


def read_series(row: list[Any], start_us: int) -> dict[str, Any]:
    """Return the meaning of a series by the words of protocols/batch.py alone."""
    channel, unit, exponent, multiplier, offset_us, spacing_ns, column, *times = row
    first_us = start_us + offset_us
    return {
        "channel": channel,
        "unit": unit,
        "exponent": exponent,
        "multiplier": multiplier,
        "start_us": first_us,
        "spacing_ns": spacing_ns,
        "values": read_column(column),
        "times_us": [first_us + step for step in read_packed(times[0])] if times else None,
        "plain": not isinstance(column, bytes),
    }


def read_column(column: Any) -> list[int]:
    """Return the values of a typed array (RFC 8746, tags 77 and 78) or a packed column."""
    if isinstance(column, bytes):
        return read_packed(column)
    letter, size = {77: ("h", 2), 78: ("i", 4)}[column.tag]
    return list(struct.unpack(f"<{len(column.value) // size}{letter}", column.value))


def read_packed(data: bytes) -> list[int]:
    """Return the values of a packed column, digit by digit."""
    values, digits, last = [], [], 0
    for byte in data:
        digits.append(byte & 0x7F)
        if byte < 0x80:
            zigzag = sum(digit * 128**place for place, digit in enumerate(digits))
            last += -(zigzag + 1) // 2 if zigzag % 2 else zigzag // 2
            values.append(last)
            digits = []
    assert not digits
    return values


def test_cryptography_decrypts_the_personal_part() -> None:
    row = next(row for row in RECORDS if row.get("iv"))
    sealed = cbor2.loads(bytes.fromhex(row["payload"]))[5]
    protected, header, ciphertext = sealed.value
    assert (sealed.tag, protected) == (16, b"")
    assert header == {1: -65531, 5: bytes.fromhex(row["iv"])}  # A128CBC: RFC 9459, table 2
    key = derived(b"hinomi personal", size=16)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(header[5])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    rows = cbor2.loads(unpadder.update(padded) + unpadder.finalize())
    assert [read_series(one, row["head"][3]) for one in rows] == row["series"]


def test_the_personal_batch_opens_and_seals_as_recorded() -> None:
    row = next(row for row in RECORDS if row.get("iv"))
    keys = DeviceKeys(golden.DEVICE, golden.SECRET)
    payload = bytes.fromhex(row["payload"])
    series = [series_of(fields) for fields in row["series"]]
    assert decode_batch(payload, keys.seal_key).series == series
    personal = (keys.seal_key, bytes.fromhex(row["iv"]))
    assert encode_batch(tuple(row["head"]), series, personal) == payload


def test_the_files_are_json_that_other_tools_read() -> None:
    for path in golden.FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) == len(json.loads(text)) + 2, "one entry a line"

"""COSE (RFC 9052) as Hinomi uses it: frames, encrypted personal parts, key derivation.

A frame is a tagged COSE_Mac0 with one fixed layout, so that a receiver that knows the sender
compares the head as bytes and needs no decoder before the authentication code holds:

    d1 84  bstr{1: 4, 4: kid}  a0  bstr(payload)  48 tag[8]

1: 4 is HMAC 256/64 (RFC 9053, table 3); kid is the device name. The MAC_structure is
["MAC0", protected, h'', payload] (RFC 9052, section 6.3).

Personal series travel as COSE_Encrypt0 with A128CBC (RFC 9459: alg -65531, empty protected
header) inside the authenticated payload.
"""

from protocols import cbor
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import (
    DEVICE_NAME_SIZE_MAX,
    FRAME_SIZE_MAX,
    KEY_SIZE,
    PAYLOAD_SIZE_MAX,
    TAG_SIZE,
)
from protocols.portable import (
    HmacSha256,
    aes_cbc_decrypt,
    aes_cbc_encrypt,
    const,
    hkdf_sha256,
    is_equal,
)
from protocols.vocabulary import KIND_SESSION_FIRST

ALG_HMAC_256_64 = const(4)
ALG_A128CBC = -65531
TAG_MAC0 = const(17)
TAG_ENCRYPT0 = const(16)
_HEAD_START = b"\xd1\x84"


class Mac0:
    """Seals and opens the frames of one sender under one key.

    sender: device name, 1..16 bytes of UTF-8. key: 32 bytes.
    """

    def __init__(self, sender: str, key: bytes) -> None:
        kid = sender.encode()
        if not 1 <= len(kid) <= DEVICE_NAME_SIZE_MAX:
            raise LocalProtocolError(f"a device name has 1..{DEVICE_NAME_SIZE_MAX} bytes")
        if len(key) != KEY_SIZE:
            raise LocalProtocolError(f"a key has {KEY_SIZE} bytes")
        protected = cbor.encode(cbor.encode({1: ALG_HMAC_256_64, 4: kid}))
        self.sender = sender
        self.head = _HEAD_START + protected + b"\xa0"
        self._mac_head = b"\x84\x64MAC0" + protected + b"\x40"
        self._hmac = HmacSha256(key)

    def seal(self, payload: bytes) -> bytes:
        """Return the frame around payload."""
        if len(payload) > PAYLOAD_SIZE_MAX:
            raise LocalProtocolError(f"payload of {len(payload)} bytes")
        writer = cbor.Writer(bytearray(len(payload) + 9))
        writer.byte_string(payload)
        body = writer.taken()
        tag = self._hmac.digest(self._mac_head + body)[:TAG_SIZE]
        return self.head + body + b"\x48" + tag

    def open(self, frame: bytes) -> bytes:
        """Return the payload of frame, or raise RemoteProtocolError with the reason."""
        body, payload_at = self._body(frame)
        self._check(body, frame)
        payload: bytes = body[payload_at:]
        return payload

    def open_record(self, frame: bytes) -> "bytes | None":
        """Return the payload of a record; None where frame is a session message of this sender.

        RemoteProtocolError as `open`. One pass over the frame, for a hub that takes many.
        """
        body, payload_at = self._body(frame)
        if payload_at + 2 > len(body):
            raise RemoteProtocolError("malformed", "no kind")
        if body[payload_at + 1] >= KIND_SESSION_FIRST:
            return None
        self._check(body, frame)
        payload: bytes = body[payload_at:]
        return payload

    def peek(self, frame: bytes) -> bytes:
        """Return the payload without checking its code; for choosing the key that checks it."""
        body, payload_at = self._body(frame)
        payload: bytes = body[payload_at:]
        return payload

    def _check(self, body: bytes, frame: bytes) -> None:
        tag = self._hmac.digest(self._mac_head + body)[:TAG_SIZE]
        if not is_equal(tag, frame[-TAG_SIZE:]):
            raise RemoteProtocolError("wrong_key", self.sender)

    def _body(self, frame: bytes) -> tuple:
        head_size = len(self.head)
        if len(frame) > FRAME_SIZE_MAX:
            raise RemoteProtocolError("oversize", f"frame of {len(frame)} bytes")
        if not frame.startswith(self.head):
            raise RemoteProtocolError("wrong_sender" if is_frame(frame) else "malformed")
        end = len(frame) - TAG_SIZE - 1
        if end <= head_size or frame[end] != 0x48:
            raise RemoteProtocolError("malformed", "no tag")
        body = frame[head_size:end]
        major, size, at = cbor.read_head(body, 0)
        if major != cbor.BYTES or at + size != len(body):
            raise RemoteProtocolError("malformed", "payload size")
        return body, at


def is_frame(frame: bytes) -> bool:
    """Tell whether frame begins like one of ours."""
    return frame[:2] == _HEAD_START and len(frame) <= FRAME_SIZE_MAX


def sender_of(frame: bytes) -> str:
    """Return the name that a frame claims as its sender; nothing is authenticated yet."""
    if not is_frame(frame):
        raise RemoteProtocolError("malformed", "not a COSE_Mac0")
    major, size, at = cbor.read_head(frame, 2)
    if major != cbor.BYTES or size > len(frame) - at:
        raise RemoteProtocolError("malformed", "protected header")
    header = cbor.decode(frame[at : at + size])
    if not isinstance(header, dict) or sorted(header) != [1, 4] or header[1] != ALG_HMAC_256_64:
        raise RemoteProtocolError("malformed", "protected header")
    kid = header[4]
    if not isinstance(kid, bytes) or not 1 <= len(kid) <= DEVICE_NAME_SIZE_MAX:
        raise RemoteProtocolError("malformed", "key identifier")
    try:
        return kid.decode()
    except UnicodeError:
        raise RemoteProtocolError("malformed", "key identifier")


class DeviceKeys:
    """The keys of one device, derived from its one secret of 32 bytes (HKDF, RFC 5869).

    up / down: Mac0 of what the device / the hub sends. seal_key: 16 bytes for personal series.
    """

    def __init__(self, device: str, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise LocalProtocolError(f"a device secret has {KEY_SIZE} bytes")
        self.device = device
        self._secret = secret
        self.up = Mac0(device, self.up_key())
        self.down = Mac0(device, hkdf_sha256(secret, b"", b"hinomi down", KEY_SIZE))
        self.seal_key = hkdf_sha256(secret, b"", b"hinomi personal", 16)

    def up_key(self) -> bytes:
        """Return the key that a platform needs to verify this device's frames, and no more."""
        return hkdf_sha256(self._secret, b"", b"hinomi up", KEY_SIZE)

    def session(self, device_nonce: bytes, hub_nonce: bytes) -> tuple:
        """Return (up, down) Mac0 for the messages of one session, bound to both nonces."""
        salt = device_nonce + hub_nonce
        up = hkdf_sha256(self._secret, salt, b"hinomi session up", KEY_SIZE)
        down = hkdf_sha256(self._secret, salt, b"hinomi session down", KEY_SIZE)
        return Mac0(self.device, up), Mac0(self.device, down)


def encrypt0(key: bytes, iv: bytes, plain: bytes) -> "cbor.Tagged":
    """Return COSE_Encrypt0 of plain. iv: 16 unpredictable bytes, never used twice."""
    secret = aes_cbc_encrypt(key, iv, plain)
    return cbor.Tagged(TAG_ENCRYPT0, [b"", {1: ALG_A128CBC, 5: iv}, secret])


def decrypt0(key: bytes, item: object) -> bytes:
    """Undo encrypt0; RemoteProtocolError when it is not one or does not open."""
    if not is_encrypt0(item):
        raise RemoteProtocolError("malformed", "not a COSE_Encrypt0")
    _, header, secret = item.value  # type: ignore[attr-defined]
    try:
        return aes_cbc_decrypt(key, header[5], secret)
    except ValueError:
        raise RemoteProtocolError("wrong_key", "personal part does not open")


def is_encrypt0(item: object) -> bool:
    """Tell whether a decoded item has the shape of our COSE_Encrypt0."""
    if not isinstance(item, cbor.Tagged) or item.tag != TAG_ENCRYPT0:
        return False
    parts = item.value
    if not isinstance(parts, list) or len(parts) != 3 or parts[0] != b"":
        return False
    header = parts[1]
    return (
        isinstance(header, dict)
        and sorted(header) == [1, 5]
        and header[1] == ALG_A128CBC
        and isinstance(header[5], bytes)
        and len(header[5]) == 16
        and isinstance(parts[2], bytes)
        and len(parts[2]) >= 16
        and len(parts[2]) % 16 == 0
    )

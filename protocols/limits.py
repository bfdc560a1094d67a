"""Every limit of the wire, with its reason."""

from protocols.portable import const

# A frame plus its record header must fit one 4 KiB flash sector of a board.
FRAME_SIZE_MAX = const(4032)
# d1 84, protected header of <= 25 bytes, a0, bstr head of 3, tag of 9.
FRAME_OVERHEAD_MAX = const(40)
PAYLOAD_SIZE_MAX = const(3992)
# Truncated HMAC of COSE algorithm 4 (RFC 9053, section 3.1, table 3).
TAG_SIZE = const(8)
# A device name is the COSE key identifier; 16 keeps the head short.
DEVICE_NAME_SIZE_MAX = const(16)
KEY_SIZE = const(32)
NONCE_SIZE = const(8)
# Bytes of UTF-8: a notice of 340 Japanese characters.
TEXT_SIZE_MAX = const(1024)
# "strain.12.temperature" has 21.
CHANNEL_SIZE_MAX = const(64)
# The longest unit of RFC 8428 and RFC 8798 has 11 bytes ("dBm" .. "bit/s", "EL").
UNIT_SIZE_MAX = const(16)
# A receiver computes 10 ** exponent: bounded, so that a hostile one costs nothing.
EXPONENT_MIN = const(-18)
EXPONENT_MAX = const(18)
INT32_MIN = const(-0x80000000)
INT32_MAX = const(0x7FFFFFFF)
# What databases hold as an integer (SQLite: signed, 8 bytes).
INT64_MIN = const(-0x8000000000000000)
INT64_MAX = const(0x7FFFFFFFFFFFFFFF)
# Nesting of arrays: bundle > batch > series list > series > values.
DEPTH_MAX = const(8)
# A hostile count must not make the decoder allocate; the bytes that remain bound it as well.
ITEMS_MAX = const(4096)
SERIES_MAX = const(64)
VALUES_MAX = const(4096)
# Acks and extents carry at most this many ranges; the rest follows in the next message.
RANGES_MAX = const(64)
# Two index gaps are born only by eviction or loss, so a healthy device has one range a boot.
BOOT_MAX = const(0xFFFFFFFF)
INDEX_MAX = const(0xFFFFFFFF)
# A session that hears nothing for this long is dead: three missed time exchanges.
TIME_EXCHANGE_INTERVAL_MS = const(10000)
SESSION_SILENCE_MS_MAX = const(30000)
HELLO_TIMEOUT_MS = const(10000)
# Frames in flight on a link without an ack, so that a slow hub is not flooded.
WINDOW_FRAMES_MAX = const(64)
# Encoded, of the command policy: a board keeps it where all its tiny values share 1365 bytes.
POLICY_SIZE_MAX = const(768)
POLICY_ROWS_MAX = const(32)
BUNDLE_SIZE_MAX = const(262144)
# Of an image, in one message: what a board buffers, and what an ack may have to wait behind.
PIECE_SIZE_MAX = const(1024)

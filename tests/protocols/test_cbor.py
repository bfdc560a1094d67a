"""The CBOR subset: examples of RFC 8949, appendix A, and what the subset refuses."""

from protocols import cbor
from tests.protocols.refusals import is_our_fault, reason_of

# RFC 8949, appendix A, as far as the subset goes: value, encoding.
RFC8949: tuple[tuple[object, str], ...] = (
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (cbor.Tagged(1, 1363896240), "c11a514b67b0"),
    (cbor.Tagged(23, b"\x01\x02\x03\x04"), "d74401020304"),
    (cbor.Tagged(24, b"\x64IETF"), "d818456449455446"),
    (
        cbor.Tagged(32, "http://www.example.com"),
        "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
    ),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
)
# Same appendix, outside the subset: floats, indefinite lengths, simple values, text keys.
OUTSIDE = (
    "f90000 f98000 f93c00 fb3ff199999999999a f97bff fa47c35000 f97e00 fb7ff0000000000000 f7 f0"
    " f8ff 5f42010243030405ff 7f657374726561646d696e67ff 9fff 9f018202039f0405ffff"
    " a26161016162820203 bf61610161629f0203ffff 826161a161626163"
    " a56161614161626142616361436164614461656145"
).split()
# Valid CBOR in another than the one shortest form, and what is no CBOR at all.
NOT_DETERMINISTIC = (
    "1800 1817 190018 1900ff 1a0000ffff 1b00000000ffffffff 5800 7817 9803 b80001 d818 f814".split()
)
MALFORMED = (
    "1c 1d 1e 1f fc ff 61 62c3 61ff 62c328 81 a1 a101 c1 d8"
    " 5affffffff00 5bffffffffffffffff00 9affffffff00 9bffffffffffffffff00 bbffffffffffffffff00"
).split()


def test_examples_of_the_rfc_encode() -> None:
    for value, encoding in RFC8949:
        assert cbor.encode(value) == bytes.fromhex(encoding), encoding


def test_examples_of_the_rfc_decode_to_the_same_type() -> None:
    for value, encoding in RFC8949:
        decoded = cbor.decode(bytes.fromhex(encoding))
        assert decoded == value and type(decoded) is type(value), encoding


def test_what_is_not_in_the_subset_is_refused() -> None:
    for encoding in OUTSIDE + NOT_DETERMINISTIC + MALFORMED:
        assert reason_of(cbor.decode, bytes.fromhex(encoding)) == "malformed", encoding


def test_an_empty_input_is_no_value() -> None:
    assert reason_of(cbor.decode, b"") == "malformed"


def test_bytes_after_the_value_are_refused() -> None:
    assert reason_of(cbor.decode, b"\x01\x01") == "malformed"


def test_map_keys_are_sorted_as_bytes_when_written() -> None:
    assert cbor.encode({-2: 0, 24: 0, 1: 0, -1: 0}).hex() == "a40100181800200021" + "00"


def test_map_keys_that_are_unsorted_or_doubled_are_refused() -> None:
    for encoding in ("a203000100", "a201000100", "a220000100", "a221002000"):
        assert reason_of(cbor.decode, bytes.fromhex(encoding)) == "malformed", encoding


def test_map_keys_are_integers_only() -> None:
    for key in ("a", True, None, b"x"):
        assert is_our_fault(cbor.encode, {key: 1})


def test_nesting_is_bounded() -> None:
    assert cbor.decode(b"\x81" * 8 + b"\x00") == [[[[[[[[0]]]]]]]]
    for head in (b"\x81", b"\xc1", b"\xa1\x00"):
        assert reason_of(cbor.decode, head * 8 + b"\x00") == "accepted"
        assert reason_of(cbor.decode, head * 9 + b"\x00") == "malformed"
        assert reason_of(cbor.decode, head * 3000 + b"\x00") == "malformed"


def test_a_long_array_is_refused_even_when_its_bytes_are_there() -> None:
    assert reason_of(cbor.decode, b"\x99\x10\x01" + bytes(4097)) == "malformed"


def test_integers_beyond_64_bits_cannot_be_written() -> None:
    for value in (1 << 64, -(1 << 64) - 1, 1 << 100):
        assert is_our_fault(cbor.encode, value)


def test_floats_and_sets_cannot_be_written() -> None:
    for value in (1.5, {1}, object()):
        assert is_our_fault(cbor.encode, value)


def test_a_full_buffer_is_our_fault_and_an_exact_one_is_enough() -> None:
    for value, encoding in RFC8949:
        size = len(encoding) // 2
        assert cbor.encode(value, size) == bytes.fromhex(encoding)
        assert is_our_fault(cbor.encode, value, size - 1)


def test_a_writer_can_be_used_again() -> None:
    writer = cbor.Writer(bytearray(16))
    writer.text("long before")
    writer.reset()
    writer.integer(-25)
    assert writer.taken() == b"\x38\x18"


def test_buffers_of_all_kinds_are_byte_strings() -> None:
    for value in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert cbor.encode(value) == b"\x42ab"


def test_head_size_is_the_size_that_is_written() -> None:
    for bits in range(65):
        for value in ((1 << bits) - 1, 1 << bits):
            if value < 1 << 64:
                assert cbor.head_size(value) == len(cbor.encode(value)), value


def test_read_uint_takes_unsigned_integers_only() -> None:
    assert cbor.read_uint(b"\xff\x19\x03\xe8", 1) == (1000, 4)
    for encoding in ("20", "40", "1817", "f4", ""):
        assert reason_of(cbor.read_uint, bytes.fromhex(encoding), 0) == "malformed", encoding


def test_read_uint_reads_each_size_and_refuses_it_cut_short() -> None:
    for value in (0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1):
        encoding = cbor.encode(value)
        assert cbor.read_uint(encoding, 0) == (value, len(encoding)), value
        for size in range(len(encoding)):
            assert reason_of(cbor.read_uint, encoding[:size], 0) == "malformed", (value, size)
    assert reason_of(cbor.read_uint, b"\x1b\xff\xff\xff\xff\xff\xff\xff", 0) == "malformed"

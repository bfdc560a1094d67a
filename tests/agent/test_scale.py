"""What one step of a raw integer is worth, as an integer and a power of ten."""

from agent.drivers.scale import scale_of


def test_exact_fractions_stay_exact() -> None:
    assert scale_of(1, 128) == (78_125, -7)
    assert scale_of(1, 1) == (1, 0)
    assert scale_of(3, 1000) == (3, -3)
    assert scale_of(980_665 << 4, 25_600_000_000) == (612_915_625, -12)


def test_what_has_no_end_is_right_to_a_billionth() -> None:
    for numerator, denominator in ((1, 3), (2, 7), (2000 << 4, 128 * 2000 << 23), (10**12, 7)):
        multiplier, exponent = scale_of(numerator, denominator)
        assert 0 < multiplier <= 0x7FFFFFFF
        # |multiplier * 10^exponent - numerator / denominator|, in integers
        left = multiplier * denominator * 10 ** max(exponent, 0)
        right = numerator * 10 ** max(-exponent, 0)
        assert abs(left - right) * 400_000_000 <= right


def test_all_31_bits_are_used_and_no_more() -> None:
    assert scale_of(0x7FFFFFFF, 1) == (2_147_483_647, 0)
    assert scale_of(0x7FFFFFFF, 10) == (2_147_483_647, -1)
    assert scale_of(0x80000000, 1) == (214_748_365, 1)


def test_large_values_get_a_positive_exponent() -> None:
    assert scale_of(5_000_000_000, 1) == (5, 9)

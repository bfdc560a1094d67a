"""How a driver states what one step of its raw integers is worth."""

from protocols.portable import const

_MULTIPLIER_MAX = const(0x7FFFFFFF)  # what a batch can carry


def scale_of(numerator: int, denominator: int) -> "tuple[int, int]":
    """Return (multiplier, exponent): multiplier * 10 ** exponent = numerator / denominator > 0.

    Exact where the multiplier fits 31 bits, else within 1e-9 of it. As few digits as can be.
    """
    exponent = 0
    while numerator % denominator and numerator <= _MULTIPLIER_MAX * denominator // 10:
        numerator *= 10
        exponent -= 1
    while numerator > _MULTIPLIER_MAX * denominator:
        denominator *= 10
        exponent += 1
    multiplier = (2 * numerator + denominator) // (2 * denominator)
    while multiplier % 10 == 0:
        multiplier //= 10
        exponent += 1
    return multiplier, exponent

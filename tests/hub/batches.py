"""Batches as the hub's rules and its page get them: decoded, of one channel."""

from protocols.batch import Batch, Series

S = 1_000_000


def batch(
    channel: str,
    values: list[float],
    start_us: int = 0,
    *,
    boot: int = 1,
    unit: str = "m",
    spacing_us: int = S,
) -> Batch:
    """Return a batch of readings in thousandths, each spacing_us after the one before."""
    numbers = [round(value * 1000) for value in values]
    series = Series(channel, unit, (-3, 1), start_us, spacing_ns=spacing_us * 1000, values=numbers)
    return Batch((boot, 0, 2, start_us), [series])

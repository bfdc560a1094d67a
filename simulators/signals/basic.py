"""The plain signals that others are built from: a constant, a sum, a line through keyframes."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

STANDARD_GRAVITY = 9.80665  # m/s2, exact by definition (CGPM 1901)
LEVEL_AT_REST = (0.0, 0.0, STANDARD_GRAVITY)  # what a level accelerometer reads, z up

Axes = tuple[float, float, float]


class Scalar(Protocol):
    """A signal of one value."""

    def sample(self, t_us: int) -> float: ...


class ThreeAxis(Protocol):
    """A signal of three axes: x east, y north, z up, unless the sensor is mounted otherwise."""

    def sample(self, t_us: int) -> Axes: ...


Value = TypeVar("Value", float, Axes)


class Constant(Generic[Value]):
    """The same value at all times."""

    def __init__(self, value: Value) -> None:
        self._value: Value = value

    def sample(self, t_us: int) -> Value:
        return self._value


class Mix:
    """The sum of several three-axis signals."""

    def __init__(self, *parts: ThreeAxis) -> None:
        self._parts = parts

    def sample(self, t_us: int) -> Axes:
        x = y = z = 0.0
        for part in self._parts:
            part_x, part_y, part_z = part.sample(t_us)
            x += part_x
            y += part_y
            z += part_z
        return x, y, z


class Keyframes:
    """Straight lines through (t_us, value) points; level before the first and after the last."""

    def __init__(self, points: Sequence[tuple[int, float]]) -> None:
        """points: at least one, times strictly rising; else ValueError."""
        self._times_us = [t_us for t_us, _ in points]
        self._values = [value for _, value in points]
        if not points or any(
            later <= earlier
            for earlier, later in zip(self._times_us, self._times_us[1:], strict=False)
        ):
            raise ValueError("keyframes: at least one (t_us, value), with times strictly rising")

    def sample(self, t_us: int) -> float:
        times_us, values = self._times_us, self._values
        after = bisect_right(times_us, t_us)
        if after == 0:
            return values[0]
        if after == len(values):
            return values[-1]
        before = after - 1
        share = (t_us - times_us[before]) / (times_us[after] - times_us[before])
        return values[before] + share * (values[after] - values[before])

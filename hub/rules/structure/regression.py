"""What temperature explains of a value: a straight line learned while all was well.

A bridge is softer and longer on a warm day; its frequency and its bearings say so by more than
the damage that is looked for. So a value is judged by how far it lies from the line, and the line
knows how well it knows: beyond the temperatures it has seen it is ever less sure, and claims less.
"""

from dataclasses import dataclass
from math import inf, sqrt

COUNT_MIN = 24
SPREAD_K_MIN = 1.0  # standard deviation of the temperatures, below which no slope can be told


@dataclass
class Line:
    """Ordinary least squares of y on x, one pair at a time (Welford 1962)."""

    count: int = 0
    x_mean: float = 0.0
    y_mean: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def put(self, x: float, y: float) -> None:
        """Learn one pair."""
        self.count += 1
        x_off, y_off = x - self.x_mean, y - self.y_mean
        self.x_mean += x_off / self.count
        self.y_mean += y_off / self.count
        self.xx += x_off * (x - self.x_mean)
        self.xy += x_off * (y - self.y_mean)
        self.yy += y_off * (y - self.y_mean)

    def slope(self) -> float:
        """Return y per x; 0 while the xs are too much alike."""
        is_spread = self.count > 2 and self.xx > self.count * SPREAD_K_MIN**2
        return self.xy / self.xx if is_spread else 0.0

    def at(self, x: float) -> float:
        """Return what y should be."""
        return self.y_mean + self.slope() * (x - self.x_mean)

    def scatter(self) -> float:
        """Return the standard deviation of single values about the line."""
        if self.count < 3:
            return inf
        rest = self.yy - self.slope() * self.xy
        return sqrt(max(0.0, rest) / (self.count - 2))

    def error(self, x: float) -> float:
        """Return the standard error of at(x); inf before COUNT_MIN pairs."""
        if self.count < COUNT_MIN:
            return inf
        away = (x - self.x_mean) ** 2 / max(self.xx, self.count * SPREAD_K_MIN**2)
        return self.scatter() * sqrt(1 / self.count + away)

    def save(self) -> list[float]:
        """Return all of it."""
        return [self.count, self.x_mean, self.y_mean, self.xx, self.xy, self.yy]


def restored(saved: list[float]) -> Line:
    """Return what save() gave."""
    count, *rest = saved
    return Line(int(count), *(float(one) for one in rest))

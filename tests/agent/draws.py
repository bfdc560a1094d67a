"""Numbers drawn from a seed, the same ones on CPython and on MicroPython."""


class Draw:
    """Numerical Recipes' linear congruential generator; the upper bits are used."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        """Return a number of 0..limit - 1, limit up to 2**32."""
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        high = self._state >> 16
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (high << 16 | self._state >> 16) * limit >> 32

    def between(self, low: int, high: int) -> int:
        """Return a number of low..high."""
        return low + self.below(high - low + 1)

    def noise(self, sigma: int) -> int:
        """Return about a normal number of that deviation: the sum of three even ones."""
        return sum([self.between(-sigma, sigma) for _ in range(3)])

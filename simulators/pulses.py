"""A simulated pulse counter."""

from typing import Any

from agent.hal.pulse_filter import PulseFilter


class Pulses:
    """Counts a pin's falling edges, as by interrupt: none is missed between two looks."""

    def __init__(self, power: Any, world_clock: Any, model: Any, debounce_us: int) -> None:
        self._power = power
        self._world_clock = world_clock
        self._model = model
        self._filter = PulseFilter(debounce_us)
        self._seen_us = -1
        self.count()
        self._filter.count = 0

    def count(self) -> int:
        """Return the edges that counted since it was made."""
        self._power.check()
        if self._model is not None:
            for edge_us in self._model.edges(self._world_clock.now_us()):
                self._filter.see(edge_us - self._seen_us if self._seen_us >= 0 else -1)
                self._seen_us = edge_us
        return self._filter.count

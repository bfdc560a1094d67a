"""One person at home: moves about, opens the door, and can press the emergency button.

Each signal is 1.0 while the thing is so (someone moves, the door is open, the button is held),
else 0.0. `changes` gives the same without looking at every moment: (t_us, value) of a stretch.
"""

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache

DAY_US = 86_400_000_000
SLOT_US = 10_000_000  # in each the person moves about once, or not at all
MOTION_US_MIN, MOTION_US_MAX = 300_000, 4_000_000
# Going out: on so many of the days, at such an hour, for so long.
OUTING_SHARE = 0.7
OUTING_HOURS = (8.5, 15.0)
OUTING_H = (0.5, 5.0)
HOUR_US = DAY_US // 24
# Chance of moving in a slot, hour by hour from midnight: asleep, up, a nap, evening.
RESTLESSNESS = (0.01,) * 6 + (0.5,) * 7 + (0.1,) + (0.4,) * 8 + (0.1, 0.02)


class Motion:
    """Whether somebody moves in the room, before the detector's own hold time."""

    def __init__(
        self,
        *,
        seed: int | str,
        day_offset_us: int = 36_000_000_000,
        still: Sequence[tuple[int, int]] = (),
    ) -> None:
        """day_offset_us: time of day when the world begins. still: (from t_us, until t_us)
        stretches without any motion: out of the house, or fallen.
        """
        self._seed = seed
        self._day_offset_us = day_offset_us
        self._still = tuple(still)
        self._motion_in_slot = lru_cache(maxsize=4)(self._draw_motion)

    def sample(self, t_us: int) -> float:
        for from_us, until_us in self._still:
            if from_us <= t_us < until_us:
                return 0.0
        from_us, until_us = self._motion_in_slot(t_us // SLOT_US)
        return 1.0 if from_us <= t_us < until_us else 0.0

    def changes(self, from_us: int, until_us: int) -> Iterator[tuple[int, float]]:
        """Yield when it begins and ends to move, from from_us on and before until_us."""
        for slot in range(from_us // SLOT_US, -(-until_us // SLOT_US)):
            begin_us, end_us = self._draw_motion(slot)
            if begin_us == end_us or any(one <= begin_us < other for one, other in self._still):
                continue
            for at_us, value in ((begin_us, 1.0), (end_us, 0.0)):
                if from_us <= at_us < until_us:
                    yield at_us, value

    def _draw_motion(self, slot: int) -> tuple[int, int]:
        """Return (from, until) in world time; it ends with the slot at the latest."""
        dice = random.Random(f"motion {self._seed} {slot}")
        hour = (slot * SLOT_US + self._day_offset_us) % DAY_US * 24 // DAY_US
        if dice.random() >= RESTLESSNESS[hour]:
            return 0, 0
        length_us = dice.randrange(MOTION_US_MIN, MOTION_US_MAX)
        from_us = slot * SLOT_US + dice.randrange(SLOT_US - length_us)
        return from_us, from_us + length_us


class Held:
    """On from each given time for hold_us: a door that stands open, a button that is pressed."""

    def __init__(self, *, at_us: Sequence[int] = (), hold_us: int = 800_000) -> None:
        self._at_us = tuple(at_us)
        self._hold_us = hold_us

    def sample(self, t_us: int) -> float:
        return 1.0 if any(0 <= t_us - at_us < self._hold_us for at_us in self._at_us) else 0.0

    def changes(self, from_us: int, until_us: int) -> Iterator[tuple[int, float]]:
        """Yield when it goes on and off, from from_us on and before until_us."""
        for at_us in self._at_us:
            for moment_us, value in ((at_us, 1.0), (at_us + self._hold_us, 0.0)):
                if from_us <= moment_us < until_us:
                    yield moment_us, value


def outings(*, seed: int | str, end_us: int, day_offset_us: int) -> list[tuple[int, int]]:
    """Return (from, until) of the times when the person is out of the house, by lot."""
    dice = random.Random(f"outings {seed}")
    spans = []
    for midnight_us in range(-day_offset_us, end_us, DAY_US):
        is_out = dice.random() < OUTING_SHARE
        from_us = midnight_us + int(dice.uniform(*OUTING_HOURS) * HOUR_US)
        until_us = from_us + int(dice.uniform(*OUTING_H) * HOUR_US)
        if is_out and from_us > 0:
            spans.append((from_us, until_us))
    return spans


class Presence:
    """Somebody in a radar's sight: (here, moving, distance in m), the first two 1.0 or 0.0."""

    def __init__(
        self,
        motion: Motion,
        *,
        seed: int,
        away: Sequence[tuple[int, int]] = (),
        distance_m: tuple[float, float] = (0.8, 4.5),
    ) -> None:
        """motion: when the person moves. away: (from t_us, until t_us) out of the room.
        distance_m: nearest and farthest place; another one for each slot with motion.
        """
        self._motion = motion
        self._seed = seed
        self._away = tuple(away)
        self._distance_m = distance_m

    def sample(self, t_us: int) -> tuple[float, float, float]:
        if any(from_us <= t_us < until_us for from_us, until_us in self._away):
            return 0.0, 0.0, 0.0
        dice = random.Random(f"place {self._seed} {t_us // SLOT_US}")
        return 1.0, self._motion.sample(t_us), dice.uniform(*self._distance_m)

"""A simply supported bridge: what its nodes feel of traffic, weather and an earthquake.

The beam's textbook shapes sin(n pi x) carry everything: bending modes n at n^2 times the first
frequency, one sideways mode, damping as a share of critical. A quake's sinusoids are amplified
by the modes (Clough and Penzien, Dynamics of Structures, modal superposition); a recording is
played as it is, for it already is what a sensor read. Vehicles arrive by lot, one at most in
each slot of time; each bends the beam while it crosses and sets the first mode ringing.
"""

import math
import random
from collections.abc import Callable
from functools import lru_cache

from simulators.signals.basic import STANDARD_GRAVITY, Axes, Constant, ThreeAxis
from simulators.signals.quake import AxisGains, Quake

DAY_US = 86_400_000_000
YEAR_US = 365 * DAY_US
WARMEST_SHARE = 0.6  # of the year: early August
SLOT_US = 8_000_000  # at most one vehicle begins to cross in each
CROSSING_US = 4_000_000  # 40 m at 36 km/h
RINGING_US = 6_000_000  # after that, 5 % damping has left nothing
AFTER_EFFECT_SLOTS = 2  # slots that still matter: (CROSSING_US + RINGING_US) / SLOT_US, upwards
BENDING_MODES = 3
# Deflection under a full truck at mid-span, and how hard it shakes the deck there.
TRUCK_DEFLECTION_M = 0.003
TRUCK_RINGING_M_S2 = 0.06
STEEL_STRAIN_PER_K = 12e-6
BEARING_TRAVEL_M_PER_K = 0.00048  # STEEL_STRAIN_PER_K over 40 m


class Bridge:
    """The structure that all nodes share."""

    def __init__(
        self,
        *,
        seed: int,
        ground: ThreeAxis | None = None,
        span_m: float = 40.0,
        girder_depth_m: float = 2.0,
        bending_hz: float = 2.4,
        sideways_hz: float = 3.3,
        damping: float = 0.05,
        ambient_m_s2: float = 0.004,
        vehicles_share: float = 0.3,
        temperature_c: float = 18.0,
        temperature_swing_c: float = 6.0,
        day_offset_us: int = 36_000_000_000,
        swing_year_c: float = 0.0,
        year_offset_us: int = 0,
    ) -> None:
        """ground: a Quake (amplified by the modes), a Recording (as it is), or None.

        ambient_m_s2: trembling by wind and distant traffic, peak at mid-span; 0 with
        vehicles_share 0 makes the deck still, so that a recording is read exactly.
        vehicles_share: chance of a vehicle in each 8 s, 0..1.
        day_offset_us, year_offset_us: time of day and of year when the world begins, for the
        temperature. swing_year_c: a summer's mean above that of the year.
        """
        self.seed = seed
        self.ground: ThreeAxis = Constant((0.0, 0.0, 0.0)) if ground is None else ground
        self.span_m = span_m
        self.girder_depth_m = girder_depth_m
        self.bending_hz = bending_hz
        self.sideways_hz = sideways_hz
        self.damping = damping
        self.ambient_m_s2 = ambient_m_s2
        self.vehicles_share = vehicles_share
        self.temperature_c = temperature_c
        self.temperature_swing_c = temperature_swing_c
        self.day_offset_us = day_offset_us
        self.swing_year_c = swing_year_c
        self.year_offset_us = year_offset_us
        self._vehicle_in_slot = lru_cache(maxsize=8)(self._draw_vehicle)

    def node(self, *, position: float, delay_us: int = 0) -> "BridgeNode":
        """Return the place at position (0..1 of the span); the quake reaches it delay_us late."""
        return BridgeNode(self, position, delay_us)

    def vehicles(self, t_us: int) -> list[tuple[int, float]]:
        """Return (time since it came onto the bridge in us, weight 0..1) of each one felt now."""
        slot = t_us // SLOT_US
        felt = []
        for number in range(slot - AFTER_EFFECT_SLOTS, slot + 1):
            vehicle = self._vehicle_in_slot(number)
            if vehicle is not None and 0 <= t_us - vehicle[0] < CROSSING_US + RINGING_US:
                felt.append((t_us - vehicle[0], vehicle[1]))
        return felt

    def temperature_at(self, t_us: int) -> float:
        """Return the air's temperature in Cel: warmest at 14:00, and in August."""
        hours_share = (t_us + self.day_offset_us) % DAY_US / DAY_US
        swing = math.cos(math.tau * (hours_share - 14 / 24))
        year_share = (t_us + self.year_offset_us) % YEAR_US / YEAR_US
        season = math.cos(math.tau * (year_share - WARMEST_SHARE))
        return self.temperature_c + self.temperature_swing_c * swing + self.swing_year_c * season

    def _draw_vehicle(self, slot: int) -> tuple[int, float] | None:
        dice = random.Random(f"vehicle {self.seed} {slot}")
        if dice.random() >= self.vehicles_share:
            return None
        return slot * SLOT_US + dice.randrange(SLOT_US), dice.uniform(0.2, 1.0) ** 2


class BridgeNode:
    """One place on the bridge and the four signals that its sensors measure."""

    def __init__(self, bridge: Bridge, position: float, delay_us: int) -> None:
        self.acceleration = DeckAcceleration(bridge, position, delay_us)
        self.displacement = Deflection(bridge, position, delay_us)
        self.strain = GirderStrain(bridge, position, delay_us)
        self.temperature = SteelTemperature(bridge)


class DeckAcceleration:
    """Three axes in m/s2, gravity included: x along the bridge, y across, z up."""

    def __init__(self, bridge: Bridge, position: float, delay_us: int) -> None:
        self._bridge = bridge
        self._delay_us = delay_us
        self._shape = _shape(1, position)
        self._ground = _through(bridge.ground, lambda hz: _deck_gains(bridge, position, hz))
        self._bending = math.tau * bridge.bending_hz * 1e-6
        dice = random.Random(f"ambient {bridge.seed} {position}")
        self._ambient = [
            (math.tau * hz * 1e-6, dice.uniform(0.0, math.tau), *gains)
            for hz, gains in (
                (bridge.bending_hz * 0.99, (0.0, 0.1, 0.5)),
                (bridge.bending_hz * 1.01, (0.0, 0.1, 0.5)),
                (bridge.sideways_hz, (0.2, 0.5, 0.0)),
                (bridge.bending_hz * 4.0, (0.1, 0.0, 0.3)),
            )
        ]
        self._ambient_m_s2 = bridge.ambient_m_s2 * (0.2 + 0.8 * self._shape)

    def sample(self, t_us: int) -> Axes:
        x, y, z = self._ground.sample(t_us - self._delay_us)
        z += STANDARD_GRAVITY
        strength = self._ambient_m_s2
        if strength:
            for angular_us, phase, gain_x, gain_y, gain_z in self._ambient:
                value = strength * math.sin(angular_us * t_us + phase)
                x += gain_x * value
                y += gain_y * value
                z += gain_z * value
        for since_us, weight in self._bridge.vehicles(t_us):
            z += self._ringing(since_us, weight)
        return x, y, z

    def _ringing(self, since_us: int, weight: float) -> float:
        """The first mode: it builds up while the vehicle crosses, then dies away freely."""
        level = min(1.0, since_us / CROSSING_US)
        if since_us > CROSSING_US:
            level = math.exp(-self._bridge.damping * self._bending * (since_us - CROSSING_US))
        wave = math.sin(self._bending * since_us)
        return TRUCK_RINGING_M_S2 * weight * self._shape * level * wave


class Deflection:
    """Vertical displacement of the deck in m, upwards, with the slow breathing of the bearings."""

    def __init__(self, bridge: Bridge, position: float, delay_us: int) -> None:
        self._bridge = bridge
        self._delay_us = delay_us
        self._position = position
        self._shaking = _Sway(bridge, position)

    def sample(self, t_us: int) -> float:
        warming_k = self._bridge.temperature_at(t_us) - self._bridge.temperature_c
        return (
            self._shaking.sample(t_us - self._delay_us)
            + _sag(self._bridge, self._position, t_us)
            + BEARING_TRAVEL_M_PER_K * warming_k
        )


class GirderStrain:
    """Strain (m/m) at the girder's lower edge, positive in tension, with its thermal part."""

    def __init__(self, bridge: Bridge, position: float, delay_us: int) -> None:
        self._bridge = bridge
        self._delay_us = delay_us
        self._position = position
        self._shaking = _Sway(bridge, position)
        # Curvature of the first mode times the distance from the neutral axis; sagging stretches.
        self._per_metre = -((math.pi / bridge.span_m) ** 2) * bridge.girder_depth_m / 2

    def sample(self, t_us: int) -> float:
        bending_m = self._shaking.sample(t_us - self._delay_us)
        bending_m += _sag(self._bridge, self._position, t_us)
        warming_k = self._bridge.temperature_at(t_us) - self._bridge.temperature_c
        return self._per_metre * bending_m + STEEL_STRAIN_PER_K * warming_k


class SteelTemperature:
    """Temperature of the girder in Cel."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def sample(self, t_us: int) -> float:
        return self._bridge.temperature_at(t_us)


class _Sway:
    """First-mode deflection in m by a quake; none by a recording, which knows one place only."""

    def __init__(self, bridge: Bridge, position: float) -> None:
        ground = bridge.ground
        self._response = None
        if isinstance(ground, Quake):
            self._response = ground.through(
                lambda hz: (0.0, 0.0, _sway_gain(bridge, position, hz))
            )

    def sample(self, t_us: int) -> float:
        return self._response.sample(t_us)[2] if self._response else 0.0


def _through(ground: ThreeAxis, gains: Callable[[float], AxisGains]) -> ThreeAxis:
    return ground.through(gains) if isinstance(ground, Quake) else ground


def _shape(mode: int, position: float) -> float:
    """The n-th mode of a simply supported beam at position 0..1."""
    return math.sin(mode * math.pi * position)


def _participation(mode: int) -> float:
    """How much of mode n an even shaking of both ends stirs up: 4 / n pi for odd n, else 0."""
    return 4.0 / (mode * math.pi) if mode % 2 else 0.0


def _response(frequency_hz: float, mode_hz: float, damping: float) -> complex:
    """Relative acceleration of one oscillator for a unit of ground acceleration."""
    ratio = frequency_hz / mode_hz
    return ratio**2 / (1.0 - ratio**2 + 2j * damping * ratio)


def _deck_gains(bridge: Bridge, position: float, frequency_hz: float) -> AxisGains:
    """Absolute acceleration of the deck over that of the ground, for (along, across, up)."""
    up = 1.0 + sum(
        _participation(mode)
        * _shape(mode, position)
        * _response(frequency_hz, bridge.bending_hz * mode**2, bridge.damping)
        for mode in range(1, BENDING_MODES + 1)
    )
    across = 1.0 + _participation(1) * _shape(1, position) * _response(
        frequency_hz, bridge.sideways_hz, bridge.damping
    )
    return 1.0, abs(across), abs(up)


def _sway_gain(bridge: Bridge, position: float, frequency_hz: float) -> float:
    """First-mode deflection in m for a unit of ground acceleration."""
    relative = _response(frequency_hz, bridge.bending_hz, bridge.damping)
    stirred = _participation(1) * _shape(1, position) * abs(relative)
    return stirred / (math.tau * frequency_hz) ** 2


def _sag(bridge: Bridge, position: float, t_us: int) -> float:
    """Deflection in m (negative) under the vehicles that are on the bridge now."""
    sag_m = 0.0
    for since_us, weight in bridge.vehicles(t_us):
        if since_us < CROSSING_US:
            sag_m -= weight * _shape(1, since_us / CROSSING_US)
    return TRUCK_DEFLECTION_M * _shape(1, position) * sag_m

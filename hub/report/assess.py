"""What a quake has done to each node's place, from the store's traces and the rule's lines.

Times are in seconds from the event. Everything that cannot be computed is None with a reason, and
ranks as if its limit were reached: a place that nobody can judge from here is looked at, too.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.report.evidence import Trace
from hub.rules.structure.modal import Array, Mode, Spectrum
from hub.rules.structure.node import BAND_SHARE, SEARCH_HZ
from hub.rules.structure.regression import COUNT_MIN, Line, restored

BEFORE_S = 180.0  # so much before the event is read
MARGIN_S = 5.0  # before the event and after the shaking that belong to neither
SHAKING_SHARE = 0.1  # of the largest RMS of a second: shaking, until it is below for good
SHAKING_MIN_M_S2 = 0.02
AFTER_S_MIN = 45.0
SILENT_S = 30.0
SHARE_MIN = 0.98
NOISE_FACTOR = 4.0
MOVED_M_MIN = 0.0005  # of a deck on which traffic goes: less is no residual
LOOK_FIRST, LOOK_NEXT = 1.0, 0.5
WIDER = 2.0  # of the usual band: what is damaged may have lost more
NO_DATA, TOO_SHORT, NO_BEFORE = "no data", "too little after the shaking", "nothing before"
NO_MODE = "no clear mode"
SILENT, HOLES, STUCK, NOISY, CHANNEL_GONE = "silent", "holes", "stuck", "noisy", "channel missing"


@dataclass
class Quantity:
    """A measured value against its limit. value None: not computable, reason says why."""

    value: float | None = None
    reason: str = NO_DATA
    limit: float = 1.0

    def share(self) -> float | None:
        """Return the value as a share of its limit; None: not computable."""
        return None if self.value is None else abs(self.value) / self.limit


@dataclass
class Fault:
    """Something wrong with a sensor. number: per cent of data, or seconds."""

    what: str
    channel: str
    number: float = 0.0


@dataclass
class NodeResult:
    """What one node tells. quantities: peak (m/s2), moved (m), loss (per cent), strain (m/m)."""

    device: str
    row: dict[str, Any]
    quantities: dict[str, Quantity]
    faults: list[Fault] = field(default_factory=list)
    frequencies_hz: tuple[float | None, float | None] = (None, None)  # expected, after
    is_learned: bool = False  # expected comes from the line over temperature
    shaking_s: tuple[float, float] = (0.0, 0.0)
    traces: dict[str, Trace] = field(default_factory=dict)
    spectra: list[tuple[Array, Array]] = field(default_factory=list)  # before, after
    facts: dict[str, Any] = field(default_factory=dict)

    def score(self) -> float:
        """Return the largest share of a limit; what nobody knows counts as 1."""
        shares = [one.share() for name, one in self.quantities.items() if self.counts(name)]
        known = [1.0 if one is None else one for one in shares]
        return max([*known, 1.0 if any(one.what == SILENT for one in self.faults) else 0.0])

    def counts(self, name: str) -> bool:
        """Tell whether a quantity is judged: one that this node has no sensor for is not."""
        return self.quantities[name].reason != ""

    def is_unknown(self) -> bool:
        """Tell whether something that should be judged could not be."""
        return any(
            one.value is None and self.counts(name) for name, one in self.quantities.items()
        )


def assess(
    facts: dict[str, dict[str, Any]], traces: dict[str, dict[str, Trace]], until_s: float
) -> list[NodeResult]:
    """Return the nodes, the place to look at first before the others.

    facts: device -> BridgeRule.facts(). until_s: end of what was read.
    """
    results = [_node(device, facts[device], traces.get(device, {}), until_s) for device in facts]
    return sorted(results, key=lambda one: (-one.score(), -len(one.faults), one.device))


def _node(
    device: str, facts: dict[str, Any], traces: dict[str, Trace], until_s: float
) -> NodeResult:
    row = facts["row"]
    result = NodeResult(
        device,
        row,
        {
            "loss": Quantity(limit=row["frequency_loss_percent"]),
            "moved": Quantity(limit=row["displacement_mm"] / 1000),
            "peak": Quantity(limit=row["peak_m_s2"]),
            "strain": Quantity(limit=row["strain_um_m"] / 1e6),
        },
        traces=traces,
        facts=facts,
    )
    up = traces.get(f"{row['acc']}.{row['up']}")
    result.shaking_s = _shaking(up) if up is not None else (0.0, 0.0)
    _peak(result)
    _frequency(result, up, until_s)
    _moved(result, "moved", row["displacement"], until_s)
    _moved(result, "strain", row["strain"], until_s)
    _health(result, until_s)
    return result


def _shaking(up: Trace) -> tuple[float, float]:
    """Return from when to when it shook, by the RMS of each second."""
    size = max(1, round(1 / up.spacing_s))
    swing = up.values - np.median(up.values)
    count = len(swing) // size
    if not count:
        return 0.0, 0.0
    levels = np.sqrt((swing[: count * size].reshape(count, size) ** 2).mean(axis=1))
    starts_s = up.times_s[: count * size : size]
    limit = max(SHAKING_MIN_M_S2, SHAKING_SHARE * float(levels.max()))
    strong = np.flatnonzero((levels >= limit) & (starts_s > -MARGIN_S))
    if not len(strong):
        return 0.0, 0.0
    return float(starts_s[strong[0]]), float(starts_s[strong[-1]]) + 1.0


def _peak(result: NodeResult) -> None:
    row, quantity = result.row, result.quantities["peak"]
    axes = [result.traces.get(f"{row['acc']}.{axis}") for axis in "xyz"]
    present = [axis.between(-MARGIN_S, 1e9) for axis in axes if axis is not None]
    reported = [
        trace.between(-MARGIN_S, 1e9).values
        for channel, trace in result.traces.items()
        if channel.startswith(row["acc"] + ".") and channel.endswith(".peak")
    ]
    values = [float(np.abs(one.values - np.median(one.values)).max())
              for one in present if len(one.values)]  # fmt: skip
    values += [float(np.abs(one).max()) for one in reported if len(one)]
    if values:
        quantity.value = max(values)


def _frequency(result: NodeResult, up: Trace | None, until_s: float) -> None:
    quantity, facts = result.quantities["loss"], result.facts
    if up is None:
        return
    before = up.between(-BEFORE_S, -MARGIN_S)
    after = up.between(result.shaking_s[1] + MARGIN_S, until_s)
    line = restored(facts["frequency_line"])
    low_hz, high_hz = _band(facts["band_hz"])
    spectra = [_spectrum(before), _spectrum(after)]
    result.spectra = [one.density() for one in spectra if one is not None and one.segments]
    expected = _expected(line, facts["temperature_c"])
    result.is_learned = expected is not None
    if expected is None:
        mode = _mode(spectra[0], low_hz, high_hz)
        expected = mode.frequency_hz if mode else None
    if expected is None:
        quantity.reason = NO_BEFORE
        return
    low_hz, high_hz = _band((expected * (1 - BAND_SHARE), expected * (1 + BAND_SHARE)))
    mode = _mode(spectra[1], low_hz, high_hz)
    result.frequencies_hz = (expected, mode.frequency_hz if mode else None)
    if mode is None:
        is_short = len(after.values) * up.spacing_s < AFTER_S_MIN
        quantity.reason = TOO_SHORT if is_short else NO_MODE
        return
    # A gain is no damage: it ranks nothing, and is shown.
    quantity.value = max(0.0, 100 * (1 - mode.frequency_hz / expected))


def _expected(line: Line, temperature_c: float | None) -> float | None:
    if line.count < COUNT_MIN or temperature_c is None:
        return None
    return line.at(temperature_c)


def _band(band_hz: tuple[float, float]) -> tuple[float, float]:
    low_hz, high_hz = band_hz
    if (low_hz, high_hz) == SEARCH_HZ:
        return SEARCH_HZ
    middle, reach = (low_hz + high_hz) / 2, (high_hz - low_hz) / 2
    return middle - WIDER * reach, middle + reach


def _spectrum(trace: Trace) -> Spectrum | None:
    if not len(trace.values):
        return None
    spectrum = Spectrum(1 / trace.spacing_s)
    for run in trace.runs():
        spectrum.feed(run)
        spectrum.cut()
    return spectrum


def _mode(spectrum: Spectrum | None, low_hz: float, high_hz: float) -> Mode | None:
    if spectrum is None:
        return None
    return spectrum.mode(low_hz, min(high_hz, 0.4 * spectrum.rate_hz))


def _moved(result: NodeResult, name: str, channel: str, until_s: float) -> None:
    """Compare the median after the shaking with that before."""
    quantity = result.quantities[name]
    trace = result.traces.get(channel)
    was_learned = name == "moved" and result.facts["place_line"][0] > 0
    if trace is None:
        if not was_learned and not (name == "strain" and result.facts["cycles"]):
            quantity.reason = ""  # this node has no such sensor
        return
    before = trace.between(-BEFORE_S, -MARGIN_S).values
    after = trace.between(result.shaking_s[1] + MARGIN_S, until_s).values
    if not len(after):
        quantity.reason = TOO_SHORT
    elif not len(before):
        quantity.reason = NO_BEFORE
    else:
        moved = float(np.median(after) - np.median(before))
        is_less = name == "moved" and abs(moved) < MOVED_M_MIN
        quantity.value = 0.0 if is_less else moved


def _health(result: NodeResult, until_s: float) -> None:
    faults, row = result.faults, result.row
    ends_s = [float(trace.times_s[-1]) for trace in result.traces.values() if len(trace.times_s)]
    if not ends_s or max(ends_s) < until_s - SILENT_S:
        silent_s = until_s - max(ends_s) if ends_s else until_s + BEFORE_S
        faults.append(Fault(SILENT, "", silent_s))
    for name in (f"{row['acc']}.x", f"{row['acc']}.y", f"{row['acc']}.z", row["strain"],
                 row["displacement"], row["temperature"]):  # fmt: skip
        trace = result.traces.get(name)
        if trace is None:
            continue
        # Of the time until it fell silent, which is said already.
        share = trace.share(-BEFORE_S + MARGIN_S, min(until_s - SILENT_S, max(ends_s) - MARGIN_S))
        if share < SHARE_MIN and trace.spacing_s < 1:
            faults.append(Fault(HOLES, name, 100 * (1 - share)))
        if len(trace.values) > 20 and float(np.ptp(trace.values)) == 0 and trace.spacing_s < 1:
            faults.append(Fault(STUCK, name))
        before, after = (
            _quiet_level(trace.between(*part))
            for part in ((-BEFORE_S, -MARGIN_S), (result.shaking_s[1] + MARGIN_S, until_s))
        )
        if before and after and after > NOISE_FACTOR * before and trace.spacing_s < 1:
            faults.append(Fault(NOISY, name, after / before))
    if result.facts["place_line"][0] > 0 and row["displacement"] not in result.traces:
        faults.append(Fault(CHANNEL_GONE, row["displacement"]))


def _quiet_level(trace: Trace) -> float:
    """Return the spread of a quiet second (tenth percentile): between vehicles, the sensor's."""
    size = max(2, round(1 / trace.spacing_s))
    count = len(trace.values) // size
    if count < 10:
        return 0.0
    spreads = np.diff(trace.values[: count * size].reshape(count, size), axis=1).std(axis=1)
    return float(np.quantile(spreads, 0.1))

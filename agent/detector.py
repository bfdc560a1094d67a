"""Finds the onset of shaking: a short average of the motion against a long one (STA/LTA).

The recursive form (Allen, BSSA 68, 1978; Withers et al., BSSA 88, 1998), on the absolute amplitude
rather than the energy, so that all of it fits 32-bit words:

    mean += (x - mean) / n_mean                of each channel: gravity and tilt
    e     = |x - mean|, all channels added
    sta  += (e - sta) / n_sta
    lta  += (e - lta) / n_lta

What a division would drop is kept and added to the next step, so that an average never sticks.
1 / n is c / 2**s with c in 8..15: a window is met to within 6 %. Until lta_ms have passed after
a start both averages are one, and nothing is found.
"""

from array import array

from protocols.portable import const, ptr32, viper

# The state, in words; the averages are in 1/256 of a raw unit, the means in 1/16.
_WIDTH = const(0)
_COUNT = const(1)  # sets of the block
_BLIND = const(2)  # sets to come in which nothing is found
_ACTIVE = const(3)
_ON = const(4)  # ratio in 1/16
_OFF = const(5)
_STA = const(6)
_STA_REST = const(7)
_STA_FACTOR = const(8)
_STA_SHIFT = const(9)
_LTA = const(10)
_LTA_REST = const(11)
_LTA_FACTOR = const(12)
_LTA_SHIFT = const(13)
_MEAN_SHIFT = const(14)
_STARTED = const(15)
_MEANS = const(16)  # of each channel: mean, rest

_SHIFT_MAX = const(24)
_SAMPLES_MAX = const(1 << 20)


class Detector:
    """Watches the samples of one sensor, of up to 25 bits.

    spacing_us: between samples. sta_ms, lta_ms: windows, sta_ms < lta_ms; not below a sample.
    on_percent, off_percent: ratios of the averages, in percent, where an event begins and ends.
    """

    def __init__(self, width: int, spacing_us: int, settings: "dict[str, int]") -> None:
        self._state = array("i", bytes(4 * (_MEANS + 2 * width)))
        sta = window_of(settings["sta_ms"], spacing_us)
        lta = window_of(settings["lta_ms"], spacing_us)
        self._blind = settings["lta_ms"] * 1000 // spacing_us
        state = self._state
        state[_WIDTH] = width
        state[_ON] = settings["on_percent"] * 16 // 100
        state[_OFF] = settings["off_percent"] * 16 // 100
        state[_STA_FACTOR], state[_STA_SHIFT] = sta
        state[_LTA_FACTOR], state[_LTA_SHIFT] = lta
        # A quarter of the long window, as a power of two.
        state[_MEAN_SHIFT] = max(2, lta[1] - 5)
        self.restart()

    def restart(self) -> None:
        """Begin anew, as after a loss of samples."""
        state = self._state
        state[_BLIND] = self._blind
        state[_ACTIVE] = 0
        state[_STARTED] = 0

    def feed(self, block: "array[int]", count: int) -> int:
        """Take `count` sets; return how many sets before the newest an event began, or -1."""
        state = self._state
        state[_COUNT] = count
        if not state[_STARTED]:
            self._begin(block)
        return watch(block, state)

    def _begin(self, block: "array[int]") -> None:
        """Take the first set for the mean: gravity is no motion."""
        state = self._state
        state[_STARTED] = 1
        for channel in range(state[_WIDTH]):
            state[_MEANS + 2 * channel] = block[channel] << 4
            state[_MEANS + 2 * channel + 1] = 0
        for word in (_STA, _STA_REST, _LTA, _LTA_REST):
            state[word] = 0

    def is_active(self) -> bool:
        """Tell whether an event goes on."""
        return self._state[_ACTIVE] != 0

    def ratio_percent(self) -> int:
        """Return the ratio of the averages now, in percent, at most 100,000."""
        return min(100_000, self._state[_STA] * 100 // max(1, self._state[_LTA]))


def window_of(window_ms: int, spacing_us: int) -> "tuple[int, int]":
    """Return (c, s) so that c / 2**s is about one sample per window, c in 8..15."""
    samples = max(1, min(_SAMPLES_MAX, window_ms * 1000 // spacing_us))
    shift = 3
    while (1 << shift) < 8 * samples and shift < _SHIFT_MAX:
        shift += 1
    return max(1, min(15, ((1 << shift) + samples // 2) // samples)), shift


@viper
def watch(block: ptr32, state: ptr32) -> int:
    """Run all sets of a block through the averages; return as Detector.feed() does.

    Inside stand the numbers of the words of `state`, for machine code has no names of a module.
    """
    width = state[0]
    left = state[1]
    index = 0
    onset = -1
    while left > 0:
        left -= 1
        motion = 0
        at = 16
        channel = 0
        while channel < width:
            away = (block[index] << 4) - state[at]
            index += 1
            rest = state[at + 1] + away
            step = rest >> state[14]
            state[at] = state[at] + step
            state[at + 1] = rest - (step << state[14])
            at += 2
            channel += 1
            if away < 0:
                away = 0 - away
            motion += away
            if motion > 0x1FFFFF:
                motion = 0x1FFFFF
        motion = motion << 4
        rest = state[7] + (motion - state[6]) * state[8]
        step = rest >> state[9]
        sta = state[6] + step
        state[6] = sta
        state[7] = rest - (step << state[9])
        if state[2] > 0:
            state[2] = state[2] - 1
            state[10] = sta
            continue
        rest = state[11] + (motion - state[10]) * state[12]
        step = rest >> state[13]
        lta = state[10] + step
        state[10] = lta
        state[11] = rest - (step << state[13])
        # Below one raw unit the long average says nothing of the ground.
        if lta < 256:
            lta = 256
        lta = lta >> 4
        if state[3] == 0:
            if sta >= lta * state[4]:
                state[3] = 1
                onset = left
        else:
            if sta < lta * state[5]:
                state[3] = 0
    return onset

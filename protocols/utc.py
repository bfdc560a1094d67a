"""UTC of readings, from the clock records of the hubs that heard the device.

A clock record says two things: when its device's boot clock showed device_us, the hub's own clock
showed at_us, and that was utc_us as the hub then had it. The first never turns out wrong. The
second does where the hub's UTC was; so a hub says about itself (device = its own name, for each of
its boots whose clock runs on) what its clock is on UTC, whenever that changes. Then

    utc = device time + (at_us - device_us) + (utc_us - at_us of what the hub best said of itself)
          - (device time - device_us) * rate_ppb / 10**9

Best is what is of the highest quality, and of that the newest. So once the hub's UTC is right, all
that it ever timed is right, whatever came before, on whichever path and in whichever order.
"""

DRIFT_PPM_MAX = 100  # of a board's crystal, between a clock record and the reading
# The same where the record has a rate: how far from it the clock runs at any time. With it the
# hub promises that it has watched a day's warmth and cold (hub/device_rates.py): 2.6 s in 72 h.
RATE_PPM_MAX = 10


class UtcReader:
    """Knows what the clock records said that it was fed; holds one row for each."""

    def __init__(self) -> None:
        self._scales: dict = {}  # (hub, its boot) -> (quality, order, offset_us)
        self._brackets: dict = {}  # (device, boot) -> list of (bracket, (quality, offset_us))

    def feed(self, hub: str, head: tuple, fields: dict) -> None:
        """Take one clock record. head: (boot, index, lane, at_us) of the hub's frame."""
        boot, index, _, at_us = head
        device_us, quality = fields["device_us"], fields["quality"]
        if fields["device"] == hub:
            key, order = (hub, fields["boot"]), (boot, index)
            said = (quality, order, fields["utc_us"] - device_us)
            self._scales[key] = max(said, self._scales.get(key, said))
            return
        rate = fields["rate_ppb"]
        bracket = (hub, boot, device_us, at_us - device_us, fields["uncertainty_us"], rate)
        own = (quality, fields["utc_us"] - at_us)
        self._brackets.setdefault((fields["device"], fields["boot"]), []).append((bracket, own))

    def utc_us(self, device: str, boot: int, time_us: int) -> "tuple | None":
        """Return (utc_us, uncertainty_us, quality) of a time on a boot clock, None where unknown.

        uncertainty_us: against the UTC of the hub, whose own worth is told by the quality.
        """
        best = None
        for bracket, own in self._brackets.get((device, boot), ()):
            hub, hub_boot, device_us, to_hub_us, uncertainty_us, rate_ppb = bracket
            quality, offset_us = own
            scale = self._scales.get((hub, hub_boot))
            if scale is not None and scale[0] >= quality:
                quality, offset_us = scale[0], scale[2]
            apart_us = time_us - device_us
            drift_ppm = RATE_PPM_MAX if rate_ppb else DRIFT_PPM_MAX
            uncertainty_us += abs(apart_us) * drift_ppm // 1_000_000
            to_hub_us -= apart_us * rate_ppb // 1_000_000_000
            found = (quality, -uncertainty_us, time_us + to_hub_us + offset_us)
            if best is None or found > best:
                best = found
        return None if best is None else (best[2], -best[1], best[0])

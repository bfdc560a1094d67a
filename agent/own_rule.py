"""What a device does by its own when it hears no hub: thresholds of its sensors.

    with the hub --no word of it for alone_after_ms--> alone --a word--> with the hub

Alone, a threshold that is passed asks for a mode, so that a gauge goes to its fast interval, and
sounds an output, so that a torn wire is heard. It asks until the threshold has not been passed
for hold_ms. A sensor without a reading neither asks nor ends what it has asked for.

A device that is alone takes part in no drill: what it sees is real, and nobody is there to say
that it is not.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.config import OwnRuleRow
    from agent.outputs import Outputs
    from agent.sensor import Sensor


class OwnRule:
    """mode: that it asks for now, 0 while with the hub. after_ms: without a word of the hub."""

    def __init__(self, sensors: "list[Sensor]", outputs: "Outputs", after_ms: int) -> None:
        self._rows: list[tuple[Sensor, OwnRuleRow]] = []
        for sensor in sensors:
            row = sensor.own_rule()
            if row is not None:
                self._rows.append((sensor, row))
        self._outputs = outputs
        self._after_us = after_ms * 1000
        self._heard_us = 0
        self._until_us = [-1] * len(self._rows)  # until when each asks; -1: it does not
        self._sounded = [False] * len(self._rows)
        self.is_alone = False
        self.mode = 0

    def heard(self, now_us: int) -> None:
        """Note a good word of the hub."""
        self._heard_us = now_us

    def run_due(self, now_us: int) -> None:
        """Look at the sensors; set is_alone and mode, and sound what is to be sounded."""
        self.is_alone = now_us - self._heard_us >= self._after_us
        self.mode = 0
        if not self.is_alone:
            self._sounded = [False] * len(self._rows)
            return
        for at in range(len(self._rows)):
            sensor, row = self._rows[at]
            value = sensor.newest_milli()
            if value is not None:
                self._judge(at, row.is_passed(value), now_us)
            elif self._until_us[at] >= 0:
                self._until_us[at] = now_us + row.hold_ms * 1000
            if self._until_us[at] > now_us:
                self.mode = max(self.mode, row.mode)

    def _judge(self, at: int, is_passed: bool, now_us: int) -> None:
        row = self._rows[at][1]
        if not is_passed:
            if self._until_us[at] <= now_us:
                self._until_us[at] = -1
                self._sounded[at] = False
            return
        self._until_us[at] = now_us + row.hold_ms * 1000
        if row.output and not self._sounded[at]:
            self._sounded[at] = True
            hold_ms = self._outputs.hold_ms_max(row.output)
            self._outputs.switch(row.output, hold_ms, False, now_us)

"""ADS1220 24-bit converter at register level (Texas Instruments SBAS501C), with a bridge.

Modelled: commands, four registers with their power-up values and reserved bit, reset, power-down,
single-shot and continuous conversion, rates in normal and turbo mode, multiplexer (the four inputs
of two bridges, shorted inputs, reference and supply monitors), gain, choice of reference,
saturation, pin DRDY, noise, offset of the piece. Not modelled: duty-cycle mode, temperature
sensor, current sources, the PGA's common-mode limits, DRDY on DOUT.

Noise follows table 1 about: 0.09 uV rms at 20/s and gain 128, 3.7 uV at gain 1, growing with the
root of the rate.

Signal: strain (m/m) of the bridge on AIN0/AIN1, whose supply is the reference.
"""

from typing import Any

from simulators.chips.chip import Chip, Ticker, clip

RATES_MHZ = (20_000, 45_000, 90_000, 175_000, 330_000, 600_000, 1_000_000, 1_000_000)
TURBO = 0x10
CONTINUOUS, TEMPERATURE_MODE = 0x04, 0x02
INTERNAL_REFERENCE_V = 2.048
NOISE_AT_128_V, NOISE_AT_1_V = 0.09e-6, 3.7e-6
OFFSET_V, OFFSET_MAX_V = 4e-6, 30e-6  # section 6.5
WRITABLE = (0xFF, 0xFF, 0xFF, 0xFE)
MUX_BRIDGES = {0x0: 1.0, 0x6: -1.0}  # AIN0 against AIN1, and the other way round
MUX_REFERENCE, MUX_SUPPLY, MUX_SHORTED = 0xC, 0xD, 0xE


class Ads1220Chip(Chip):
    """One ADS1220 on SPI with its DRDY pin. Its oscillator is off by up to 2 % (section 6.5).

    options: gauge_factor (2.0) and arms (1) of the true gauges; supply_v (3.3) of bridge and chip;
    "wire": "open" saturates, "supply" leaves the bridge and the reference without supply.
    """

    rate_error_ppm_max = 20_000
    options_known = ("gauge_factor", "arms", "supply_v", "wire")

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self.offset_v = self.piece_error(OFFSET_V, OFFSET_MAX_V)

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "spi", "cs" and "drdy_pin"."""
        board.spi_chips[settings["spi"], settings["cs"]] = self
        board.pins[settings["drdy_pin"]] = self

    def power_on(self, now_us: int) -> None:
        """Take power-up values: all registers 0, no conversion until START."""
        self._registers = bytearray(4)
        self._code = 0
        self._ticker = None
        self._made = 0
        self._is_ready = False

    def value(self, now_us: int) -> int:
        """Return the level of DRDY."""
        if self.fault == "nack" or self.fault == "stuck_bus":
            return 1 if self.fault == "nack" else 0
        self._advance(now_us)
        return 0 if self._is_ready else 1

    def spi_transfer(self, out: bytes, into: bytearray, now_us: int) -> None:
        """One transaction: commands one after the other; the result waits in the first 24 bits."""
        self._advance(now_us)
        self._is_ready = False
        sent = bytes(out)
        answer = bytearray((self._code & 0xFFFFFF).to_bytes(3, "big") + bytes(len(sent)))
        at = 0
        while at < len(sent):
            at += 1 + self._obey(sent, at, answer, now_us)
        into[:] = answer[: len(sent)]

    def _obey(self, sent: bytes, at: int, answer: bytearray, now_us: int) -> int:
        """Obey the command at sent[at]; return how many further bytes belong to it."""
        command = sent[at]
        first, count = command >> 2 & 3, (command & 3) + 1
        if command & 0xF0 == 0x20:
            registers = self._registers[first : first + count]
            if self.fault == "wrong_identity":
                registers = bytearray(value ^ 0x55 for value in registers)
            answer[at + 1 : at + 1 + len(registers)] = registers
            return count
        if command & 0xF0 == 0x40:
            for register, value in enumerate(sent[at + 1 : at + 1 + count], first):
                if register < 4:
                    self._registers[register] = value & WRITABLE[register]
            self._restart(now_us)
            return count
        if command & 0xF0 == 0x10:
            answer[at + 1 : at + 4] = (self._code & 0xFFFFFF).to_bytes(3, "big")
            return 3
        self._act(command, now_us)
        return 0

    def _act(self, command: int, now_us: int) -> None:
        if command & 0xFE == 0x06:
            self.power_on(now_us)
        elif command & 0xFE == 0x08:
            self._begin(now_us)
        elif command & 0xFE == 0x02:
            self._ticker = None

    def _restart(self, now_us: int) -> None:
        """A conversion under way begins anew once a register was written (section 8.5.3.6)."""
        if self._ticker is not None:
            self._begin(now_us)

    def _begin(self, now_us: int) -> None:
        rate_mhz = RATES_MHZ[self._registers[1] >> 5]
        if self._registers[1] & 0x18 == TURBO:
            rate_mhz *= 2
        self._rate_hz = rate_mhz / 1000
        self._ticker = Ticker(now_us, self.true_rate_nhz(rate_mhz))
        self._made = 0
        self._is_ready = False

    def _advance(self, now_us: int) -> None:
        """Make the newest conversion, replacing all before."""
        if self._ticker is None:
            return
        due = self._ticker.count(now_us)
        if due == self._made:
            return
        is_continuous = self._registers[1] & CONTINUOUS
        self._made = due if is_continuous else 1
        self._is_ready = True
        if self.fault != "stuck_value":
            self._code = self._convert(self._ticker.instant_us(self._made))
        if not is_continuous:
            self._ticker = None

    def _convert(self, t_us: int) -> int:
        """Return the code of what the multiplexer chooses, at t_us."""
        supply_v = self.options.get("supply_v", 3.3)
        bridge_supply_v = 0.0 if self.options.get("wire") == "supply" else supply_v
        mux = self._registers[0] >> 4
        if mux in (MUX_REFERENCE, MUX_SUPPLY):
            input_v = (bridge_supply_v if mux == MUX_REFERENCE else supply_v) / 4
            return self._code_of(input_v, 1, INTERNAL_REFERENCE_V)
        gain = 1 << (self._registers[0] >> 1 & 7)
        input_v = 0.0
        if mux in MUX_BRIDGES:
            factor = self.options.get("gauge_factor", 2.0) * self.options.get("arms", 1) / 4
            input_v = MUX_BRIDGES[mux] * self.signal.sample(t_us) * factor * bridge_supply_v
            if self.options.get("wire") == "open":
                return clip(1e12, 24)
        choice = self._registers[2] >> 6
        reference_v = (INTERNAL_REFERENCE_V, bridge_supply_v, bridge_supply_v, supply_v)[choice]
        return self._code_of(input_v + self.offset_v, gain, max(reference_v, 1e-3))

    def _code_of(self, input_v: float, gain: int, reference_v: float) -> int:
        sigma_v = (NOISE_AT_128_V**2 + (NOISE_AT_1_V / gain) ** 2) ** 0.5
        noise_v = self.noise(sigma_v * (self._rate_hz / 20) ** 0.5)
        return clip((input_v + noise_v) * gain / reference_v * (1 << 23), 24)

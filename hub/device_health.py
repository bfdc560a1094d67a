"""How a device's boot began, out of its hello: why, from which slot, after what crash.

The device says it as one text (agent.survival, agent.main), its parts joined by "; ":

    watchdog; slot 1, on trial; safe mode; boot 41: sampler: ... OSError: [Errno 110] ETIMEDOUT

A device that does not know these words, or is older, has a cause and nothing else.
"""

import re
from typing import NamedTuple

CRASH_SIZE_MAX = 240  # characters that the hub keeps and shows
_SAFE = "safe mode"
_SLOT = re.compile(r"slot ([01])(, on trial)?")
_SUPPLY = re.compile(r"\d+ short boots in a row\b.*")
_SLOT_NAMES = "AB"


class Start(NamedTuple):
    """slot: "A", "B", or "" where there are none. crash: what the boot before died of, or ""."""

    cause: str = ""
    slot: str = ""
    is_on_trial: bool = False
    is_safe: bool = False
    is_supply_weak: bool = False
    crash: str = ""


def start_of(text: str) -> Start:
    """Return what a hello says of the start of its boot. text: its reset_cause."""
    cause, *parts = text.split("; ")
    slot, is_on_trial, is_safe, is_weak = "", False, False, False
    while parts:
        found = _SLOT.fullmatch(parts[0])
        if found:
            slot, is_on_trial = _SLOT_NAMES[int(found[1])], bool(found[2])
        elif parts[0] == _SAFE:
            is_safe = True
        elif _SUPPLY.fullmatch(parts[0]):
            is_weak = True
        else:
            break
        del parts[0]
    crash = "".join(one for one in "; ".join(parts) if one.isprintable())
    return Start(cause[:32], slot, is_on_trial, is_safe, is_weak, crash[:CRASH_SIZE_MAX])


def safe_mode_texts(device: str) -> tuple[str, str]:
    """Return what people are told of a device that has come into safe mode, and what to do."""
    return (
        f"{device} は異常終了を繰り返し、センサーを止めています（セーフモード）。"
        f"hinomi hub device show {device} で原因を確認してください",
        f"{device} ended badly again and again, its sensors are off (safe mode);"
        f" see `hinomi hub device show {device}`",
    )

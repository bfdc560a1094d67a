"""What status and doctor say of devices in safe mode and of a rollout."""

import io
from typing import Any

from rich.console import Console

from hub.diagnosis import OK, WARN
from hub.doctor_devices import NAMED_MAX, check_devices
from hub.rollout import FAILED, HEALTHY, STATES
from hub.status import devices_table, update_words


def state(*safe: str, stopped: str | None = None) -> dict[str, Any]:
    """Return the parts of a status that this is about. stopped: None: there is no update."""
    counts = {**dict.fromkeys(STATES, 0), HEALTHY: 3, FAILED: 1}
    update = {"version": "0.2.0", "stage": 2, "stopped": stopped, "counts": counts,
              "is_frozen": False, "is_over": bool(stopped)}  # fmt: skip
    rows = [{"device": name, "safe_mode": True} for name in safe]
    rows.append({"device": "home-1", "personal": True})
    return {"devices": rows, "device_counts": {"safe_mode": len(safe)},
            "update": None if stopped is None else update}  # fmt: skip


def test_doctor_names_devices_in_safe_mode_and_why_an_update_stopped() -> None:
    assert list(check_devices(None)) == []
    [found] = check_devices(state())
    assert found.state == OK
    [found] = check_devices(state("river-1", stopped=""))
    assert found.state == WARN and "river-1" in found.text[0] and "restart" in found.remedy[1]
    [many, update] = check_devices(state(*(f"d{one}" for one in range(9)), stopped="d3: silent"))
    assert many.text[1].endswith(f"d{NAMED_MAX - 1}, …")
    assert update.state == WARN and "3/4" in update.text[0] and "d3: silent" in update.text[1]


def test_the_table_of_devices_shows_safe_mode_and_nothing_of_a_person() -> None:
    row = {"device": "river-1", "kind": "river", "state": "online", "safe_mode": True, "boot": 4,
           "last_frame_age_ms": 900, "received": 7, "readings": [], "personal": False}  # fmt: skip
    home = {
        "device": "home-1",
        "kind": "home",
        "state": "online",
        "readings": [],
        "personal": True,
    }
    out = io.StringIO()
    Console(file=out, width=120).print(devices_table([row, home]))
    text = out.getvalue()
    assert "online SAFE MODE" in text and "0.9 s ago" in text and "personal" in text


def test_how_far_an_update_is_in_words() -> None:
    update = state(stopped="")["update"]
    assert update_words(update) == "update 0.2.0: 3 of 4, stage 2 of 3"
    assert update_words({**update, "stopped": "d1: x"}).endswith("STOPPED: d1: x")

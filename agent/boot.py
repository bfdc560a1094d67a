"""The boot file of a board: picks a slot, mounts its image, starts it, and guards its trial.

It lies as /main.py on the file system of the board, with the few modules that it needs below
/boot (boards/image.py makes both), and no update ever touches these. /wiring.json names the slots.

An image on trial that has not been found good after TRIAL_MS gives way to the old one, whatever it
does meanwhile. One that raises is started again, and gives way after three starts.
"""

import sys

sys.path.insert(0, "/boot")

import json
import time

import machine
import vfs

from agent.hal.open_flash import open_flash
from agent.slot_files import SlotFiles
from agent.slots import TRIAL_MS, Slot, Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOUNT = "/app"
RESTART_MS = 2000  # so that a technician can read what it says, and stop it


def main() -> None:
    """Start the image, and the board anew when that ends.

    So too where no slot holds one: a supply that dips makes flash read wrong for a moment, and
    nobody is there to start it again.
    """
    is_started = False
    try:
        is_started = start_any()
    except Exception as error:
        # The one broad except: whatever an image or the flash under it dies of, the next start
        # must come; no watchdog runs yet.
        sys.print_exception(error)  # type: ignore[attr-defined]
    if not is_started:
        time.sleep_ms(RESTART_MS)  # type: ignore[attr-defined]
    machine.reset()


def start_any() -> bool:
    """Run the image of the slot whose turn it is until it ends; return whether there was one."""
    with open("/wiring.json") as file:
        tables = json.load(file)["slots"]
    slots = Slots([open_flash(table) for table in tables])
    number = slots.choose()
    if number is None:
        print("no slot holds a whole image: flash this board anew")
        return False
    slot = slots.both[number]
    guard = _guard(slot)
    start(slot, number)
    del guard
    return True


def start(slot: Slot, number: int) -> None:
    """Mount the image of a slot and run it until it ends."""
    vfs.mount(_files(slot), MOUNT, readonly=True)
    sys.path.remove("/boot")
    sys.path.insert(0, MOUNT)
    # The image brings its own modules of these names.
    for name in list(sys.modules):
        if name.split(".")[0] in ("agent", "protocols"):
            del sys.modules[name]
    __import__("agent.start")
    sys.modules["agent.start"].main(number)


def _files(slot: Slot) -> "Any":
    """Return the file system of a slot's image.

    Where flash is memory and the firmware knows ROMFS its code runs where it lies, and takes half
    the heap; else the same image is read file by file.
    """
    manifest = slot.manifest()
    memory = None if manifest is None else slot.image_memory(manifest.size)
    if memory is not None and hasattr(vfs, "VfsRom"):
        return vfs.VfsRom(memory)
    return SlotFiles(slot)


def _guard(slot: Slot) -> "Any":
    """Return a timer that ends a trial; keep it for as long as it shall run."""
    if not slot.is_on_trial():
        return None
    try:
        timer = machine.Timer(-1)
    except ValueError:  # the ESP32 port has no virtual timers
        timer = machine.Timer(0)

    def end(_: "Any") -> None:
        if slot.reject():
            machine.reset()

    timer.init(period=TRIAL_MS, mode=machine.Timer.ONE_SHOT, callback=end)
    return timer


main()

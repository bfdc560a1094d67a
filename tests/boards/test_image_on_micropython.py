"""The boot file and a built image on the real MicroPython interpreter.

The slots lie in files, which are read, or in memory as on an RP2, where code runs in place.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.slots import ARMED, HEALTHY, TRIAL, Slots
from boards.build import build
from boards.image import boot_files
from boards.profiles import make_config
from protocols.archive import pack
from protocols.manifest import CHUNK_SIZE
from simulators.storage import SimFlash
from tests.protocols.release_key import MODULUS, release
from tests.real_parts import REPOSITORY, need

SECTORS = 32
# What `machine` does for the boot file; the agent's own start stands in an image of the test.
MACHINE = """
class Reset(BaseException):
    pass

class Timer:
    ONE_SHOT = 0
    made = []

    def __init__(self, number):
        if number < 0:
            raise ValueError

    def init(self, period, mode, callback):
        Timer.made.append((period, callback))

def reset():
    raise Reset
"""
# Flash that is memory: the same files, one behind the other.
RP2 = """
class Flash(bytearray):
    def __init__(self, start, len):
        self.size = len
        with open("/a.bin" if start == 0 else "/b.bin", "rb") as file:
            super().__init__(file.read())

    def ioctl(self, command, argument):
        return {4: self.size // 4096, 5: 4096}[command]

    def readblocks(self, block, buf, offset):
        start = block * 4096 + offset
        buf[:] = memoryview(self)[start : start + len(buf)]

    def writeblocks(self, block, buf, offset):
        for index in range(len(buf)):
            self[block * 4096 + offset + index] &= buf[index]
"""
PROGRAM = """
import sys
sys.path.insert(0, "/")
import machine
try:
    exec(open("/main.py").read(), {"__name__": "__main__"})
    print("came back")
except machine.Reset:
    print("reset", [period for period, _ in machine.Timer.made])
for period, callback in machine.Timer.made:
    try:
        callback(None)
        print("found good")
    except machine.Reset:
        print("ended by the guard")
print(sorted(name for name in sys.modules if name.startswith("agent")))
"""
START = """
import vfs
from agent.note import TEXT

def main(slot):
    files = [type(files).__name__ for files, path in vfs.mount() if path == "/app"]
    print("image", TEXT, "in slot", slot, *files)
"""


def write(flashes: list[SimFlash], number: int, files: dict[str, bytes], *marks: int) -> None:
    """Put an image into a slot."""
    image = pack(files)
    slots = Slots(flashes)
    slot = slots.both[number]
    slot.begin(slots.next_generation(), release(image))
    for at in range(0, len(image), CHUNK_SIZE):
        slot.erase_chunk(at // CHUNK_SIZE)
        slot.write_image(at, image[at : at + CHUNK_SIZE])
    for mark in marks:
        slot.mark(mark)


def make_board(folder: Path, kind: str = "file") -> list[SimFlash]:
    """Make a board's file system with two empty slots of that kind of flash; return these."""
    for path, content in boot_files("pico-w").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    size = SECTORS * 4096
    tables: list[dict[str, Any]] = [
        {"kind": "rp2", "start": at * size, "size": size} for at in (0, 1)
    ]
    if kind == "file":
        tables = [{"kind": "file", "path": f"/{name}.bin", "sectors": SECTORS} for name in "ab"]
    (folder / "rp2.py").write_text(RP2)
    (folder / "wiring.json").write_text(json.dumps({"slots": tables}))
    (folder / "machine.py").write_text(MACHINE)
    (folder / "program.py").write_text(PROGRAM)
    return [SimFlash(sector_count=SECTORS) for _ in "ab"]


def run(folder: Path, flashes: list[SimFlash]) -> list[str]:
    """Run the program on the interpreter, with this flash; return what it printed."""
    for name, flash in zip("ab", flashes, strict=True):
        (folder / f"{name}.bin").write_bytes(flash.data)
    script = "tests/micropython/slot.mjs"
    command = [need("node"), script, need("micropython"), str(folder), "program.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def little(text: str, start: str = START) -> dict[str, bytes]:
    """Return the files of a small image."""
    note = f"TEXT = {text!r}\n".encode()
    return {"agent/__init__.py": b"", "agent/note.py": note, "agent/start.py": start.encode()}


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    """The files of a real agent, as bytecode that this interpreter takes."""
    return build("river-gauge", machine_code=False)


@pytest.mark.parametrize(("kind", "files"), [("file", "SlotFiles"), ("rp2", "VfsRom")])
def test_a_good_image_is_imported_from_its_slot(tmp_path: Path, kind: str, files: str) -> None:
    flashes = make_board(tmp_path, kind)
    lines = run(tmp_path, flashes)
    # It is not left at the prompt: the flash may read right the next time.
    assert lines[0].startswith("no slot holds a whole image") and lines[1] == "reset []"
    write(flashes, 0, little("old"), ARMED, TRIAL, HEALTHY)
    lines = run(tmp_path, flashes)
    assert lines == [
        f"image old in slot 0 {files}",
        "reset []",
        "['agent', 'agent.note', 'agent.start']",
    ]


def test_an_image_on_trial_is_guarded(tmp_path: Path) -> None:
    flashes = make_board(tmp_path)
    write(flashes, 0, little("old"), ARMED, TRIAL, HEALTHY)
    write(flashes, 1, little("new"), ARMED)
    assert run(tmp_path, flashes)[:3] == [
        "image new in slot 1 SlotFiles",
        "reset [120000]",
        "ended by the guard",
    ]
    write(flashes, 1, little("bad", "raise ValueError('bad')"), ARMED)
    lines = run(tmp_path, flashes)
    assert "reset [120000]" in lines and "ended by the guard" in lines
    flashes[1].program(CHUNK_SIZE + 20, b"\x00")
    assert run(tmp_path, flashes)[0] == "image old in slot 0 SlotFiles"


def test_a_flash_that_cannot_be_read_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    flashes = make_board(tmp_path, "rp2")
    broken = RP2.replace("start = block", "raise OSError(5)\n        start = block")
    (tmp_path / "rp2.py").write_text(broken)
    assert "reset []" in run(tmp_path, flashes)


# An agent without sensors, on a board without hardware, for a moment.
AGENT_START = """
import asyncio, json, os, time
from agent.hal.file_flash import FileFlash
from agent.hal.open_flash import open_flash
from agent.main import Agent
import agent.main

class Clock:
    def now_us(self):
        return time.ticks_ms() * 1000

class Board:
    clock = Clock()
    reset_cause = "power_on"

    def flash(self):
        return FileFlash("/log.bin", sector_count=16)

    def slots(self):
        return [open_flash(table) for table in json.load(open("/wiring.json"))["slots"]]

    def random(self, size):
        return os.urandom(size)

    def watchdog(self):
        return None

    def network(self, wifi):
        return None

    async def connect(self, host, port):
        raise OSError(111)

def main(slot):
    made = Agent(Board(), json.load(open("/config.json")), echo=False, slot=slot)

    async def live():
        task = asyncio.create_task(made.run())
        await asyncio.sleep(0.3)
        made.stop()
        await task

        print(agent.main.__file__, made.statistics()["update"]["version"], made.boot)

    global job
    job = live()  # this interpreter has no asyncio.run: the program below awaits it
"""


@pytest.mark.parametrize("kind", ["file", "rp2"])
def test_a_real_agent_runs_from_a_slot(tmp_path: Path, built: dict[str, bytes], kind: str) -> None:
    flashes = make_board(tmp_path, kind)
    config = make_config("river-gauge", "river-1", "11" * 32, host="127.0.0.1", port=1)
    more = {"sensors": [], "policy": {"normal": {}}, "update_key": MODULUS.hex()}
    (tmp_path / "config.json").write_text(json.dumps({**config, **more}))
    files = {name: content for name, content in built.items() if name != "agent/start.mpy"}
    write(flashes, 0, {**files, "agent/start.py": AGENT_START.encode()}, ARMED, TRIAL, HEALTHY)
    program = PROGRAM + "await sys.modules['agent.start'].job\n"
    (tmp_path / "program.py").write_text(program)
    lines = run(tmp_path, flashes)
    assert lines[0] == "reset []" and lines[-1] == "/app/agent/main.mpy 0.2.0 1", lines

"""A whole agent from a built image obeys a hub, alone and in safe mode, on a real MicroPython.

The hub's end of the wire is in the same interpreter, from the sources, under another name: the
image lacks it.
"""

import json
from pathlib import Path

from agent.slots import ARMED, HEALTHY, TRIAL
from boards.build import build
from boards.profiles import make_config
from protocols.archive import pack
from protocols.manifest import encode_manifest
from tests.boards.test_image_on_micropython import PROGRAM, little, make_board, run, write
from tests.protocols.release_key import MODULUS, signed
from tests.real_parts import REPOSITORY

SECRET = "11" * 32
START = """
import asyncio, json, time
from agent.hal.file_flash import FileFlash
from agent.hal.open_flash import open_flash
from agent.main import Agent
from hubside import messages
from hubside.batch import read_record_head
from hubside.cose import DeviceKeys
from hubside.framing import Splitter, prefixed
from hubside.session import HubSession

with open("/orders.json") as file:
    ORDERS = json.load(file)
with open("/new.bin", "rb") as file:
    IMAGE = file.read()


class Half:
    def __init__(self):
        self.data = b""
        self.is_over = False
        self.news = asyncio.Event()

    async def read(self, size):
        while not self.data and not self.is_over:
            self.news.clear()
            await self.news.wait()
        data, self.data = self.data[:size], self.data[size:]
        return data

    def put(self, data, is_over=False):
        self.data += data
        self.is_over = self.is_over or is_over
        self.news.set()


class Stream:
    def __init__(self, here, there):
        self.read = here.read
        self.write = there.put
        self.halves = (here, there)

    async def drain(self):
        pass

    def close(self):
        for half in self.halves:
            half.put(b"", True)


class Hub:
    def __init__(self, stream, orders):
        self.stream = stream
        self.orders = orders
        self.is_over = False
        self.session = HubSession(DeviceKeys("river-1", bytes([17] * 32)), bytes(8), 0)

    async def serve(self):
        splitter = Splitter()
        while True:
            data = await self.stream.read(2048)
            if not data:
                return
            for frame in splitter.feed(data):
                self.take(*self.session.receive(frame, 0)[0])
            for frame in self.session.take_output():
                self.stream.write(prefixed(frame))
            if self.is_over:
                self.stream.close()

    def take(self, kind, fields):
        if kind < 16:
            _, boot, index = read_record_head(fields)[:3]
            self.session.send(messages.ACK, {"durable": [[boot, index, index + 1]]})
        elif kind == messages.HELLO:
            print("hello", fields["reset_cause"], fields["policy"])
            self.session.welcome({"mode": 0, "drill": False, "durable": []}, 0)
        elif kind == messages.RESULT:
            print("result", fields["id"], fields["status"], *fields["detail"].split())
            if fields["id"] != 4 or fields["status"]:
                self.order()
        elif kind == messages.WANT and fields["offset"] < len(IMAGE):
            at = fields["offset"]
            piece = {"id": fields["id"], "offset": at, "data": IMAGE[at : at + 1024]}
            self.session.send(messages.PIECE, piece)
        else:
            self.order()

    def order(self):
        if not self.orders:
            return
        code, arguments = self.orders.pop(0)
        if not code:  # hang up
            self.is_over = True
            return
        if code == 4:
            arguments = [bytes.fromhex(arguments[0])]
        order = {"id": code, "code": code, "arguments": arguments}
        self.session.send(messages.COMMAND, order)


class Board:
    reset_cause = "watchdog"
    later_us = 0
    drawn = 0
    pins = {}
    orders = None

    def __init__(self):
        self.clock = self
        self.log = FileFlash("/log.bin", sector_count=32)

    def now_us(self):
        return time.ticks_ms() * 1000 + Board.later_us

    def flash(self):
        return self.log

    def slots(self):
        return [open_flash(table) for table in json.load(open("/wiring.json"))["slots"]]

    def random(self, size):
        Board.drawn += 1
        return bytes([Board.drawn & 255] * size)

    def watchdog(self):
        return None

    def network(self, wifi):
        return None

    def pin(self, number, mode, pull):
        return Pin(number)

    def uart(self, number, baudrate):
        return self

    def read_into(self, buf):
        buf[:4] = b"\\xff\\x03\\xe8\\xea"
        return 4

    def reset(self):
        print("restart")

    async def connect(self, host, port):
        if Board.orders is None:
            raise OSError(111)
        here, there = Half(), Half()
        hub = Hub(Stream(here, there), Board.orders)
        Board.orders = None
        self.job = asyncio.create_task(hub.serve())
        return Stream(there, here)


class Pin:
    def __init__(self, number):
        self.number = number

    def set(self, level):
        if Board.pins.get(self.number, 0) != level:
            print("pin", self.number, level)
        Board.pins[self.number] = level


async def until(is_so):
    for _ in range(400):
        if is_so():
            return
        await asyncio.sleep(0.01)
    print("never")


def make(slot):
    return Agent(Board(), json.load(open("/config.json")), echo=False, slot=slot)


def main(slot):
    async def live():
        made = make(slot)
        task = asyncio.create_task(made.run())
        Board.orders = ORDERS[0]
        await until(lambda: Board.pins.get(6))
        await asyncio.sleep(0.3)
        Board.later_us += 60_000_000
        await until(lambda: Board.pins.get(5))
        Board.orders = ORDERS[1]
        await until(task.done)
        for _ in range(5):
            make(slot)
        made = make(slot)
        task = asyncio.create_task(made.run())
        Board.orders = ORDERS[2]
        await until(task.done)
        print("safe", made.statistics()["safe_mode"])

    global job
    job = live()
"""

LINES = """
hello software; slot 0 0
result 6 0
result 3 0
result 1 0
pin 5 1
result 7 0
pin 5 0
result 7 0
pin 6 1
result 2 0
pin 6 0
pin 5 1
hello software; slot 0 9
result 4 0
result 5 0
pin 5 0
restart
hello watchdog; slot 0; safe mode 9
result 8 0
restart
safe True
""".strip().split("\n")


def test_an_agent_of_an_image_obeys_its_hub(tmp_path: Path) -> None:
    flashes = make_board(tmp_path)
    config = make_config("river-gauge", "river-1", SECRET, host="127.0.0.1", port=1)
    config |= {
        "update_key": MODULUS.hex(),
        "alone_after_ms": 30_000,
        "led_pin": 6,
        "outputs": [{"name": "siren", "pin": 5}],
    }
    config["sensors"][0]["own_rule"] |= {"output": "siren"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    files = build("river-gauge", machine_code=False)
    del files["agent/start.mpy"]
    write(flashes, 0, {**files, "agent/start.py": START.encode()}, ARMED, TRIAL, HEALTHY)
    new = pack(little("new" * 2000))
    (tmp_path / "new.bin").write_bytes(new)
    manifest = signed(encode_manifest((["pico-w"], []), "0.3.0", 3, new))
    orders = [
        # Policy: each 100 ms the newest echo; then mode, self-test, siren on and off, identify.
        [
            [6, [9, [[0, "a02yyuw", [[4, 200], [5, 100], [7, 0]]]]]],
            [3, []],
            [1, [1, False]],
            [7, ["siren", 1000, False]],
            [7, ["siren", 0, False]],
            [2, []],
            [0, []],
        ],
        [[4, [manifest.hex()]], [5, []]],
        [[8, []]],
    ]
    (tmp_path / "orders.json").write_text(json.dumps(orders))
    for path in (REPOSITORY / "protocols").glob("*.py"):
        text = path.read_text().replace("from protocols", "from hubside")
        (tmp_path / "hubside").mkdir(exist_ok=True)
        (tmp_path / "hubside" / path.name).write_text(text)
    program = PROGRAM + "await sys.modules['agent.start'].job\n"
    (tmp_path / "program.py").write_text(program)
    assert run(tmp_path, flashes)[2:] == LINES

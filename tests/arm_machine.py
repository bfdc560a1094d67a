"""Runs the machine code in a .mpy file on an emulated Cortex-M0+, and counts its instructions.

    module = ArmModule(mpy_bytes)
    result, instructions = module.call("pack_column", values, out, job)

The format is that of MicroPython's persistent code, version 6.3 (docs: "MicroPython .mpy files").
Of the interpreter such functions need four entries of its function table: the conversion of
arguments and result (here both stay as they are), and division of integers. Any other call fails.
"""

import struct
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import unicorn
from unicorn import arm_const as arm

CODE = 0x0001_0000
DATA = 0x0020_0000
STACK = 0x0040_0000
TRAPS = 0x0060_0000
REGION_SIZE = 0x0010_0000
TRAPS_COUNT = 96
OBJECTS_MAX = 256  # of a module: constants, and the function table among them
RETURN_TO = TRAPS + 4 * TRAPS_COUNT

# Entries of the function table that machine code of integers calls.
FROM_OBJECT = 3
TO_OBJECT = 4
FLOOR_DIVIDE = 46
MODULO = 47
# Instructions that the interpreter itself spends on each call, where it is more than one.
DIVISION_INSTRUCTIONS = 40
CONVERSION_INSTRUCTIONS = 30

KIND_VIPER = 2


class Code(NamedTuple):
    """One function's code: bytecode (kind 0) or machine code, with the functions inside of it."""

    kind: int
    data: bytes
    inner: "list[Code]"


class MpyReader:
    """Reads a .mpy file: names and code, nothing else."""

    def __init__(self, data: bytes) -> None:
        assert data[:2] == b"M\x06", "not a .mpy file of version 6"
        self._data = data
        self._at = 4
        names_count, objects_count = self._number(), self._number()
        self.names = [self._name() for _ in range(names_count)]
        for _ in range(objects_count):
            self._skip_object()
        self.outer = self._code()
        assert self._at == len(data)

    def _number(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _name(self) -> str:
        size = self._number()
        return "" if size & 1 else self._take((size >> 1) + 1)[:-1].decode()

    def _skip_object(self) -> None:
        kind = self._take(1)[0]
        if kind == 10:  # a tuple
            for _ in range(self._number()):
                self._skip_object()
        elif kind >= 5:  # text and bytes end with a zero; numbers are written out
            self._take(self._number() + (kind <= 6))

    def _code(self) -> Code:
        number = self._number()
        kind = number & 3
        data = self._take(number >> 3)
        if kind == KIND_VIPER:
            assert not self._number() & 0x70, "code with data or relocations of its own"
        inner = [self._code() for _ in range(self._number())] if number & 4 else []
        return Code(kind, data, inner)


class ArmModule:
    """The machine code functions of one .mpy file, by name.

    names: of all that the module defines with def, class or lambda, in this order.
    """

    def __init__(self, mpy: bytes, names: list[str]) -> None:
        inner = MpyReader(mpy).outer.inner
        assert len(inner) == len(names), (len(inner), names)
        self.functions = {
            name: code.data
            for name, code in zip(names, inner, strict=True)
            if code.kind == KIND_VIPER
        }

    def call(self, name: str, *arguments: Any) -> tuple[int, int]:
        """Return (result, instructions executed); buffers among the arguments are changed."""
        return _Machine(self.functions[name]).call(arguments)


class _Machine:
    """One call: registers and memory anew."""

    def __init__(self, code: bytes) -> None:
        self.instructions = 0
        make: Any = vars(unicorn)["Uc"]  # it has no types
        engine = make(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._engine = engine
        for base in (CODE, DATA, STACK, TRAPS):
            engine.mem_map(base, REGION_SIZE)
        engine.mem_write(CODE, code)
        # Every entry of the function table is the address of a `bx lr` of its own.
        engine.mem_write(TRAPS, struct.pack("<HH", 0x4770, 0xBF00) * (TRAPS_COUNT + 1))
        self._free = DATA
        table = self._place(struct.pack(f"<{TRAPS_COUNT}I", *_trap_addresses()))
        objects = self._place(struct.pack("<I", table) * OBJECTS_MAX)
        context = self._place(struct.pack("<I", objects) * 8)
        self._function = self._place(struct.pack("<II", 0, context))
        engine.hook_add(unicorn.UC_HOOK_CODE, self._count)

    def call(self, arguments: tuple[Any, ...]) -> tuple[int, int]:
        engine = self._engine
        placed = [self._argument(argument) for argument in arguments]
        words = [argument & 0xFFFFFFFF for argument in placed]
        at = self._place(struct.pack(f"<{len(words)}I", *words))
        # (function object, count of arguments, of keywords, arguments)
        for register, value in (
            (arm.UC_ARM_REG_R0, self._function),
            (arm.UC_ARM_REG_R1, len(words)),
            (arm.UC_ARM_REG_R2, 0),
            (arm.UC_ARM_REG_R3, at),
            (arm.UC_ARM_REG_SP, STACK + REGION_SIZE - 64),
            (arm.UC_ARM_REG_LR, RETURN_TO | 1),
        ):
            engine.reg_write(register, value)
        engine.emu_start(CODE | 1, RETURN_TO, 0, 50_000_000)
        assert engine.reg_read(arm.UC_ARM_REG_PC) == RETURN_TO, "did not return"
        for argument, address in zip(arguments, placed, strict=True):
            if isinstance(argument, bytearray | array):
                view = memoryview(argument).cast("B")
                view[:] = engine.mem_read(address, len(view))
        return _signed(engine.reg_read(arm.UC_ARM_REG_R0)), self.instructions

    def _argument(self, argument: Any) -> int:
        return argument if isinstance(argument, int) else self._place(bytes(argument))

    def _place(self, data: bytes) -> int:
        at = self._free
        self._free = (at + len(data) + 7) & ~7
        self._engine.mem_write(at, data)
        return at

    def _count(self, engine: Any, address: int, size: int, user: Any) -> None:
        self.instructions += 1
        if TRAPS <= address < RETURN_TO:
            self._serve((address - TRAPS) // 4)

    def _serve(self, entry: int) -> None:
        engine = self._engine
        if entry in (FROM_OBJECT, TO_OBJECT):
            self.instructions += CONVERSION_INSTRUCTIONS
            return
        left, right = (_signed(engine.reg_read(arm.UC_ARM_REG_R0 + index)) for index in range(2))
        assert entry in (FLOOR_DIVIDE, MODULO) and right, f"entry {entry} of the function table"
        self.instructions += DIVISION_INSTRUCTIONS
        result = left // right if entry == FLOOR_DIVIDE else left % right
        engine.reg_write(arm.UC_ARM_REG_R0, result & 0xFFFFFFFF)


def _trap_addresses() -> Iterator[int]:
    return (TRAPS + 4 * entry | 1 for entry in range(TRAPS_COUNT))


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word

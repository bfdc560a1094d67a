"""What goes wrong in a world, drawn from its chance: one row for each kind of fault.

Every fault that lasts ends by itself; `mend_all` ends them at once.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.faults import disk
from tests.world.platform import REFUSED, SWALLOWED, WORKS
from tests.world.virtual_time import UTC_OFFSET_US

if TYPE_CHECKING:
    from tests.world.world import World

HOUR_US = 3_600_000_000
OPERATIONS_MAX = 60  # on the hub's disk, until it dies
FLASH_BYTES_MAX = 3000  # of a device, until its power goes
JUMPS_US = (HOUR_US, -HOUR_US, -1_700_000_000_000_000, 365 * 24 * HOUR_US)


def cut_device(world: "World", chance: random.Random) -> str:
    """A device's connection ends in one of three ways."""
    name = world.any_device(chance)
    how = chance.choice(("cut", "left", "swallowed"))
    world.network.lose(name, how)
    return f"{how} {name}"


def lose_line_of_device(world: "World", chance: random.Random) -> str:
    """A device cannot reach the hub for a while."""
    name = world.any_device(chance)
    group = chance.choice((world.network.refuses, world.network.swallows))
    group.add(name)
    world.network.lose(name, "cut" if group is world.network.refuses else "swallowed")
    world.later(chance.uniform(1, 120), group.discard, name)
    return name


def repeat_or_slow(world: "World", chance: random.Random) -> str:
    """A device's wire says every record twice, or its next connections are slow, for a while."""
    name = world.any_device(chance)
    group = chance.choice((world.network.repeats, world.network.slow))
    group.add(name)
    world.network.lose(name, "left")
    world.later(chance.uniform(5, 60), group.discard, name)
    return name


def cut_power_of_device(world: "World", chance: random.Random) -> str:
    """A device loses its power, mostly in the middle of a byte of its flash."""
    name = world.any_device(chance)
    at = chance.randrange(FLASH_BYTES_MAX) if chance.random() < 0.8 else -1
    world.devices[name].power_cut(at)
    return f"{name} {at}"


def kill_hub(world: "World", chance: random.Random) -> str:
    """The hub is killed at an operation on its disk."""
    at = chance.randrange(1, OPERATIONS_MAX)
    world.hub.die_after(at, False)
    return str(at)


def cut_power_of_hub(world: "World", chance: random.Random) -> str:
    """The hub's machine loses power at an operation on its disk."""
    at = chance.randrange(1, OPERATIONS_MAX)
    world.hub.die_after(at, True)
    return str(at)


def stop_hub(world: "World", chance: random.Random) -> str:
    """The hub is told to stop, and started again."""
    world.spawn(world.hub.stop())
    return ""


def fail_disk(world: "World", chance: random.Random) -> str:
    """The hub's disk is full, or fails to write or to sync, for a while."""
    how = chance.choice((disk.FULL, disk.WRITE_FAILS, disk.SYNC_FAILS))
    world.hub.disk.fail(how)
    world.later(chance.uniform(0.5, 40), world.hub.disk.fail, world.hub.disk_mended)
    return str(how)


def lose_platform(world: "World", chance: random.Random) -> str:
    """The line to the platform is gone for a while, or only the connection."""
    line = chance.choice((WORKS, REFUSED, SWALLOWED))
    world.set_platform(line)
    world.later(chance.uniform(1, 300), world.set_platform, WORKS)
    return line


def refuse_messages(world: "World", chance: random.Random) -> str:
    """The platform refuses some messages, as one whose quota is used up."""
    world.platform.refuses_next = count = chance.randrange(1, 4)
    return str(count)


def jump_clock(world: "World", chance: random.Random) -> str:
    """Somebody sets the hub's wall clock."""
    jump_us = chance.choice(JUMPS_US)
    world.clock.utc_offset_us += jump_us
    world.later(chance.uniform(10, 600), mend_clock, world)
    return str(jump_us)


def mend_clock(world: "World") -> None:
    """Somebody sets it right."""
    world.clock.utc_offset_us = UTC_OFFSET_US


Fault = Callable[["World", random.Random], str]
FAULTS: tuple[tuple[int, Fault], ...] = (
    (6, cut_device),
    (4, lose_line_of_device),
    (3, repeat_or_slow),
    (4, cut_power_of_device),
    (2, kill_hub),
    (3, cut_power_of_hub),
    (1, stop_hub),
    (2, fail_disk),
    (4, lose_platform),
    (1, refuse_messages),
    (1, jump_clock),
)


def strike(world: "World", chance: random.Random) -> None:
    """Let one thing go wrong."""
    (fault,) = chance.choices([row[1] for row in FAULTS], [row[0] for row in FAULTS])
    world.trace.note("fault", fault.__name__, fault(world, chance))
    world.faults[fault.__name__] += 1


def mend_all(world: "World") -> None:
    """End every fault."""
    world.hub.disk.fail(world.hub.disk_mended)
    for group in ("refuses", "swallows", "repeats", "slow"):
        getattr(world.network, group).clear()
    for device in world.devices.values():
        device.body.cut_after(-1)
    world.platform.refuses_next = 0
    if world.platform.line != WORKS:
        world.set_platform(WORKS)
    mend_clock(world)

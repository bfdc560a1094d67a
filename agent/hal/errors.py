"""The errno of an OSError from a bus, as MicroPython raises them; the same for every body."""

from protocols.portable import const

ENODEV = const(19)  # nobody acknowledged
ETIMEDOUT = const(110)  # the bus is held low

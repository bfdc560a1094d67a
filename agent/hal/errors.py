"""The errno of an OSError from the port, as MicroPython raises them; the same for every body."""

from protocols.portable import const

ENODEV = const(19)  # nobody acknowledged
ETIMEDOUT = const(110)  # the bus is held low
EINVAL = const(22)  # asked for what this board must not do

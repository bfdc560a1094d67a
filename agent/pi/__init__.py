"""A Raspberry Pi as a device: what an agent needs around it on Linux. CPython only."""

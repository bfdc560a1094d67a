"""A deterministic world: devices, network, hub, disk and platform in one process, from one seed.

    python -m tests.world --seed 7 --hours 2 --devices 12

Time is virtual: it jumps to the next timer. Real are the hub (all of hub.main.Hub: ingest, SQLite
store, relay queue, uplink logic, rules) with its TCP link's code, and of the devices the flash
log, the sealer, the session, the uplink and the TCP framing; some devices are whole agents on
models of chips. Models are the wires (tests/world/network.py), the sensors of the light devices,
the MQTT client with the platform behind it, the flash chips (simulators.storage) and the machine's
disk (tests/faults). An observer outside of them all checks DESIGN section 3 as it happens.
"""

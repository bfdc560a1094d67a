"""The words of the design as the numbers that cross the wire."""

from protocols.portable import const

# Lanes: how urgent (0 goes first).
LANE_ALERT = const(0)
LANE_LIFE = const(1)
LANE_STATE = const(2)
LANE_WAVE = const(3)
LANES = (LANE_ALERT, LANE_LIFE, LANE_STATE, LANE_WAVE)
LANE_NAMES = ("alert", "life", "state", "wave")

# Modes of operation; each may also be a drill.
MODE_NORMAL = const(0)
MODE_WATCH = const(1)
MODE_DISASTER = const(2)
MODE_NAMES = ("normal", "watch", "disaster")

# Kinds of payload. Below 16: records that are stored and relayed. From 16: session messages.
KIND_BATCH = const(1)
KIND_GAP = const(2)
KIND_CLOCK = const(3)
KIND_MODE = const(4)
KIND_NOTICE = const(5)
KIND_SUMMARY = const(6)
KIND_SESSION_FIRST = const(16)
RECORD_NAMES = {
    KIND_BATCH: "batch",
    KIND_GAP: "gap",
    KIND_CLOCK: "clock",
    KIND_MODE: "mode",
    KIND_NOTICE: "notice",
    KIND_SUMMARY: "summary",
}

# What a notice says of what lasts.
NOTICE_ONCE = const(0)  # it is of nothing that lasts; no such byte is sent
NOTICE_BEGIN = const(1)
NOTICE_CHANGE = const(2)
NOTICE_OVER = const(3)
NOTICE_NAMES = ("once", "begin", "change", "over")

# Why readings are known lost.
GAP_FLASH_FULL = const(1)
GAP_DISK_FULL = const(2)
GAP_SENSOR_OVERFLOW = const(3)
GAP_SENSOR_FAULT = const(4)
GAP_POWER_LOSS = const(5)
GAP_FLASH_DAMAGED = const(6)
GAP_THINNED = const(7)
GAP_DEAD_LETTER = const(8)
GAP_STORE_DAMAGED = const(9)
GAP_NAMES = {
    GAP_FLASH_FULL: "flash full",
    GAP_DISK_FULL: "disk full",
    GAP_SENSOR_OVERFLOW: "sensor overflow",
    GAP_SENSOR_FAULT: "sensor fault",
    GAP_POWER_LOSS: "power loss",
    GAP_FLASH_DAMAGED: "flash damaged",
    GAP_THINNED: "thinned",
    GAP_DEAD_LETTER: "dead letter",
    GAP_STORE_DAMAGED: "store damaged",
}

# How good the hub's UTC was when it made a clock record; a better one goes before a newer one.
UTC_IMPLAUSIBLE = const(0)  # before this program was made, or before a UTC that was known before
UTC_UNSYNCHRONISED = const(1)  # plausible, but no time source answers for it
UTC_SYNCHRONISED = const(2)
UTC_QUALITY_NAMES = ("implausible", "unsynchronised", "synchronised")

# Commands of the hub to a device, and how the device answers.
COMMAND_MODE = const(1)
COMMAND_IDENTIFY = const(2)
COMMAND_SELF_TEST = const(3)
COMMAND_UPDATE = const(4)  # [signed manifest]: fetch this image; again after each new session
COMMAND_SWITCH = const(5)  # []: verify the image that was fetched, and restart with it
# [version, [[mode, sensor or driver, [[number of POLICY_FIELDS, value], ..]], ..]]: what the hub
# wants of the sensors of this kind of device, over the device's own configuration.
COMMAND_POLICY = const(6)
# [output, hold_ms, drill]: switch an output on for so long, 0: off. Nothing moves in a drill.
COMMAND_ACTUATE = const(7)
COMMAND_RESTART = const(8)  # []: end this boot in good order; out of safe mode too
COMMAND_NAMES = {
    COMMAND_MODE: "mode",
    COMMAND_IDENTIFY: "identify",
    COMMAND_SELF_TEST: "self-test",
    COMMAND_UPDATE: "update",
    COMMAND_SWITCH: "switch",
    COMMAND_POLICY: "policy",
    COMMAND_ACTUATE: "actuate",
    COMMAND_RESTART: "restart",
}
# Of a row of the command policy, in the order of their numbers: POLICY_ROWS of the agent says what
# each may be.
POLICY_FIELDS = (
    "on",
    "waveform",
    "features",
    "lane",
    "report_ms",
    "every_ms",
    "rate_mhz",
    "window_ms",
    "trigger_raw",
)
RESULT_DONE = const(0)
RESULT_FAILED = const(1)
RESULT_UNKNOWN = const(2)
RESULT_PACKAGE = const(3)  # of an update: this device is updated by its own package
RESULT_DRILL = const(4)  # of an actuator: understood, and not done because it is a drill

# Why the hub says good-bye.
BYE_SUPERSEDED = const(1)
BYE_STOPPING = const(2)
BYE_OVERLOADED = const(3)
BYE_PROTOCOL = const(4)

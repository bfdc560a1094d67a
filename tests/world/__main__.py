"""Play worlds: `python -m tests.world --seed 7 --hours 2 --devices 12`. Exit code 1: one broke."""

import argparse
import json
import logging
import sys
import traceback
from pathlib import Path

from tests.faults.disk import run_again_with_disk
from tests.world.breaks import BY_NAME
from tests.world.world import Plan, World


def main() -> int:
    """Play it and print its report as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=1, help="this seed and so many in all")
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--devices", type=int, default=6)
    parser.add_argument(
        "--every", type=float, default=10.0, help="seconds between a device's frames"
    )
    parser.add_argument("--fault", type=float, default=15.0, help="seconds between faults")
    parser.add_argument("--size", type=int, default=64, help="MiB of the hub's store")
    parser.add_argument("--exchange", type=int, default=10, help="seconds between time exchanges")
    parser.add_argument("--sectors", type=int, default=12, help="of a light device's flash")
    parser.add_argument("--outage", action="store_true", help="no platform until the end")
    parser.add_argument("--break", dest="broken", choices=sorted(BY_NAME), default="",
                        help="play a hub that breaks a promise")  # fmt: skip
    parser.add_argument("--progress", action="store_true", help="say on stderr how far it is")
    parser.add_argument("--trace", type=Path, help="write every event to this file")
    given = parser.parse_args()
    logging.lastResort = None  # what goes wrong here is meant to; what must not, World hears of
    for seed in range(given.seed, given.seed + given.worlds):
        plan = Plan(seed, given.hours, given.devices, given.every, given.fault, given.outage,
                    given.size, given.exchange, given.broken, given.sectors)  # fmt: skip
        world = World(plan, keep_trace=given.trace is not None)
        if given.progress:
            world.on_progress = lambda share: print(f"{share:.2%}", file=sys.stderr, flush=True)
        try:
            print(json.dumps(world.run()), flush=True)
        except BaseException:
            traceback.print_exc()
            print(f"it broke; again: {plan.command()}", file=sys.stderr)
            return 1
        finally:
            if given.trace is not None:
                given.trace.write_text("\n".join(world.trace.lines or ()) + "\n")
    return 0


if __name__ == "__main__":
    run_again_with_disk("tests.world")
    sys.exit(main())

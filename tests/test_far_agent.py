"""The agent of each profile makes the same frames on a real MicroPython as here, bit for bit."""

from pathlib import Path

import pytest

from boards.build import build
from boards.profiles import device_profiles
from protocols.archive import pack
from protocols.batch import decode_batch, read_record_head
from protocols.cose import DeviceKeys
from protocols.vocabulary import KIND_BATCH
from tests.far_agent import SECOND_US, FarSide, NearSide, World, play, run_until

# Long enough for several reports, or for one of ten minutes.
SECONDS = {"bridge-node": 13, "slope-node": 130, "river-gauge": 615, "home-node": 10}


@pytest.fixture
def sources(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the compiled modules of a profile, as a board holds them."""
    for target, data in build(request.param, machine_code=False).items():
        path = tmp_path / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(
    ("profile", "sources"), [(name, name) for name in device_profiles()], indirect=["sources"]
)
def test_both_interpreters_make_the_same_frames(
    profile: str, sources: Path, tmp_path: Path
) -> None:
    until_us = (7 + SECONDS.get(profile, 60)) * SECOND_US
    near = play(NearSide(World(profile, 1), str(tmp_path / "log.bin")), until_us)
    assert play(FarSide(World(profile, 1), str(sources)), until_us) == near
    keys = DeviceKeys("device-1", bytes.fromhex("5a" * 32))
    payloads = [keys.up.open(bytes.fromhex(frame)) for frame in near]
    batches = [
        decode_batch(payload, keys.seal_key)
        for payload in payloads
        if read_record_head(payload)[0] == KIND_BATCH
    ]
    assert batches and all(batch.readings_count() for batch in batches)


def test_another_seed_makes_other_frames(tmp_path: Path) -> None:
    made = [
        play(NearSide(World("bridge-node", seed), str(tmp_path / f"{seed}.bin")), 15 * SECOND_US)
        for seed in (1, 2)
    ]
    assert made[0] != made[1]


def test_the_largest_profile_runs_in_place_within_its_heap(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(pack(build("bridge-node", machine_code=False)))
    side = FarSide(World("bridge-node", 1), str(image))
    try:
        assert run_until(side, 12 * SECOND_US)
        # The table of names doubles, by 9 KiB, where an image has some fifty names more.
        assert side.heap() <= 90 * 1024
    finally:
        side.close()

"""The measuring tools themselves: what they count must be what was sent."""

import json
from pathlib import Path

from protocols.bundle import Bundle, encode_bundle
from protocols.framing import Splitter
from tests.bench import mqtt_wire
from tests.bench.figures import Figures
from tests.bench.frames import identity_of, sealed_stream
from tests.bench.subscriber import _frames_count, _sorted_out


def test_a_sealed_stream_holds_the_frames_it_tells_and_each_is_of_the_size_asked_for() -> None:
    stream = sealed_stream(3, 2, 300)
    frames = Splitter().feed(bytes(stream.blob))
    assert [identity_of(frame)[1:] for frame in frames] == [(2, index) for index in range(300)]
    assert len(stream.ends) == 300 and stream.ends[-1] == len(stream.blob)
    assert all(b"bench-3" in identity_of(frame)[0] for frame in frames)
    assert all(440 <= len(frame) <= 490 for frame in frames)


def test_publishes_are_found_however_the_stream_is_cut() -> None:
    payloads = [b"", b"x" * 100, b"y" * 300, b"z" * 20_000]
    stream = b"".join(
        mqtt_wire.packet(0x30, mqtt_wire.text("a/b") + payload) for payload in payloads
    )
    for step in (1, 2, 3, 127, 16_384):
        buffer, found = bytearray(), []
        for at in range(0, len(stream), step):
            buffer += stream[at : at + step]
            found += mqtt_wire.take_publishes(buffer)
        assert found == payloads and not buffer


def test_an_arrival_counts_once_and_a_repeated_one_is_told() -> None:
    stream = sealed_stream(1, 1, 40)
    bundle = encode_bundle(Bundle("hub", (2, 7), False, count=40, blob=bytes(stream.blob)))
    assert _frames_count(bundle) == 40
    arrivals = _sorted_out([(1.0, bundle), (2.0, bundle)], b"bench-1", 2.0)
    assert len(arrivals.arrived_s) == 40 and arrivals.repeated == 40
    assert (arrivals.first_s, arrivals.last_s) == (1.0, 1.0)


def test_a_figure_is_the_median_of_its_runs_and_other_parts_stay(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    agent, hub = Figures(), Figures()
    agent.add("agent.us_per_wave_sample", 2, "us")
    agent.write(path)
    for value in (30, 10, 20):
        hub.add("hub.frames_per_s", value, "frames/s")
    hub.write(path)
    rows = json.loads(path.read_text())
    assert rows["hub.frames_per_s"] == {
        "value": 20,
        "unit": "frames/s",
        "runs": 3,
        "min": 10,
        "max": 30,
    }
    assert rows["agent.us_per_wave_sample"]["value"] == 2

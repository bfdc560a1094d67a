"""The line between two programs, with real sockets; and the pipe, byte by byte."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from simulators.network import BLACKHOLE, DOWN, NOISE, RESET, UP, Line, Pipe
from tests.simulators.platform_process import WAIT_S, running

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echo_behind_line(**options: int) -> AsyncIterator[Line]:
    """Run a line in front of a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Line("127.0.0.1", port, **options) as line:
        yield line
    await asyncio.sleep(0.01)  # the server sees its connections end


async def dial(line: Line) -> Ends:
    """Connect through the line."""
    return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", line.port), WAIT_S)


async def echoed(ends: Ends, data: bytes) -> bytes:
    """Send data and return as many bytes as come back."""
    reader, writer = ends
    writer.write(data)
    await writer.drain()
    return await asyncio.wait_for(reader.readexactly(len(data)), WAIT_S)


async def is_silent(ends: Ends, duration_s: float = 0.2) -> bool:
    """Tell whether neither a byte nor an end arrives for so long."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ends[0].read(1), duration_s)
    return True


async def test_line_carries_bytes_both_ways_and_counts_them() -> None:
    async with echo_behind_line() as line:
        ends = await dial(line)
        data = bytes(range(256)) * 4096
        sending = asyncio.ensure_future(echoed(ends, data))
        assert await sending == data
        ends[1].write_eof()
        assert await asyncio.wait_for(ends[0].read(), WAIT_S) == b""  # the end comes back as well
        ends[1].close()
        await asyncio.sleep(0.05)
        assert line.statistics() == {
            "connections": 1, "refused": 0, "spoiled": 0, "open": 0, "dead": 0,
            "bytes_up": len(data), "bytes_down": len(data),
        }  # fmt: skip


async def test_reset_breaks_connections_and_new_ones_until_restored() -> None:
    async with echo_behind_line() as line:
        ends = await dial(line)
        assert await echoed(ends, b"before") == b"before"
        line.cut(RESET)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(ends[0].read(1), WAIT_S)
        with pytest.raises(ConnectionError):
            await echoed(await dial(line), b"meanwhile")
        line.restore()
        fresh = await dial(line)
        assert await echoed(fresh, b"after") == b"after"
        assert line.statistics()["refused"] == 1
        fresh[1].close()


async def test_blackhole_is_silent_and_its_connections_stay_dead() -> None:
    async with echo_behind_line() as line:
        ends = await dial(line)
        assert await echoed(ends, b"before") == b"before"
        line.cut(BLACKHOLE)
        ends[1].write(b"into the dark")
        assert await is_silent(ends)
        connecting = asyncio.ensure_future(dial(line))
        done, _ = await asyncio.wait({connecting}, timeout=0.3)
        assert not done  # it hangs in the handshake
        line.restore()
        fresh = await connecting  # with the next SYN, about 1 s after the first
        assert await echoed(fresh, b"after") == b"after"
        ends[1].write(b"still there?")
        assert await is_silent(ends)
        assert line.statistics()["dead"] == 1
        ends[1].close()
        fresh[1].close()


async def test_line_can_be_cut_again_and_again() -> None:
    async with echo_behind_line() as line:
        for mode in (BLACKHOLE, RESET, BLACKHOLE, RESET):
            line.cut(mode)
            line.cut(RESET)  # is cut already: no change
            line.restore()
            ends = await dial(line)
            assert await echoed(ends, b"alive") == b"alive"
            ends[1].close()


async def test_refusing_target_is_a_reset() -> None:
    async with echo_behind_line() as line:
        line.target = ("127.0.0.1", 1)  # tcpmux: nobody has it
        with pytest.raises(ConnectionResetError):
            await echoed(await dial(line), b"?")


async def test_delay_is_paid_each_way() -> None:
    async with echo_behind_line(delay_ms=100) as line:
        ends = await dial(line)
        start_s = time.monotonic()
        await echoed(ends, b"ping")
        assert 0.19 < time.monotonic() - start_s < 1.0
        ends[1].close()


async def test_rate_is_that_of_the_line_whoever_shares_it() -> None:
    async with echo_behind_line(rate_bits_per_s=80_000) as line:  # 10 kB/s
        ends = [await dial(line), await dial(line)]
        start_s = time.monotonic()
        await asyncio.gather(*(echoed(one, bytes(2000)) for one in ends))
        assert 0.38 < time.monotonic() - start_s < 1.5
        line.rate_bits_per_s = 0
        assert await echoed(ends[0], bytes(100_000)) == bytes(100_000)
        for one in ends:
            one[1].close()


async def test_spoils_just_as_many_bytes_as_asked() -> None:
    async with echo_behind_line() as line:
        ends = await dial(line)
        line.corrupt_next(3)
        assert await echoed(ends, bytes(5)) == bytes((NOISE, NOISE, NOISE, 0, 0))
        line.corrupt_next(1, DOWN)
        assert await echoed(ends, bytes(2)) == bytes((NOISE, 0))
        assert line.statistics()["spoiled"] == 4
        ends[1].close()


async def test_keepalive_of_a_client_notices_a_blackhole(tmp_path: Path) -> None:
    with running(tmp_path) as platform:
        async with Line("127.0.0.1", platform.wait_ready()) as line:
            start_s = time.monotonic()
            with pytest.raises(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", line.port, keepalive=1) as client:
                    await client.publish("some/topic", b"", qos=1)
                    line.cut(BLACKHOLE)
                    async for _ in client.messages:
                        pass
            assert 1 < time.monotonic() - start_s < 6
            line.restore()
            async with aiomqtt.Client("127.0.0.1", line.port, timeout=WAIT_S) as client:
                await client.publish("some/topic", b"", qos=1)


async def test_pipe_carries_both_ways_in_chunks() -> None:
    pipe = Pipe(chunk_size=2)
    pipe.near.write(b"abc")
    await pipe.near.drain()
    assert [await pipe.far.read(10), await pipe.far.read(10)] == [b"ab", b"c"]
    reading = asyncio.ensure_future(pipe.near.read(1))
    await asyncio.sleep(0)
    pipe.far.write(b"xy")
    assert await reading == b"x"
    pipe.far.close()
    assert [await pipe.near.read(9), await pipe.near.read(9)] == [b"y", b""]
    assert (pipe.crossed(UP), pipe.crossed(DOWN)) == (3, 2)


@pytest.mark.parametrize("count", range(7))
async def test_pipe_is_cut_at_any_byte(count: int) -> None:
    pipe = Pipe()
    pipe.cut_after(count)
    for _ in range(3):
        pipe.near.write(b"ab")
    with pytest.raises(ConnectionResetError):
        await pipe.near.drain()
    arrived = await pipe.far.read(10) if count else b""
    assert arrived == b"ababab"[:count]
    for end in (pipe.near, pipe.far):
        with pytest.raises(ConnectionResetError):
            await end.read(1)


async def test_cut_of_one_way_is_a_cut_of_both() -> None:
    pipe = Pipe()
    pipe.cut_after(1, DOWN)
    pipe.near.write(b"up")
    pipe.far.write(b"down")
    pipe.near.write(b"lost")
    assert await pipe.far.read(9) == b"up"
    assert await pipe.near.read(9) == b"d"
    with pytest.raises(ConnectionResetError):
        await pipe.far.drain()


async def test_blackhole_of_a_pipe_is_silent() -> None:
    pipe = Pipe()
    pipe.near.write(b"ab")
    pipe.cut(BLACKHOLE)
    pipe.near.write(b"cd")
    await pipe.near.drain()  # nobody tells
    pipe.near.close()
    assert await pipe.far.read(9) == b"ab"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pipe.far.read(9), 0.01)

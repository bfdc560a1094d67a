"""The common platform, simulated, as a process of its own: an MQTT broker and an archive.

    python -m simulators.platform --archive DIRECTORY --keys KEYS.json [--port PORT]
    python -m simulators.platform --archive DIRECTORY --keys KEYS.json --broker HOST:PORT

The first form is the broker itself (amqtt: MQTT 3.1.1, anonymous, on loopback only); the second
subscribes to a broker elsewhere with MQTT 5. KEYS.json holds {"device name": "hex of its up key"},
the hub's own name among them. simulators/ingress.py says what it takes in. In both forms a message
is acknowledged only after its frames are archived.

Once it takes messages it prints one line of JSON, {"ready": true, "port": PORT}. SIGTERM and
SIGINT end it cleanly. Exit code: 0 ended, 1 failed, 2 wrong usage.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import paho.mqtt.client as paho
import typer
from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker, BrokerContext
from amqtt.mqtt.packet import MQTTPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BasePlugin
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from protocols.cose import Mac0
from protocols.limits import KEY_SIZE
from simulators.archive import ArchiveWriter
from simulators.ingress import Ingress

TOPIC_FILTER = "hinomi/v1/+/frames/#"
CLIENT_ID = "hinomi-platform"
KEEPALIVE_S = 10
SESSION_EXPIRY_S = 7 * 24 * 3600  # a broker elsewhere keeps our messages while we are down
RECEIVE_MAXIMUM = 64  # messages that a broker may send us ahead of our acknowledgements
RECONNECT_DELAY_S_MAX = 2
STOP_TIMEOUT_S = 3.0

Take = Callable[[str, bytes], None]


class PlatformError(Exception):
    """The platform cannot run. cause and remedy: one sentence each, for who started it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy


class UsageError(PlatformError):
    """It was started wrongly."""


class IngressPlugin(BasePlugin[BrokerContext]):  # type: ignore[misc] # amqtt has no type marker
    """Hands every message to the ingress before amqtt acknowledges it.

    amqtt acknowledges a QoS 1 message as soon as it is in its queue, and its events about messages
    come after that. The event about packets comes before: amqtt makes its task ahead of the task
    that acknowledges, tasks start in the order of their making, and `take` does not wait.
    """

    @dataclass
    class Config:
        """take: Ingress.take."""

        take: Any

    async def on_mqtt_packet_received(
        self, *, packet: MQTTPacket[Any, Any, Any], session: object = None
    ) -> None:
        """Archive a PUBLISH, or end the program: what is not archived must not be acknowledged."""
        if not isinstance(packet, PublishPacket) or packet.topic_name is None:
            return
        try:
            self.config.take(packet.topic_name, bytes(packet.data or b""))
        except Exception as error:
            # Not an Exception: amqtt would swallow that, asyncio ends its loop at once for this.
            logging.getLogger(__name__).error("the archive failed: %r", error)
            raise SystemExit(1) from error


async def serve(take: Take, port: int, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Be the broker on loopback until stop is set. port: 0 chooses a free one; ready gets it."""
    broker = Broker(
        {
            # External: the sockets are ours, so that the port is known and the end is quick.
            "listeners": {"default": {"type": "external"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
                f"{__name__}.IngressPlugin": {"take": take},
            },
        }
    )
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default"
            )
        except ConnectionError:
            pass  # the line was cut: the client comes again
        finally:
            writers.discard(writer)
            writer.close()

    await broker.start()
    try:
        server = await asyncio.start_server(connected, "127.0.0.1", port)
    except OSError as error:
        await broker.shutdown()
        raise PlatformError(
            f"Port {port} of 127.0.0.1 cannot be opened: {error.strerror}.",
            "Stop the program that has it, or choose another with --port (0: any free one).",
        ) from error
    ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    for writer in list(writers):
        writer.transport.abort()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(broker.shutdown(), STOP_TIMEOUT_S)


async def follow(
    take: Take, address: tuple[str, int], stop: asyncio.Event, ready: Callable[[int], None]
) -> None:
    """Subscribe to a broker elsewhere until stop is set; connect again for as long as that takes.

    paho itself and not aiomqtt: paho acknowledges after its callback has returned, aiomqtt's
    callback only queues.
    """
    loop = asyncio.get_running_loop()
    subscribed = asyncio.Event()

    def on_connect(client: paho.Client, *_: object) -> None:
        client.subscribe(TOPIC_FILTER, options=SubscribeOptions(qos=1))

    def on_subscribe(*_: object) -> None:
        loop.call_soon_threadsafe(subscribed.set)

    def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        take(message.topic, bytes(message.payload))

    client = paho.Client(CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=paho.MQTTv5)
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.reconnect_delay_set(1, RECONNECT_DELAY_S_MAX)
    client.connect_async(
        *address, KEEPALIVE_S, clean_start=False, properties=_connect_properties()
    )
    running = asyncio.ensure_future(
        asyncio.to_thread(client.loop_forever, retry_first_connection=True)
    )
    await _first_of(running, subscribed.wait(), stop.wait())
    if subscribed.is_set():
        ready(address[1])
        await _first_of(running, stop.wait())
    client.disconnect()
    await asyncio.wait_for(running, STOP_TIMEOUT_S)


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties


async def _first_of(running: asyncio.Future[Any], *waits: Coroutine[Any, Any, Any]) -> None:
    # Ends with the first of them; `running` goes on.
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait({running, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def read_keys(path: Path) -> dict[str, Mac0]:
    """Return the Mac0 of every device in KEYS.json; UsageError says what is wrong with it."""
    remedy = f'It must be an object of "device name": "{2 * KEY_SIZE} hexadecimal digits".'
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"The key file {path} cannot be read: {error}.", remedy) from error
    if not isinstance(rows, dict):
        raise UsageError(f"The key file {path} holds no object.", remedy)
    keys = {}
    for device, digits in rows.items():
        try:
            keys[device] = Mac0(device, bytes.fromhex(digits))
        except Exception as error:
            raise UsageError(
                f"The key of {device!r} in {path} is none: {error}.", remedy
            ) from error
    return keys


def platform(
    *,
    archive: Annotated[Path, typer.Option(help="Directory of the archive; made where missing.")],
    keys: Annotated[Path, typer.Option(help="JSON: device name -> hex of its up key.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    broker: Annotated[
        str | None, typer.Option(help="HOST:PORT of a broker to subscribe to instead.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets the line of JSON as well.")
    ] = None,
) -> None:
    """Run a simulated common platform. / 模擬の共通基盤を動かす

    Example: hinomi sim platform --port 1883 --archive build/platform --keys keys.json
    """
    address = _address(broker) if broker else None
    table = read_keys(keys)

    def ready(port: int) -> None:
        line = json.dumps({"ready": True, "port": port})
        print(line, flush=True)
        if ready_file:
            ready_file.write_text(line + "\n")

    asyncio.run(_run(archive, table, address or port, ready))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is no address of a broker.", "Write --broker HOST:PORT.")
    return host, int(port)


async def _run(
    directory: Path,
    keys: dict[str, Mac0],
    place: int | tuple[str, int],
    ready: Callable[[int], None],
) -> None:
    # place: our own port, or a broker's address. amqtt tells of every connection that ends; what
    # matters is counted in the archive.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        archive = ArchiveWriter(directory)
    except (OSError, sqlite3.Error) as error:
        raise PlatformError(
            f"The archive in {directory} cannot be opened: {error}.",
            "Choose a directory that can be written with --archive.",
        ) from error
    try:
        take = Ingress(keys, archive).take
        if isinstance(place, int):
            await serve(take, place, stop, ready)
        else:
            await follow(take, place, stop, ready)
    finally:
        archive.close()


def main() -> None:
    """Run as a program of its own; never returns."""
    try:
        typer.run(platform)
    except PlatformError as error:
        print(f"hinomi: {error.cause}\n  {error.remedy}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    main()

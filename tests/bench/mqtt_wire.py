"""Just enough MQTT 3.1.1 (OASIS, 2014) for a load generator that costs next to nothing."""

import socket
import struct

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
PUBACK_SIZE = 4


def packet(first: int, body: bytes) -> bytes:
    """Return a control packet. first: its first byte (type << 4 | flags)."""
    size = len(body)
    length = bytearray()
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes((first,)) + bytes(length) + body


def text(value: str) -> bytes:
    """Return a string with its length of two bytes in front."""
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def publish(topic: str, identifier: int, payload: bytes) -> bytes:
    """Return a PUBLISH of QoS 1."""
    return packet(0x32, text(topic) + struct.pack(">H", identifier) + payload)


def connect(port: int, client: str) -> socket.socket:
    """Return a connected socket; keep-alive off, clean session."""
    link = socket.create_connection(("127.0.0.1", port), timeout=10)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text(client)))
    answer = link.recv(4)
    if len(answer) != 4 or answer[3]:
        raise ConnectionError(f"broker refused {client}: {answer.hex()}")
    return link


def subscribe(link: socket.socket, topic: str) -> None:
    """Subscribe at QoS 0 and wait for the answer."""
    link.sendall(packet(0x82, b"\x00\x01" + text(topic) + b"\x00"))
    answer = link.recv(5)
    if len(answer) != 5 or answer[4] == 0x80:
        raise ConnectionError(f"subscription refused: {answer.hex()}")


def take_publishes(buffer: bytearray) -> list[bytes]:
    """Remove the whole packets from buffer; return the payload of each PUBLISH of QoS 0."""
    found = []
    at = 0
    view = memoryview(buffer)
    while True:
        start, size, shift = at + 1, 0, 0
        while start < len(buffer):
            size |= (buffer[start] & 0x7F) << shift
            shift += 7
            start += 1
            if buffer[start - 1] < 0x80:
                break
        else:
            break
        if start + size > len(buffer):
            break
        if buffer[at] >> 4 == PUBLISH:
            topic_size = buffer[start] << 8 | buffer[start + 1]
            found.append(bytes(view[start + 2 + topic_size : start + size]))
        at = start + size
    view.release()
    del buffer[:at]
    return found

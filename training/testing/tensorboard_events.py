"""Reads TensorBoard event files, independently of the code that writes them.

The frame, its masked CRC-32C and the field numbers are taken from TensorFlow's record_writer.h, event.proto,
summary.proto and tensor.proto. Any deviation is a ValueError.
"""

import collections
import struct

Event = collections.namedtuple("Event", "wall_time step file_version values")
Value = collections.namedtuple("Value", "tag number text plugin")


def crc32c_of_byte(byte):
    """Bit by bit, as RFC 3720 defines CRC-32C; without the inversions."""
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC32C = [crc32c_of_byte(byte) for byte in range(256)]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    """The payloads of the records in `data`."""
    position = 0
    while position < len(data):
        header, footer = data[position : position + 12], None
        if len(header) < 12:
            raise ValueError("torn header at byte %d" % position)
        length, crc = struct.unpack("<QI", header)
        if crc != masked(header[:8]):
            raise ValueError("wrong checksum of the length at byte %d" % position)
        payload = data[position + 12 : position + 12 + length]
        footer = data[position + 12 + length : position + 16 + length]
        if len(payload) < length or len(footer) < 4:
            raise ValueError("torn record at byte %d" % position)
        if struct.unpack("<I", footer)[0] != masked(payload):
            raise ValueError("wrong checksum of the record at byte %d" % position)
        yield payload
        position += 16 + length


def varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position


def fields(message):
    """(number, value) of a protobuf message; length-delimited values as bytes."""
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = varint(message, position)
        elif kind == 1:
            value, position = struct.unpack_from("<d", message, position)[0], position + 8
        elif kind == 5:
            value, position = struct.unpack_from("<f", message, position)[0], position + 4
        elif kind == 2:
            size, position = varint(message, position)
            value, position = message[position : position + size], position + size
            if len(value) < size:
                raise ValueError("torn field")
        else:
            raise ValueError("wire type %d" % kind)
        yield tag >> 3, value


def one(message, number, default=None):
    found = [value for key, value in fields(message) if key == number]
    return found[-1] if found else default


def parse_value(message):
    tensor = one(message, 8)
    plugin = one(one(message, 9, b""), 1, b"")
    name = one(plugin, 1, b"").decode()
    text = None
    if tensor is not None and one(tensor, 1) == 7:
        text = one(tensor, 8).decode()
    elif tensor is not None and (one(tensor, 1), name) != (1, "pr_curves"):
        raise ValueError("a tensor that is neither a text nor a curve")
    return Value(one(message, 1).decode(), one(message, 2), text, name)


def parse_event(payload):
    version = one(payload, 3)
    summary = one(payload, 5, b"")
    values = [parse_value(value) for key, value in fields(summary) if key == 1]
    return Event(one(payload, 1, 0.0), one(payload, 2, 0), version.decode() if version else None, values)


def messages(path):
    """Yields (step, tag, message) of each value in the file; the message is the value as it is stored."""
    with open(path, "rb") as file:
        for payload in records(file.read()):
            for key, message in fields(one(payload, 5, b"")):
                if key == 1:
                    yield one(payload, 2, 0), one(message, 1).decode(), message


def read(path):
    with open(path, "rb") as file:
        return [parse_event(payload) for payload in records(file.read())]

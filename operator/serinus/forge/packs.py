"""How large a pack of git objects becomes, before anybody unpacks it."""

import zlib
from typing import Final

_OFFSET_DELTA: Final = 6
_REFERENCE_DELTA: Final = 7


class TooLargeError(ValueError):
    """A pack that is too large unpacked, or is none."""


def measure(pack: bytes | memoryview, limit: int) -> int:
    """Bytes of all objects of a pack; raises TooLargeError as soon as they are more than `limit`.

    Few bytes of a pack may stand for very many, and what unpacks it does so in memory.
    """
    if pack[:4] != b"PACK" or len(pack) < 32:
        raise TooLargeError("this is no pack")
    total, at = 0, 12
    for _ in range(int.from_bytes(pack[8:12], "big")):
        kind, size, at = _read_head(pack, at)
        if kind == _OFFSET_DELTA:
            _, at = _read_number(pack, at)
        elif kind == _REFERENCE_DELTA:
            at += 20
        total += size
        if total > limit:
            raise TooLargeError(f"more than {limit:,} bytes unpacked")
        start, at = _skip(pack, at, size)
        if kind in (_OFFSET_DELTA, _REFERENCE_DELTA):
            _, after = _read_number(start, 0)
            grown, _ = _read_number(start, after)
            total += grown
        if total > limit:
            raise TooLargeError(f"more than {limit:,} bytes unpacked")
    return total


def _read_head(pack: bytes | memoryview, at: int) -> tuple[int, int, int]:
    first = _byte(pack, at)
    kind, size, shift = first >> 4 & 7, first & 15, 4
    while _byte(pack, at) & 128:
        at += 1
        size |= (_byte(pack, at) & 127) << shift
        shift += 7
    return kind, size, at + 1


def _read_number(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = _byte(data, at)
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return number, at


def _byte(data: bytes | memoryview, at: int) -> int:
    if at >= len(data):
        raise TooLargeError("the pack ends too early")
    return data[at]


def _skip(pack: bytes | memoryview, at: int, size: int) -> tuple[bytes, int]:
    """The first bytes of the object at `at`, and where the next begins."""
    inflate, start, done = zlib.decompressobj(), b"", 0
    data: bytes | memoryview = pack[at : at + 65536]
    at += len(data)
    try:
        while not inflate.eof:
            some = inflate.decompress(data, 65536)
            start = (start + some)[:32] if len(start) < 32 else start
            done += len(some)
            if done > size:
                raise TooLargeError("an object is larger than it says")
            data = inflate.unconsumed_tail
            if not data and not inflate.eof:
                data = pack[at : at + 65536]
                at += len(data)
                if not data:
                    raise TooLargeError("the pack ends too early")
    except zlib.error as error:
        raise TooLargeError("an object cannot be unpacked") from error
    return start, at - len(inflate.unused_data)

"""Packs are measured before they are unpacked."""

import io
import zlib

import pytest
from dulwich.object_format import SHA1
from dulwich.objects import Blob
from dulwich.pack import pack_objects_to_data, write_pack_data

from serinus.forge.packs import TooLargeError, measure


def pack(*bodies: bytes, deltify: bool = False) -> bytes:
    out = io.BytesIO()
    count, records = pack_objects_to_data([(Blob.from_string(body), None) for body in bodies], deltify=deltify)
    write_pack_data(out.write, records, num_records=count, object_format=SHA1)
    return out.getvalue()


def test_all_objects_count_at_their_full_size() -> None:
    found = pack(b"a" * 100, b"b" * 70_000, b"")
    assert measure(found, 1_000_000) == 70_100
    with pytest.raises(TooLargeError):
        measure(found, 70_099)


def test_a_difference_counts_as_what_it_becomes() -> None:
    one = bytes(range(256)) * 400
    found = pack(one, one + b"x", deltify=True)
    assert len(found) < 2_000
    assert measure(found, 1_000_000) > 2 * len(one)


def test_few_bytes_that_stand_for_many_are_not_unpacked() -> None:
    bomb = pack(bytes(30_000_000))
    assert len(bomb) < 40_000
    with pytest.raises(TooLargeError, match="more than 1,000,000 bytes"):
        measure(bomb, 1_000_000)


def test_an_object_that_lies_about_its_size() -> None:
    lie = (
        b"PACK"
        + (2).to_bytes(4, "big")
        + (1).to_bytes(4, "big")
        + bytes([0x31])
        + zlib.compress(bytes(9999))
        + bytes(20)
    )
    with pytest.raises(TooLargeError, match="larger than it says"):
        measure(lie, 1_000_000)


@pytest.mark.parametrize("cut", [0, 4, 20, 40, 60])
def test_half_a_pack_is_none(cut: int) -> None:
    whole = pack(bytes(range(256)) * 4)
    with pytest.raises(TooLargeError):
        measure(whole[:cut], 1_000_000)
    with pytest.raises(TooLargeError):
        measure(whole[:12] + bytes([0xFF]) * 40, 1_000_000)

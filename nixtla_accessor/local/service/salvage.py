"""Rows of a damaged file of models, read from its pages without SQLite, which gives up where one page is wrong.

Each row is found by the shape of its header, wherever in the file it is, and its tensors by the chain of pages that
starts there. So whatever else is damaged, pages that belong to other models or to SQLite itself, a row comes back as
it was. The file format: https://sqlite.org/fileformat2.html, "Record Format" and "Cell Payload Overflow Pages".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from mmap import mmap

PAGE_SIZE = 4096
_SHA256_LENGTH = 64
_SHA256_TYPE = re.compile(rb"\x81\x0d")  # the serial type of a text of 64 bytes
_MAX_HEADER = 64  # bytes; that of a row has no more than about 25
_N_COLUMNS = 11
_TEXT, _INTEGER = "text", "integer"
_KINDS_BEFORE_SHA256 = (_TEXT, _TEXT, _TEXT, _TEXT, _INTEGER, _INTEGER, _TEXT, _TEXT, _TEXT)
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # by serial type; 8 and 9 are the numbers 0 and 1

Row = tuple[str | int | bytes, ...]


def salvage_rows(data: bytes | mmap) -> list[Row]:
    """Return the rows of the table of models that can be read, in the order of its columns.

    Parameters
    ----------
    data : bytes or mmap
        The file.

    Returns
    -------
    list of tuple
        One for each id; of several, the newest of those whose checksum is right. Tensors that cannot be read whole
        have a wrong checksum, as in the damaged file.
    """
    rows: dict[object, Row] = {}
    for row in _find_rows(data):
        former = rows.get(row[0])
        if former is None or _rank(row) > _rank(former):
            rows[row[0]] = row
    return list(rows.values())


def is_intact(checksum: object, tensors: object) -> bool:
    """Return whether tensors are those that the checksum was computed of."""
    return isinstance(tensors, bytes) and hashlib.sha256(tensors).hexdigest() == checksum


def _rank(row: Row) -> tuple[bool, str]:
    return is_intact(*row[-2:]), str(row[1])


def _find_rows(data: bytes | mmap) -> Iterator[Row]:
    for match in _SHA256_TYPE.finditer(data):
        blob_type, end = _read_varint(data, match.end())
        if blob_type < 12 or blob_type % 2:
            continue
        for start in range(match.start() - len(_KINDS_BEFORE_SHA256), match.start() - _MAX_HEADER, -1):
            if start < 0:
                break
            sizes = _read_sizes(data, start + 1, match.start()) if data[start] == end - start else None
            if sizes is not None:
                sizes += [_SHA256_LENGTH, (blob_type - 12) // 2]
                yield _read_row(data, start, end - start, sizes)
                break


def _read_sizes(data: bytes | mmap, start: int, end: int) -> list[int] | None:
    """Return the sizes of the columns before the checksum; None if the bytes are not their serial types."""
    sizes = []
    for kind in _KINDS_BEFORE_SHA256:
        serial_type, start = _read_varint(data, start)
        if kind == _TEXT and serial_type >= 13 and serial_type % 2:
            sizes.append((serial_type - 13) // 2)
        elif kind == _INTEGER and serial_type in _INTEGER_SIZES:
            sizes.append(_INTEGER_SIZES[serial_type])
        else:
            return None
    return sizes if start == end else None


def _read_row(data: bytes | mmap, start: int, header_size: int, sizes: list[int]) -> Row:
    payload = _read_payload(data, start, header_size + sum(sizes))
    serial_types, at = [], 1
    for _ in range(_N_COLUMNS):
        serial_type, at = _read_varint(payload, at)
        serial_types.append(serial_type)
    values: list[str | int | bytes] = []
    for serial_type, size in zip(serial_types, sizes, strict=True):
        value = payload[at : at + size]
        at += size
        if serial_type < 12:
            values.append(int.from_bytes(value, "big", signed=True) if size else serial_type - 8)
        else:
            values.append(value.decode("utf-8", "replace") if serial_type % 2 else value)
    return tuple(values)


def _read_payload(data: bytes | mmap, start: int, size: int) -> bytes:
    """Return a row's bytes: those in its own page, and those in the chain of pages that it names, as far as it goes."""
    most, least = PAGE_SIZE - 35, (PAGE_SIZE - 12) * 32 // 255 - 23
    local = size
    if size > most:
        local = least + (size - least) % (PAGE_SIZE - 4)
        local = local if local <= most else least
    parts = [bytes(data[start : start + local])]
    missing = size - local
    at = start + local
    while missing > 0:
        at = (int.from_bytes(data[at : at + 4], "big") - 1) * PAGE_SIZE
        if not 0 < at < len(data):
            break
        parts.append(bytes(data[at + 4 : at + 4 + min(missing, PAGE_SIZE - 4)]))
        missing -= PAGE_SIZE - 4
    return b"".join(parts)


def _read_varint(data: bytes | mmap, start: int) -> tuple[int, int]:
    """Return a number in SQLite's variable length, of up to five bytes, and the position after it."""
    value = 0
    for at in range(start, min(start + 5, len(data))):
        value = value << 7 | data[at] & 0x7F
        if data[at] < 0x80:
            return value, at + 1
    return -1, start

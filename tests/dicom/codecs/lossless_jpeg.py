"""A small encoder of lossless JPEG (ITU-T T.81 annex H), for the variants that no library here writes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

CODE_BITS = 5  # every category 0 to 16 gets a code of this length


def encode(
    picture: npt.NDArray[np.uint16],
    precision: int,
    predictor: int,
    *,
    point_transform: int = 0,
    restart: int = 0,
) -> bytes:
    """One grey frame; `restart` is an interval in rows that is declared, not used."""
    rows, columns = picture.shape
    bits = "".join(_codes(picture.astype(int), precision, predictor))
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")
    table = bytes([0, 0, 0, 0, 0, 17, *([0] * 11), *range(17)])
    return (
        b"\xff\xd8"
        + _segment(0xC3, struct.pack(">BHHB", precision, rows, columns, 1) + bytes([1, 0x11, 0]))
        + _segment(0xC4, table)
        + (_segment(0xDD, struct.pack(">H", restart * columns)) if restart else b"")
        + _segment(0xDA, bytes([1, 1, 0, predictor, 0, point_transform]))
        + scan
        + b"\xff\xd9"
    )


def _codes(p: npt.NDArray[np.int_], precision: int, predictor: int) -> Iterator[str]:
    for (row, column), value in np.ndenumerate(p):
        difference = (int(value) - _predicted(p, row, column, precision, predictor)) & 0xFFFF
        if difference > 32768:
            difference -= 65536
        category = abs(difference).bit_length()
        yield f"{category:0{CODE_BITS}b}"
        if 0 < category < 16:
            extra = difference if difference > 0 else difference + (1 << category) - 1
            yield f"{extra:0{category}b}"


def _predicted(p: npt.NDArray[np.int_], row: int, column: int, precision: int, predictor: int) -> int:
    if row == 0:
        return int(p[0, column - 1]) if column else 1 << (precision - 1)
    if column == 0:
        return int(p[row - 1, 0])
    a, b, c = int(p[row, column - 1]), int(p[row - 1, column]), int(p[row - 1, column - 1])
    return [0, a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1][predictor]


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

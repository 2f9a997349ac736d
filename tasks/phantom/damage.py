"""Breaks DICOM files as disks and networks do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# ImageOrientationPatient (0020,0037), little endian: well inside the header, behind the UIDs.
_ORIENTATION_TAG = b"\x20\x00\x37\x00"
_CODE_STREAM_START = b"\xff\xd8\xff"
_SEQUENCE_DELIMITER_BYTES = 8


def garble_code_stream(path: Path, seed: int) -> None:
    """Overwrite a compressed frame of the JPEG family with noise, behind its first marker."""
    data = bytearray(path.read_bytes())
    start, end = data.rfind(_CODE_STREAM_START) + 2, len(data) - _SEQUENCE_DELIMITER_BYTES
    data[start:end] = np.random.default_rng([seed, len(data)]).bytes(end - start)
    path.write_bytes(bytes(data))


def cut_pixels(path: Path) -> None:
    """End a file at six tenths of its length, within the pixels."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])


def cut_header(path: Path) -> None:
    """End a file within its header, behind the UIDs of study and series."""
    data = path.read_bytes()
    path.write_bytes(data[: data.index(_ORIENTATION_TAG) + 9])

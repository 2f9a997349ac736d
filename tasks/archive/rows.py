"""Instances as rows of an Arrow table and back: how an archive remembers headers that it has read.

The columns follow from the fields of `Instance`, so a field that is added there is remembered here, and an
index without it is of another schema and is built anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from tasks.dicom.header import Passed, read_header
from tasks.dicom.instance import Frame, Identity, Instance

# Raised when the meaning of a column changes though its name and type stay.
VERSION = 1
NUMBERS_PER_FRAME = 11
NAN = float("nan")
IMAGE = ""
"""`kind` of a file that holds an image; every other kind names what the file is instead."""

_IDENTITY = tuple(field.name for field in dataclasses.fields(Identity))
# `source` follows from the archive's root and the path.
_PLAIN = tuple(
    field.name
    for field in dataclasses.fields(Instance)
    if field.name not in ("source", "identity", "frames", "image_type", "pixel_spacing_mm")
)
_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "int | None": pa.int64(),
    "float | None": pa.float64(),
}
_ANNOTATIONS = {field.name: str(field.type) for field in dataclasses.fields(Instance)}

SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *(pa.field(name, _TYPES[_ANNOTATIONS[name]]) for name in _PLAIN),
        *(pa.field(name, pa.string()) for name in _IDENTITY),
        pa.field("image_type", pa.string()),
        pa.field("pixel_spacing_mm", pa.list_(pa.float64())),
        pa.field("frames", pa.list_(pa.float64())),
    ],
    metadata={"version": str(VERSION)},
)

File = tuple[bytes, int, int]
"""Path relative to the root, size in bytes, modification time in nanoseconds."""


def read_rows(root: Path, files: Sequence[File]) -> pa.Table:
    """Read the headers of files; a row for each, of `SCHEMA`, whatever it is."""
    start = os.fsencode(root)
    found = [read_header(os.fsdecode(os.path.join(start, path)), size) for path, size, _ in files]  # noqa: PTH118
    images = [_EMPTY if isinstance(header, Passed) else header for header in found]
    columns: dict[str, list[object]] = {
        "path": [path for path, _, _ in files],
        "mtime_ns": [mtime_ns for _, _, mtime_ns in files],
        "kind": [header.why.value if isinstance(header, Passed) else IMAGE for header in found],
        **{name: [getattr(image, name) for image in images] for name in _PLAIN},
        **{name: [getattr(image.identity, name) for image in images] for name in _IDENTITY},
        "image_type": ["\\".join(image.image_type) for image in images],
        "pixel_spacing_mm": [image.pixel_spacing_mm for image in images],
        "frames": [_numbers(image.frames) for image in images],
    }
    columns["size_bytes"] = [size for _, size, _ in files]
    columns["content_token"] = [
        _content_token(image, file) for image, file in zip(images, files, strict=True)
    ]
    return pa.table({name: _storable(values) for name, values in columns.items()}, schema=SCHEMA)


def instances_of(root: Path, rows: pa.Table) -> list[Instance]:
    """The instances of rows that hold images."""
    columns = {name: rows.column(name).to_pylist() for name in SCHEMA.names}
    start = os.fsencode(root)
    identities = [Identity(*values) for values in zip(*(columns[name] for name in _IDENTITY), strict=True)]
    plain = [
        dict(zip(_PLAIN, values, strict=True)) for values in zip(*(columns[n] for n in _PLAIN), strict=True)
    ]
    return [
        Instance(
            source=os.fsdecode(os.path.join(start, path)),  # noqa: PTH118 - paths are bytes here
            identity=identity,
            image_type=tuple(image_type.split("\\")) if image_type else (),
            pixel_spacing_mm=spacing and (spacing[0], spacing[1]),
            frames=_frames(numbers),
            **values,
        )
        for path, identity, image_type, spacing, numbers, values in zip(
            columns["path"],
            identities,
            columns["image_type"],
            columns["pixel_spacing_mm"],
            columns["frames"],
            plain,
            strict=True,
        )
    ]


_EMPTY = Instance("", 0, "", "", "", "", "")


def _content_token(image: Instance, file: File) -> str:
    """The header's token, with size and time: pixels may change where no header does."""
    if image is _EMPTY:
        return ""
    _, size, mtime_ns = file
    return hashlib.sha256(f"{image.content_token} {size} {mtime_ns}".encode()).hexdigest()[:32]


def _storable(values: list[object]) -> list[object]:
    """Values with text that UTF-8 cannot carry made such that it can."""
    return [
        value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
        for value in values
    ]


def _numbers(frames: Sequence[Frame]) -> list[float]:
    numbers: list[float] = []
    for frame in frames:
        numbers += frame.position_mm or (NAN,) * 3
        numbers += frame.orientation or (NAN,) * 6
        numbers += (frame.slope, frame.intercept)
    return numbers


def _frames(numbers: Sequence[float]) -> tuple[Frame, ...]:
    frames = []
    for at in range(0, len(numbers), NUMBERS_PER_FRAME):
        x, y, z, a, b, c, d, e, f, slope, intercept = numbers[at : at + NUMBERS_PER_FRAME]
        frames.append(
            Frame(
                position_mm=None if math.isnan(x) else (x, y, z),
                orientation=None if math.isnan(a) else (a, b, c, d, e, f),
                slope=slope,
                intercept=intercept,
            )
        )
    return tuple(frames)

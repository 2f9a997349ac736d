"""Slices a second out of a `Volume` in one process, against pydicom and SimpleITK, for series on disk.

    python -m benchmarks.decode FOLDER [FOLDER ...]

Each folder holds one CT series. Every fourth slice is read, as localisation does; files are read once before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import SimpleITK as sitk  # noqa: N813 - its customary name

from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.stack import Stack, stack_planes
from tasks.volume.volume import Volume

STEP = 4


def stack_of(folder: Path) -> Stack:
    """The stack of all images in a folder."""
    headers = [read_header(path, path.stat().st_size) for path in folder.iterdir() if path.is_file()]
    return stack_planes([header for header in headers if isinstance(header, Instance)])


def with_volume(stack: Stack) -> None:
    """Ours: checked, in HU, in the canonical frame."""
    Volume(stack).hu_many(range(0, len(stack.planes), STEP))


def with_pydicom(stack: Stack) -> None:
    """Stored values by pydicom's preferred plugin."""
    for plane in stack.planes[::STEP]:
        _ = pydicom.dcmread(plane.instance.source).pixel_array


def with_simpleitk(stack: Stack) -> None:
    """HU by ITK's reader."""
    for plane in stack.planes[::STEP]:
        sitk.GetArrayFromImage(sitk.ReadImage(plane.instance.source))


READERS: Sequence[Callable[[Stack], None]] = (with_volume, with_pydicom, with_simpleitk)


def main() -> None:
    """Print one line per series and reader."""
    for folder in map(Path, sys.argv[1:]):
        stack = stack_of(folder)
        for plane in stack.planes:
            Path(plane.instance.source).read_bytes()
        for read in READERS:
            start = time.perf_counter()
            read(stack)
            slices = len(stack.planes[::STEP])
            rate = slices / (time.perf_counter() - start)
            print(f"{folder.name:24} {read.__name__:16} {rate:7.0f} slices a second")


if __name__ == "__main__":
    main()

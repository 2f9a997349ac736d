"""Headers a second on one core: our tag walker against pydicom and dicomsdl, over a folder of DICOM files.

    python -m benchmarks.headers FOLDER

dicomsdl is not a dependency: `pip install dicomsdl` to compare with it. The libraries fetch the study, series
and instance UIDs, the position and the pixel spacing; ours builds the whole `Instance`. Files are read once
before, so that all find them cached.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pydicom

from tasks.dicom.header import read_header

KEYWORDS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "ImagePositionPatient",
    "PixelSpacing",
)
REPEATS = 3


def with_tag_walker(path: Path) -> None:
    """All fields of an `Instance`."""
    read_header(path, path.stat().st_size)


def with_pydicom(path: Path) -> None:
    """Five fields of a pydicom data set."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    for keyword in KEYWORDS:
        dataset.get(keyword)


def with_dicomsdl(path: Path) -> None:
    """Five fields of a dicomsdl data set."""
    dataset = importlib.import_module("dicomsdl").open(str(path))
    for keyword in KEYWORDS:
        getattr(dataset, keyword)


def headers_per_second(read: Callable[[Path], None], paths: list[Path]) -> float:
    """The best of a few passes over all files."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for path in paths:
            read(path)
        best = min(best, time.perf_counter() - start)
    return len(paths) / best


def main() -> None:
    """Print one line per reader."""
    paths = sorted(path for path in Path(sys.argv[1]).rglob("*.dcm") if path.is_file())
    for path in paths:
        path.read_bytes()
    for read in (with_tag_walker, with_pydicom, with_dicomsdl):
        try:
            print(f"{read.__name__:18} {headers_per_second(read, paths):8.0f} headers a second")
        except ImportError:
            print(f"{read.__name__:18} not installed")


if __name__ == "__main__":
    main()

"""Where the voxels of a slice stack lie in the patient.

One frame for everything after this point: the *canonical* frame. Slice index 0 is the most caudal slice and
the index grows towards the head; row index grows to the patient's back (+y, posterior), column index to the
patient's left (+x), whatever the patient's position in the scanner was. Coordinates in millimetres are DICOM
patient coordinates, LPS (+x left, +y posterior, +z head).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

HuImage = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The grid of a stack of parallel, evenly spaced axial slices in the canonical frame.

    Attributes:
        rows, columns: pixels in a slice.
        pixel_mm: edge of a (square) pixel.
        z_mm: patient z at the centre pixel of every slice, ascending.
        spacing_mm: distance between neighbouring slices.
        origin_mm: patient x and y of the centre of pixel (row 0, column 0).
    """

    rows: int
    columns: int
    pixel_mm: float
    z_mm: tuple[float, ...]
    spacing_mm: float
    origin_mm: tuple[float, float]

    @property
    def slices(self) -> int:
        """Number of slices."""
        return len(self.z_mm)

    @property
    def coverage_mm(self) -> float:
        """Distance from the centre of the lowest to the centre of the highest slice."""
        return self.z_mm[-1] - self.z_mm[0]

    def nearest(self, z_mm: float) -> int:
        """Index of the slice closest to a patient z."""
        index = round((z_mm - self.z_mm[0]) / self.spacing_mm)
        return min(max(index, 0), self.slices - 1)

    def to_patient_mm(self, row: float, column: float) -> tuple[float, float]:
        """Patient (x, y) of a position in a slice, in pixels."""
        return self.origin_mm[0] + column * self.pixel_mm, self.origin_mm[1] + row * self.pixel_mm

    def to_pixel(self, x_mm: float, y_mm: float) -> tuple[float, float]:
        """(row, column) of a patient position."""
        return (y_mm - self.origin_mm[1]) / self.pixel_mm, (x_mm - self.origin_mm[0]) / self.pixel_mm


class SliceStack(Protocol):
    """What localisation and measurement need of a volume: a grid, and slices when asked for."""

    @property
    def geometry(self) -> Geometry:
        """The grid, known before any pixel is decoded."""
        ...

    def want(self, indices: Iterable[int]) -> None:
        """Say which slices will be asked for next: a source that is far away then fetches them together."""
        ...

    def hu(self, index: int) -> HuImage:
        """Slice `index`, shape (rows, columns), in Hounsfield units, canonical frame; padding is −1024.

        A slice is decoded at most once. The array is read-only.

        Raises:
            Failed: `undecodable_pixels`, `truncated_pixels`, `archive_unavailable`.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadCost:
    """What reading a study cost so far; `bytes_total` is None where the archive tells no sizes."""

    slices_total: int
    slices_read: int
    bytes_total: int | None
    bytes_read: int
    seconds_read: float

"""Writes a planned scan as DICOM series: where slices lie, which tags they carry, which image each shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.phantom.cases import Plan
from tasks.phantom.dicom_writer import SeriesTags, StudyTags, make_uid, write_slice
from tasks.phantom.encoding import SYNTAXES
from tasks.phantom.naming import Namer
from tasks.phantom.volume import PADDING_HU, Scan, render_slice

HuImage = npt.NDArray[np.int16]
Position = tuple[float, float, float]


@dataclass(slots=True)
class StudyJob:
    """A study on its way to the disk.

    Attributes:
        shift_mm: what is added to z of the patient's frame to get the files' z.
        paths: the files written so far, in order of writing.
    """

    tags: StudyTags
    scan: Scan
    plan: Plan
    namer: Namer
    shift_mm: float
    paths: list[Path] = field(default_factory=list)

    def series(self, number: int = 2) -> SeriesTags:
        """Tags of a series of the scan's own kind."""
        scanner, pixel = self.scan.scanner, self.scan.pixel_mm
        return SeriesTags(
            series_uid=make_uid(self.tags.study_uid, number),
            frame_uid=make_uid(self.tags.study_uid, "frame"),
            number=number,
            scanner=scanner,
            pixel_spacing_mm=(pixel, pixel),
            description=f"Chest {scanner.thickness_mm:g} {scanner.kernel}",
            patient_position=self.plan.position,
            intercept=-1000 if scanner.vendor == "Philips" else -1024,
            padding=PADDING_HU if self.scan.circle else None,
        )

    def position(self, index: int) -> Position:
        """ImagePositionPatient of a slice."""
        half = (self.scan.side - 1) / 2 * self.scan.pixel_mm
        x, y = self.scan.centre_mm
        return x - half, y - half, self.scan.z_mm[index] + self.shift_mm

    def numbered(self) -> list[int]:
        """Slice indices in the order of InstanceNumber: from the head down, feet first the other way."""
        ascending = list(range(len(self.scan.z_mm)))
        return ascending if self.plan.position.startswith("FF") else ascending[::-1]

    def write(
        self, series: SeriesTags, images: Iterable[tuple[int, Position, HuImage]], syntax: str | None = None
    ) -> None:
        """Write images, each as (InstanceNumber, ImagePositionPatient, HU)."""
        for number, position, hu in images:
            path = self.namer.next()
            write_slice(path, self.tags, series, SYNTAXES[syntax or self.plan.syntax], number, position, hu)
            self.paths.append(path)

    def slices(self, leave_out: frozenset[int] = frozenset()) -> Iterable[tuple[int, Position, HuImage]]:
        """The scan's slices as `write` takes them, some indices left out."""
        for number, index in enumerate(self.numbered(), start=1):
            if index not in leave_out:
                yield number, self.position(index), render_slice(self.scan, index)

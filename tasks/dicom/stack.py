"""`Stack`: image planes in the order in which they lie in the patient, and how evenly they lie.

The order comes from ImagePositionPatient projected on the normal of the slices and from nothing else: file
names, instance numbers, SliceLocation and SliceThickness say other things in real archives.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from tasks.dicom.instance import Frame, Instance

Vector = tuple[float, float, float]
Orientation = tuple[float, float, float, float, float, float]

# Positions closer than this are one position: scanners write them to 0.001 or 0.01 mm, and no CT
# reconstructs planes less than 0.1 mm apart.
SAME_POSITION_MM = 0.01
# Direction cosines are written to 3 to 6 digits; a difference of 0.02 is about one degree.
SAME_ORIENTATION = 0.02
# Direction vectors must have length 1 and stand at right angles; written digits leave this much.
COSINE_TOLERANCE = 0.01
# Orientations tried as the common one; a real series has one or two.
MAX_CANDIDATES = 16


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a stack.

    Attributes:
        instance: whose plane it is.
        frame: index into `instance.frames`.
        along_mm: position projected on the slice normal; grows towards the head.
    """

    instance: Instance
    frame: int
    along_mm: float

    @property
    def header(self) -> Frame:
        """Position, orientation and rescale of this plane."""
        return self.instance.frames[self.frame]


@dataclass(frozen=True, slots=True)
class Stack:
    """Parallel planes, ascending towards the head.

    Attributes:
        planes: without duplicates; empty when no instance has a position and an orientation.
        duplicates: planes left out because another lies at the same position or is the same instance.
        spacing_mm: median gap; 0 with fewer than two planes.
        gaps_mm: distance of each plane to the next, along the normal; one fewer than planes.
        orientation: ImageOrientationPatient that the planes share; None when there are none.
        tilt_deg: angle between the slice normal and the patient's z axis, 0 to 90.
        shear_deg: angle between the slice normal and the line through the slice positions, that is the
            tilt of a gantry against the table's travel; 0 when slices lie squarely on each other.
        drift_mm: largest distance of a plane's position from the straight line through first and last;
            large where two reconstructions with different centres share a series.
    """

    planes: tuple[Plane, ...]
    duplicates: tuple[Plane, ...] = ()
    spacing_mm: float = 0.0
    gaps_mm: tuple[float, ...] = ()
    orientation: Orientation | None = None
    tilt_deg: float = 0.0
    shear_deg: float = 0.0
    drift_mm: float = 0.0

    @property
    def coverage_mm(self) -> float:
        """Distance between the first and the last plane."""
        return self.planes[-1].along_mm - self.planes[0].along_mm if self.planes else 0.0


def stack_planes(instances: Iterable[Instance]) -> Stack:
    """Sort the planes of instances into a stack; the order in which they are given does not matter.

    The orientation that most planes have is the stack's; planes oriented otherwise (a localizer) are left
    out, and so are planes without position or orientation. Of planes at one position the one with the lowest
    acquisition, instance number and UID stays.
    """
    placed = [
        Plane(instance, index, 0.0)
        for instance in instances
        for index, frame in enumerate(instance.frames)
        if is_placed(frame)
    ]
    if not placed:
        return Stack(planes=())

    placed.sort(key=_rank)
    orientation = _common_orientation(placed)
    normal = normal_to_head(orientation)
    aligned = [
        replace(plane, along_mm=_dot(_position(plane), normal))
        for plane in placed
        if _same_orientation(plane, orientation)
    ]
    planes, duplicates = _without_duplicates(aligned)
    gaps = tuple(upper.along_mm - lower.along_mm for lower, upper in pairwise(planes))
    shear_deg, drift_mm = _line_of_positions(planes, normal)
    return Stack(
        planes=planes,
        duplicates=duplicates,
        spacing_mm=median(gaps) if gaps else 0.0,
        gaps_mm=gaps,
        orientation=orientation,
        tilt_deg=math.degrees(math.acos(min(1.0, abs(normal[2])))),
        shear_deg=shear_deg,
        drift_mm=drift_mm,
    )


def is_placed(frame: Frame) -> bool:
    """Whether a frame says where it lies: a finite position and two perpendicular unit vectors."""
    if frame.position_mm is None or frame.orientation is None:
        return False
    row, column = frame.orientation[:3], frame.orientation[3:]
    return (
        all(map(math.isfinite, (*frame.position_mm, *frame.orientation)))
        and abs(math.hypot(*row) - 1) < COSINE_TOLERANCE
        and abs(math.hypot(*column) - 1) < COSINE_TOLERANCE
        and abs(_dot(row, column)) < COSINE_TOLERANCE
    )


def normal_to_head(orientation: Orientation) -> Vector:
    """Unit normal of a plane, patient LPS, pointing headwards (upright planes: left or back)."""
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    # the sign is that of z, unless the plane is upright: then that of the largest component
    leading = normal[2] if abs(normal[2]) > SAME_ORIENTATION else max(normal, key=abs)
    scale = math.copysign(1 / length, leading)
    return normal[0] * scale, normal[1] * scale, normal[2] * scale


def _rank(plane: Plane) -> tuple[int, int, str, int]:
    """The order in which planes of one position are preferred, the same whatever the order of input."""
    instance = plane.instance
    return (
        instance.acquisition_number or 0,
        instance.instance_number or 0,
        instance.sop_instance_uid,
        plane.frame,
    )


def _common_orientation(planes: Sequence[Plane]) -> Orientation:
    counts = Counter(_orientation(plane) for plane in planes)
    support = {
        candidate: sum(n for other, n in counts.items() if _differs_by(candidate, other) <= SAME_ORIENTATION)
        for candidate in _candidates(counts)
    }
    return max(support, key=lambda candidate: (support[candidate], candidate))


def _candidates(counts: Counter[Orientation]) -> list[Orientation]:
    """The most frequent orientations: a bound on the work where every plane has its own."""
    return sorted(counts, key=lambda orientation: (-counts[orientation], orientation))[:MAX_CANDIDATES]


def _same_orientation(plane: Plane, orientation: Orientation) -> bool:
    return _differs_by(_orientation(plane), orientation) <= SAME_ORIENTATION


def _differs_by(one: Orientation, other: Orientation) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _without_duplicates(ranked: Sequence[Plane]) -> tuple[tuple[Plane, ...], tuple[Plane, ...]]:
    """Planes ascending, one per position and one per (SOPInstanceUID, frame); and those left out."""
    kept: list[Plane] = []
    duplicates: list[Plane] = []
    seen: set[tuple[str, int]] = set()
    for plane in sorted(ranked, key=lambda plane: plane.along_mm):  # stable: rank decides among equals
        name = (plane.instance.sop_instance_uid, plane.frame)
        same_place = bool(kept) and plane.along_mm - kept[-1].along_mm < SAME_POSITION_MM
        if same_place or (name[0] and name in seen):
            duplicates.append(plane)
        else:
            kept.append(plane)
            seen.add(name)
    return tuple(kept), tuple(duplicates)


def _line_of_positions(planes: Sequence[Plane], normal: Vector) -> tuple[float, float]:
    """(shear in degrees, largest distance from the line through first and last position in mm)."""
    if len(planes) < 2:
        return 0.0, 0.0
    first = _position(planes[0])
    step = _minus(_position(planes[-1]), first)
    length = math.hypot(*step)
    shear_deg = math.degrees(math.acos(min(1.0, abs(_dot(step, normal)) / length)))
    direction = (step[0] / length, step[1] / length, step[2] / length)
    drift_mm = 0.0
    for plane in planes:
        offset = _minus(_position(plane), first)
        along = _dot(offset, direction)
        across = math.sqrt(max(0.0, _dot(offset, offset) - along * along))
        drift_mm = max(drift_mm, across)
    return shear_deg, drift_mm


def _position(plane: Plane) -> Vector:
    position = plane.header.position_mm
    if position is None:
        raise ValueError("a plane without position is not stacked")
    return position


def _orientation(plane: Plane) -> Orientation:
    orientation = plane.header.orientation
    if orientation is None:
        raise ValueError("a plane without orientation is not stacked")
    return orientation


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _minus(one: Vector, other: Vector) -> Vector:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]

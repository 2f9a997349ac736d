"""What localisation hands on: frozen values in the canonical frame of the volume, nothing mutable."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.outcomes import Warn


@dataclass(frozen=True, slots=True)
class Column:
    """The vertebral column through the stack, as centre lines sampled at the slices that were looked at.

    Attributes:
        z_mm: patient z of each sample, ascending.
        canal_xy_mm: centre of the spinal canal at each sample, patient x and y.
        body_xy_mm: centre of the vertebral body (or disc) at each sample, patient x and y.
        body_radius_mm: half the transverse width of the body at each sample.
        evidence: how canal-like the canal's place is at each sample, 0 to 1.
    """

    z_mm: tuple[float, ...]
    canal_xy_mm: tuple[tuple[float, float], ...]
    body_xy_mm: tuple[tuple[float, float], ...]
    body_radius_mm: tuple[float, ...]
    evidence: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """One vertebral body that is covered from endplate to endplate.

    Attributes:
        x_mm, y_mm, z_mm: its centre, patient coordinates, LPS.
        top_mm, bottom_mm: patient z of the upper and lower endplate.
        width_mm, depth_mm: transverse and sagittal diameter at the middle.
        confidence: 0 to 1, how sure the localisation is that this is one whole vertebral body.
        level: T1 to L5, or None when it cannot be told.
        level_confidence: 0 to 1.
    """

    x_mm: float
    y_mm: float
    z_mm: float
    top_mm: float
    bottom_mm: float
    width_mm: float
    depth_mm: float
    confidence: float
    level: str | None = None
    level_confidence: float = 0.0

    @property
    def height_mm(self) -> float:
        """Distance between the endplates."""
        return self.top_mm - self.bottom_mm


@dataclass(frozen=True, slots=True)
class Aorta:
    """The descending aorta beside the lower thoracic spine.

    Attributes:
        hu: median attenuation of its lumen over the slices in which it was found.
        slices: in how many of the slices looked at it was found.
        x_mm, y_mm, z_mm: centre where it was seen best.
    """

    hu: float
    slices: int
    x_mm: float
    y_mm: float
    z_mm: float


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Everything found in one study; `bodies` from the lowest upwards."""

    column: Column
    bodies: tuple[Body, ...]
    aorta: Aorta | None
    muscle_hu: float | None
    warnings: tuple[Warn, ...] = ()

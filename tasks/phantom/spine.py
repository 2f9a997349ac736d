"""The spine of a generated patient from C6 to L4: its vertebrae, how they vary, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Level: body height, width, depth, disc below (mm, both sexes' mean), trabecular HU relative to L1.
# Sizes after Panjabi et al., Spine 1991 and 1992 (thoracic and lumbar anatomy). Density rises towards the
# head: thoracic CT, n = 470, 10.31616/asj.2023.0438.
_LEVELS: dict[str, tuple[float, float, float, float, float]] = {
    "C6": (13.0, 26.0, 16.0, 5.5, 1.55),
    "C7": (14.5, 28.0, 16.5, 5.5, 1.50),
    "T1": (16.8, 29.0, 17.0, 4.5, 1.38),
    "T2": (17.4, 28.0, 18.5, 4.2, 1.32),
    "T3": (17.9, 27.0, 20.5, 4.0, 1.27),
    "T4": (18.4, 26.5, 24.0, 4.0, 1.24),
    "T5": (18.9, 26.5, 26.5, 4.2, 1.20),
    "T6": (19.5, 27.5, 29.0, 4.4, 1.17),
    "T7": (20.2, 28.5, 31.0, 4.7, 1.14),
    "T8": (20.8, 29.5, 32.5, 5.0, 1.12),
    "T9": (21.5, 31.0, 33.0, 5.3, 1.10),
    "T10": (22.5, 33.5, 33.0, 5.8, 1.08),
    "T11": (23.5, 36.5, 32.0, 6.3, 1.06),
    "T12": (25.0, 39.5, 31.5, 7.0, 1.03),
    "L1": (26.6, 41.0, 31.5, 8.2, 1.00),
    "L2": (27.6, 42.5, 32.5, 9.2, 0.98),
    "L3": (28.0, 44.5, 33.5, 10.2, 0.97),
    "L4": (28.0, 46.5, 34.0, 11.0, 0.97),
}
LEVELS: tuple[str, ...] = tuple(_LEVELS)
"""Every level a patient has, from the head down."""

DENSITY_RANGE_HU = (20.0, 330.0)
"""Trabecular HU at L1 that a generated patient may have, at 120 kVp."""


@dataclass(frozen=True, slots=True)
class Vertebra:
    """One vertebra. Its place is in the patient's own frame: LPS axes, millimetres, T12's centre at z = 0.

    Attributes:
        tilt: dy/dz of the body's axis; kyphosis tilts the endplates by as much.
        trabecular_hu: mean over the trabecular bone at 120 kVp.
        cortex_mm: thickness of the cortical shell; endplate_mm likewise.
        concavity_mm: how deep the endplates sink in at the middle.
        wedge: part of the anterior height that is lost.
        fractured: whether it was compressed; its trabecular bone is then hard to measure, as in life.
        osteophyte_mm: how far bone grows beyond the right and the left anterior rim.
        sclerosis_hu: density added next to the endplates.
        hardware: pedicle screws of metal.
    """

    level: str
    x_mm: float
    y_mm: float
    z_mm: float
    height_mm: float
    width_mm: float
    depth_mm: float
    disc_mm: float
    tilt: float
    trabecular_hu: float
    cortex_mm: float
    endplate_mm: float
    concavity_mm: float
    wedge: float
    osteophyte_mm: tuple[float, float]
    sclerosis_hu: float
    fractured: bool = False
    hardware: bool = False

    @property
    def top_mm(self) -> float:
        """z of the upper endplate's rim at the body's axis."""
        return self.z_mm + self.height_mm / 2

    @property
    def bottom_mm(self) -> float:
        """z of the lower endplate's rim at the body's axis."""
        return self.z_mm - self.height_mm / 2


def sample_spine(
    rng: np.random.Generator,
    height_m: float,
    density: float,
    cortex_sd: float,
    degeneration: float,
    *,
    male: bool,
) -> tuple[Vertebra, ...]:
    """Vertebrae of one patient, placed on a column with kyphosis and scoliosis."""
    length_scale = height_m / 1.68 * float(rng.normal(1.0, 0.025))
    breadth_scale = (1.10 if male else 0.98) * float(rng.normal(1.0, 0.06)) * (height_m / 1.68) ** 0.5
    aspect = float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15))
    kyphosis = float(np.clip(rng.normal(24.0, 8.0), 6.0, 52.0))
    scoliosis = float(rng.normal(0.0, 3.5)) * (3.0 if rng.random() < 0.08 else 1.0)
    phase = float(rng.uniform(0.0, 2 * np.pi))
    fracture_rate = float(np.clip(0.10 * (130.0 - density) / 60.0, 0.004, 0.16))
    shell = float(np.clip(0.62 + 0.13 * cortex_sd + 0.0007 * (density - 130), 0.28, 1.15))

    bodies = []
    for level, (height, width, depth, disc, relative) in _LEVELS.items():
        fractured = level not in ("C6", "C7", "T1", "T2") and rng.random() < fracture_rate
        loss = float(rng.uniform(0.2, 0.5)) if fractured else float(np.clip(rng.normal(0.03, 0.02), 0.0, 0.1))
        compressed = 1.0 - (0.6 * loss if fractured else 0.0)
        tall = height * length_scale * compressed * float(rng.normal(1.0, 0.02))
        spur = degeneration * float(rng.gamma(1.6, 9.0)) if rng.random() < 0.3 + 0.6 * degeneration else 0.0
        spur_left = spur * float(rng.uniform(0.0, 0.5 if level.startswith("T") else 1.0))
        hu = density * relative**0.5 * float(rng.normal(1.0, 0.05)) + float(rng.normal(0.0, 5.0))
        bodies.append(
            Vertebra(
                level=level,
                x_mm=0.0,
                y_mm=0.0,
                z_mm=0.0,
                height_mm=tall,
                width_mm=width * breadth_scale * aspect * float(rng.normal(1.0, 0.025)),
                depth_mm=depth * breadth_scale / aspect * float(rng.normal(1.0, 0.025)),
                disc_mm=disc * length_scale * float(rng.uniform(1.0 - 0.45 * degeneration, 1.05)),
                tilt=0.0,
                trabecular_hu=float(np.clip(hu + (25.0 if fractured else 0.0), *DENSITY_RANGE_HU)),
                cortex_mm=shell * float(rng.normal(1.0, 0.08)),
                endplate_mm=shell * float(rng.uniform(1.0, 1.5)),
                concavity_mm=float(rng.uniform(0.5, 2.2)) + (3.0 * loss if fractured else 0.0),
                wedge=loss,
                osteophyte_mm=(min(spur, 13.0), min(spur_left, 13.0)),
                sclerosis_hu=120.0 * degeneration * float(rng.random()) if rng.random() < 0.35 else 0.0,
                fractured=bool(fractured),
            )
        )
    return _placed(bodies, kyphosis, scoliosis, phase)


def _placed(bodies: list[Vertebra], kyphosis: float, scoliosis: float, phase: float) -> tuple[Vertebra, ...]:
    """The bodies stacked with their discs, T12's centre at z = 0, along a bent centre line."""
    tops = np.cumsum([0.0] + [body.height_mm + body.disc_mm for body in bodies[:-1]])
    centres = -(tops + np.array([body.height_mm / 2 for body in bodies]))
    centres -= centres[LEVELS.index("T12")]
    apex = centres[LEVELS.index("T7")]
    bow = (centres - apex) / 150.0
    sideways = scoliosis * np.sin(centres / 75.0 + phase)
    backwards = -kyphosis * bow**2
    backwards -= backwards[LEVELS.index("T12")]
    slopes = -2.0 * kyphosis * bow / 150.0
    return tuple(
        replace(body, x_mm=float(x), y_mm=float(y), z_mm=float(z), tilt=float(slope))
        for body, x, y, z, slope in zip(bodies, sideways, backwards, centres, slopes, strict=True)
    )

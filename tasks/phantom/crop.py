"""The model's input, straight from a generated patient: the slab at mid-vertebra, centred on the body."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.phantom.canvas import Canvas
from tasks.phantom.patient import Patient
from tasks.phantom.scanner import Scanner, bone_factor, expose
from tasks.phantom.section import paint_section
from tasks.phantom.trunk import Trunk

CROP_SIDE = 224
CROP_PIXEL_MM = 0.625
SLAB_MM = 5.0

# Painted about the crop and cut off again, so that the kernel's wrap-around does not show.
_MARGIN = 8


def render_crop(
    patient: Patient, level: str, scanner: Scanner, rng: np.random.Generator, *, jitter: float = 1.0
) -> npt.NDArray[np.int16]:
    """One crop as the model sees it.

    Args:
        level: one of `patient.LEVELS`.
        jitter: how far the crop is off as a localiser's may be, and the patient askew: 0 for none.

    Returns:
        int16 Hounsfield units, shape (224, 224), pixels of 0.625 mm, rows to the back, columns to the left.

    Raises:
        ValueError: when `level` is unknown.
    """
    vertebra = patient.vertebra(level)
    off_x, off_y = np.clip(rng.normal(0.0, 2.2, 2), -7.0, 7.0) * jitter
    z_mm = vertebra.z_mm + float(np.clip(rng.normal(0.0, 1.3), -3.5, 3.5)) * jitter
    zoom = 1.0 + float(rng.normal(0.0, 0.025)) * jitter
    canvas = Canvas.blank(
        CROP_SIDE + 2 * _MARGIN,
        CROP_PIXEL_MM * zoom,
        (vertebra.x_mm + float(off_x), vertebra.y_mm + float(off_y)),
        thickness_mm=SLAB_MM,
        turn_rad=float(rng.normal(0.0, np.deg2rad(3.0))) * jitter,
    )
    canvas.warp(patient.seed, z_mm, 0.9 * jitter)
    bone = bone_factor(scanner.kvp)
    paint_section(canvas, Trunk.of(patient), z_mm, bone, rng)
    slices = max(SLAB_MM / scanner.spacing_mm, 1.0)
    image = expose(
        canvas.hu,
        scanner,
        rng,
        pixel_mm=CROP_PIXEL_MM,
        noise_hu=scanner.noise_hu / slices**0.5,
        resampled_from_mm=scanner.pixel_mm,
    )
    inner = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return np.clip(np.rint(inner), -1024, 3071).astype(np.int16)

"""Stored pixel values to Hounsfield units: rescale, padding, and the floor of the scale."""

from __future__ import annotations

import numpy as np

from tasks.dicom.codecs.base import Stored
from tasks.dicom.instance import Frame, Instance
from tasks.outcomes import Failed, Reason
from tasks.volume.geometry import HuImage

# Air is −1000 HU; below −1024 a CT holds no attenuation, only what scanners put outside the field of view.
FLOOR_HU = -1024
CEILING_HU = 32767
# A padding value that lies among tissue is a mistake of the header (0 where 0 is water): taken at its word it
# would cut holes into the patient.
TISSUE_HU = (-900.0, 3000.0)


def to_hu(stored: Stored, frame: Frame, instance: Instance) -> HuImage:
    """Hounsfield units of one frame, rounded to whole numbers, padding and everything below it at −1024.

    Raises:
        Failed: `unreadable_file` when the rescale is none.
    """
    slope, intercept = frame.slope, frame.intercept
    if not (np.isfinite([slope, intercept]).all() and slope > 0):
        raise Failed(Reason.UNREADABLE_FILE, f"rescale slope {slope:g} and intercept {intercept:g}")
    if slope == 1 and float(intercept).is_integer() and abs(intercept) <= CEILING_HU:
        scaled = stored.astype(np.int32) + np.int32(intercept)
    else:
        exact = np.rint(stored * np.float64(slope) + intercept)
        scaled = np.clip(exact, FLOOR_HU, CEILING_HU).astype(np.int32)
    hu: HuImage = np.clip(scaled, FLOOR_HU, CEILING_HU).astype(np.int16)
    padding = _padding_range(frame, instance)
    if padding is not None:
        hu[(stored >= padding[0]) & (stored <= padding[1])] = FLOOR_HU
    return hu


def _padding_range(frame: Frame, instance: Instance) -> tuple[int, int] | None:
    """Lowest and highest stored value that stand for no pixel; None when there are none to trust."""
    if instance.padding_value is None:
        return None
    limit = instance.padding_value if instance.padding_limit is None else instance.padding_limit
    low, high = sorted((instance.padding_value, limit))
    low_hu, high_hu = (value * frame.slope + frame.intercept for value in (low, high))
    if high_hu > TISSUE_HU[0] and low_hu < TISSUE_HU[1]:
        return None
    return low, high

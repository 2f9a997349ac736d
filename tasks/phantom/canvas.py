"""The sheet a section is painted on: soft-edged shapes in patient millimetres, laid one over another.

Shapes are signed distances (negative inside, millimetres). An edge as wide as a pixel, or wider where the
surface slopes through a thick slice, stands for partial volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Window = tuple[slice, slice]

_BANK_SIDE = 512


@dataclass(slots=True)
class Canvas:
    """A section under the brush.

    Attributes:
        x, y: patient millimetres of every pixel, shape (rows, columns), LPS; `warp` bends them a little.
        hu: what has been painted so far, Hounsfield units, same shape.
        pixel_mm: edge of a pixel.
        thickness_mm: thickness of the slab that the section stands for.
        corner_mm: patient x and y of the first pixel.
        along: direction of a row in the patient.
    """

    x: Field
    y: Field
    hu: Field
    pixel_mm: float
    thickness_mm: float
    corner_mm: tuple[float, float]
    along: tuple[float, float]

    @classmethod
    def blank(
        cls,
        side: int,
        pixel_mm: float,
        centre_mm: tuple[float, float],
        *,
        thickness_mm: float,
        turn_rad: float = 0.0,
    ) -> Canvas:
        """A square sheet of air, turned by `turn_rad` about its centre."""
        steps = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)) * np.float32(pixel_mm)
        cos, sin = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
        x = np.float32(centre_mm[0]) + cos * steps[None, :] - sin * steps[:, None]
        y = np.float32(centre_mm[1]) + sin * steps[None, :] + cos * steps[:, None]
        air = np.full((side, side), -1000.0, np.float32)
        corner = float(x[0, 0]), float(y[0, 0])
        return cls(x, y, air, pixel_mm, thickness_mm, corner, (float(cos), float(sin)))

    def part(self, window: Window) -> Canvas:
        """The sheet's pixels in a window, as a sheet of its own that paints on this one."""
        rows, columns = window
        right, down = columns.start * self.pixel_mm, rows.start * self.pixel_mm
        cos, sin = self.along
        corner = (
            self.corner_mm[0] + cos * right - sin * down,
            self.corner_mm[1] + sin * right + cos * down,
        )
        return Canvas(
            self.x[window],
            self.y[window],
            self.hu[window],
            self.pixel_mm,
            self.thickness_mm,
            corner,
            self.along,
        )

    def warp(self, seed: int, z_mm: float, reach_mm: float) -> None:
        """Bend the sheet, so that nothing painted on it is quite a circle; alike in neighbouring slices."""
        rng = np.random.default_rng([seed, 11])
        turn = z_mm / 25.0
        cos, sin = np.float32(np.cos(turn) * reach_mm), np.float32(np.sin(turn) * reach_mm)
        shape = self.hu.shape
        for grain_mm, share in ((22.0, 1.0), (9.0, 0.45)):
            fields = [texture(shape, rng, grain_px=round(grain_mm / self.pixel_mm)) for _ in range(4)]
            self.x += np.float32(share) * (cos * fields[0] + sin * fields[1])
            self.y += np.float32(share) * (cos * fields[2] + sin * fields[3])

    def around(self, x_mm: float, y_mm: float, radius_mm: float) -> Window | None:
        """The pixels within a square about a point; None when they lie off the sheet."""
        return self.box(x_mm, y_mm, radius_mm, radius_mm)

    def box(self, x_mm: float, y_mm: float, half_width_mm: float, half_depth_mm: float) -> Window | None:
        """The pixels within a rectangle about a point; None when they lie off the sheet."""
        rows, columns = self.hu.shape
        dx = (x_mm - self.corner_mm[0]) / self.pixel_mm
        dy = (y_mm - self.corner_mm[1]) / self.pixel_mm
        cos, sin = self.along
        column, row = dx * cos + dy * sin, dy * cos - dx * sin
        turned = abs(sin)
        # 3 mm for the warp
        across = (half_width_mm + turned * half_depth_mm + 3.0) / self.pixel_mm + 2
        down = (half_depth_mm + turned * half_width_mm + 3.0) / self.pixel_mm + 2
        top, bottom = max(int(row - down), 0), min(int(row + down) + 2, rows)
        left, right = max(int(column - across), 0), min(int(column + across) + 2, columns)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def lay(self, cover: Field, value: Field | float, window: Window | None = None) -> None:
        """Paint `value` (HU) where `cover` is 1, mix where it is between 0 and 1."""
        part = self.hu if window is None else self.hu[window]
        part += cover * (value - part)

    def ellipse(
        self,
        x_mm: float,
        y_mm: float,
        radii_mm: tuple[float, float],
        value: Field | float,
        *,
        turn_rad: float = 0.0,
        soft_mm: float = 1.2,
        strength: float = 1.0,
    ) -> None:
        """Paint a filled ellipse; `value` may be a texture bank's number over a mean through `Canvas.lay`."""
        window = self.around(x_mm, y_mm, max(radii_mm) + soft_mm)
        if window is None:
            return
        distance = ellipse_mm(self.x[window] - x_mm, self.y[window] - y_mm, radii_mm, turn_rad)
        cover = inside(distance, soft_mm)
        self.lay(cover if strength == 1.0 else cover * np.float32(strength), value, window)


def inside(distance_mm: Field, soft_mm: float) -> Field:
    """How much of a pixel lies within a shape: 1 inside, 0 outside, a ramp of `soft_mm` about the edge."""
    cover = distance_mm * np.float32(-1.0 / soft_mm)
    cover += np.float32(0.5)
    return np.clip(cover, 0.0, 1.0, out=cover)


def ellipse_mm(x: Field, y: Field, radii_mm: tuple[float, float], turn_rad: float = 0.0) -> Field:
    """Signed distance to an ellipse about the origin, exact on its edge, close nearby."""
    if turn_rad:
        cos, sin = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
        x, y = cos * x + sin * y, cos * y - sin * x
    px, py = x * np.float32(1 / radii_mm[0]), y * np.float32(1 / radii_mm[1])
    k0 = np.sqrt(px * px + py * py)
    px *= np.float32(1 / radii_mm[0])
    py *= np.float32(1 / radii_mm[1])
    k1 = np.sqrt(px * px + py * py) + np.float32(1e-6)
    distance: Field = k0 * (k0 - np.float32(1.0)) / k1
    return distance


def capsule_mm(
    x: Field, y: Field, start: tuple[float, float], end: tuple[float, float], radius: float, radius_end: float
) -> Field:
    """Signed distance to a rod with round ends whose radius runs from `radius` to `radius_end`."""
    ux, uy = end[0] - start[0], end[1] - start[1]
    length2 = max(ux * ux + uy * uy, 1e-6)
    qx, qy = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((qx * np.float32(ux) + qy * np.float32(uy)) * np.float32(1 / length2), 0.0, 1.0)
    qx -= along * np.float32(ux)
    qy -= along * np.float32(uy)
    distance: Field = (
        np.sqrt(qx * qx + qy * qy) - np.float32(radius) - along * np.float32(radius_end - radius)
    )
    return distance


@lru_cache(maxsize=32)
def _bank(grain_px: float, stretch: float) -> Field:
    """Tileable noise, mean 0, standard deviation 1; grains `grain_px` across, drawn out by `stretch`."""
    rng = np.random.default_rng([round(grain_px * 100), round(stretch * 100)])
    fy = np.fft.fftfreq(_BANK_SIDE)[:, None]
    fx = np.fft.rfftfreq(_BANK_SIDE)[None, :]
    frequency = np.hypot(fx * grain_px, fy * grain_px * stretch)
    spectrum = np.fft.rfft2(rng.standard_normal((_BANK_SIDE, _BANK_SIDE)))
    # a band about one cycle per two grains: coarser swings would shift the mean of a region of interest
    spectrum *= frequency * np.exp(-2.0 * frequency**2)
    field = np.fft.irfft2(spectrum, s=(_BANK_SIDE, _BANK_SIDE)).astype(np.float32)
    field -= field.mean()
    field /= field.std()
    field.setflags(write=False)
    return field


def texture(
    shape: tuple[int, int], rng: np.random.Generator, *, grain_px: float = 3.0, stretch: float = 1.0
) -> Field:
    """Noise of `shape`, mean 0 and standard deviation 1, from a random place of a bank; read-only.

    Raises:
        ValueError: when `shape` is larger than the bank.
    """
    if max(shape) > _BANK_SIDE:
        raise ValueError(f"a texture is at most {_BANK_SIDE} pixels across, not {max(shape)}")
    bank = _bank(grain_px, stretch)
    row = int(rng.integers(0, _BANK_SIDE - shape[0] + 1))
    column = int(rng.integers(0, _BANK_SIDE - shape[1] + 1))
    return bank[row : row + shape[0], column : column + shape[1]]

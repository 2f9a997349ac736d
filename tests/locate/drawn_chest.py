"""A chest drawn from ellipses, as a slice stack: everything in it stands where the test put it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.locate.anatomy import Body, Column
from tasks.volume.geometry import Geometry, HuImage

PIXEL_MM = 1.5
SIZE = 260
SPACING_MM = 5.0
SLICES = 86
BODY_Y_MM, CANAL_Y_MM = 50.0, 76.0
BoolImage = npt.NDArray[np.bool_]


@dataclass
class DrawnChest:
    """What to draw; patient z from 0 (lowest slice) to 425 mm."""

    lungs_mm: tuple[float, float] = (120.0, 360.0)
    carina_mm: float = 285.0
    blood_hu: float = 40.0
    aorta_x_mm: float | None = 26.0
    calcified: bool = False
    noise_hu: float = 12.0
    bowel_gas: bool = False
    arms: bool = False
    last_rib_mm: float = 60.0
    bodies_mm: tuple[float, ...] = (60.0, 90.0, 118.0, 145.0, 170.0, 194.0, 217.0)
    spots: list[tuple[float, float, float, float, float, float]] = field(default_factory=list)
    slices: int = SLICES

    def __post_init__(self) -> None:
        y, x = np.mgrid[0:SIZE, 0:SIZE] * PIXEL_MM - SIZE * PIXEL_MM / 2
        self._x, self._y = x, y
        self._drawn: dict[int, HuImage] = {}

    @property
    def geometry(self) -> Geometry:
        z_mm = tuple(SPACING_MM * index for index in range(self.slices))
        corner = -SIZE * PIXEL_MM / 2
        return Geometry(SIZE, SIZE, PIXEL_MM, z_mm, SPACING_MM, (corner, corner))

    @property
    def coarse(self) -> list[int]:
        return list(range(0, self.slices, 2))

    @property
    def column(self) -> Column:
        z_mm = tuple(self.geometry.z_mm[index] for index in self.coarse)
        many = len(z_mm)
        return Column(z_mm, ((0.0, CANAL_Y_MM),) * many, ((0.0, BODY_Y_MM),) * many, (18.0,) * many)

    @property
    def bodies(self) -> tuple[Body, ...]:
        return tuple(
            Body(0.0, BODY_Y_MM, z, z + 11.0, z - 11.0, 36.0, 29.0, confidence=1.0) for z in self.bodies_mm
        )

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        if index not in self._drawn:
            self._drawn[index] = self._draw(self.geometry.z_mm[index], index)
        return self._drawn[index]

    def _ellipse(self, x: float, y: float, half_x: float, half_y: float) -> BoolImage:
        inside: BoolImage = ((self._x - x) / half_x) ** 2 + ((self._y - y) / half_y) ** 2 <= 1.0
        return inside

    def _draw(self, z: float, index: int) -> HuImage:
        random = np.random.default_rng(index)
        image = np.full((SIZE, SIZE), -1000.0)
        image[self._ellipse(0, 10, 165, 115)] = -100.0
        image[self._ellipse(0, 10, 150, 100)] = 48.0
        if self.arms:
            for side in (-1, 1):
                image[self._ellipse(side * 182, 10, 12, 30)] = 48.0
        if self.bowel_gas and z < 150.0:
            image[self._ellipse(50, -40, 45, 30)] = -990.0
        self._draw_chest(image, z, random)
        self._draw_spine(image, z)
        for x, y, low, high, radius, spot_hu in self.spots:
            if low <= z <= high:
                image[self._ellipse(x, y, radius, radius)] = spot_hu
        image += random.normal(0.0, self.noise_hu, image.shape)
        drawn: HuImage = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        return drawn

    def _draw_chest(self, image: npt.NDArray[np.float64], z: float, random: np.random.Generator) -> None:
        low, high = self.lungs_mm
        image[self._ellipse(0, -20, 45, 60)] = -80.0
        if low <= z <= high:
            size = float(np.clip(min((z - low) / 60.0, (high - z) / 60.0) + 0.35, 0.35, 1.0))
            for side in (-1, 1):
                lung = self._ellipse(side * 78, 15, 55 * size, 72 * size)
                image[lung] = random.normal(-840.0, 70.0, int(lung.sum()))
        if low <= z <= self.carina_mm - 20.0:
            image[self._ellipse(5, -35, 40, 38)] = self.blood_hu
        if z > self.carina_mm:
            image[self._ellipse(0, -2, 9, 9)] = -1000.0
        elif z > self.carina_mm - 30.0:
            for side in (-1, 1):
                image[self._ellipse(side * (10 + 0.8 * (self.carina_mm - z)), -2, 7, 7)] = -1000.0
        if self.aorta_x_mm is not None and z < self.carina_mm:
            around = self._ellipse(self.aorta_x_mm, 28, 18, 18)
            image[around & (image > 0)] = -90.0
            image[self._ellipse(self.aorta_x_mm, 28, 13, 13)] = 700.0 if self.calcified else self.blood_hu
            image[self._ellipse(self.aorta_x_mm, 28, 11, 11)] = self.blood_hu

    def _draw_spine(self, image: npt.NDArray[np.float64], z: float) -> None:
        image[self._ellipse(0, BODY_Y_MM, 18, 14.5)] = 180.0
        image[self._ellipse(0, CANAL_Y_MM, 24, 12)] = 400.0
        image[self._ellipse(0, CANAL_Y_MM, 9, 9)] = 25.0
        for centre in np.arange(self.last_rib_mm, 420.0, 27.0):
            if centre - 16.0 <= z <= centre + 8.0:
                for side in (-1, 1):
                    image[self._ellipse(side * 48, CANAL_Y_MM + 4, 16, 5)] = 350.0

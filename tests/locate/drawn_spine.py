"""A spine drawn from ellipses, as a slice stack: vertebrae, discs and canal stand where the test put them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.volume.geometry import Geometry, HuImage

FloatArray = npt.NDArray[np.float64]
SIZE_MM = 260.0
#: Length of the vertebrae with their discs, from the lowest upwards, and of the disc of each.
LENGTHS_MM = (31.0, 30.0, 28.0, 27.0, 26.0, 25.0, 24.0)
DISC_MM = 5.0


@dataclass
class DrawnSpine:
    """What to draw; patient z 0 is the middle of the lowest disc.

    Attributes:
        trabecular_hu: of every body; discs are 90, cortex 420.
        lean: of the canal to the back, mm per mm of z; planes of the vertebrae lean with it.
        turned_deg: turn of the whole spine about z.
        bottom_mm, top_mm: patient z of the lowest and highest slice.
        upside_down: pedicles at the lower end of each vertebra.
    """

    trabecular_hu: float = 150.0
    spacing_mm: float = 2.5
    pixel_mm: float = 1.0
    noise_hu: float = 15.0
    lean: float = 0.0
    turned_deg: float = 0.0
    bottom_mm: float = -4.0
    top_mm: float = 170.0
    upside_down: bool = False
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.size = round(SIZE_MM / self.pixel_mm)
        steps = np.arange(self.size) * self.pixel_mm - SIZE_MM / 2
        self._x, self._y = np.meshgrid(steps, steps)
        self.edges_mm = np.concatenate([[0.0], np.cumsum(LENGTHS_MM)])

    @property
    def geometry(self) -> Geometry:
        z_mm = tuple(np.arange(self.bottom_mm, self.top_mm + 0.01, self.spacing_mm).tolist())
        corner = -SIZE_MM / 2
        return Geometry(self.size, self.size, self.pixel_mm, z_mm, self.spacing_mm, (corner, corner))

    @property
    def centres_mm(self) -> FloatArray:
        """Height of the middle of every body along the canal."""
        middles: FloatArray = (self.edges_mm[:-1] + self.edges_mm[1:]) / 2
        return middles

    def canal_y_mm(self, z_mm: float) -> float:
        return 40.0 + self.lean * (z_mm - 85.0)

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        self.seen.add(index)
        z = self.geometry.z_mm[index]
        turn = np.deg2rad(self.turned_deg)
        x = self._x * np.cos(turn) + self._y * np.sin(turn)
        y = -self._x * np.sin(turn) + self._y * np.cos(turn)
        image = np.full(x.shape, -1000.0)
        image[(x / 120) ** 2 + (y / 95) ** 2 <= 1.0] = 45.0
        behind = y - self.canal_y_mm(z)
        self._draw(image, x, behind, z + self.lean * behind)
        image += np.random.default_rng(index).normal(0.0, self.noise_hu, image.shape)
        drawn: HuImage = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        return drawn

    def _draw(self, image: FloatArray, x: FloatArray, behind: FloatArray, along: FloatArray) -> None:
        number = np.clip(np.searchsorted(self.edges_mm, along) - 1, 0, len(LENGTHS_MM) - 1)
        length = np.array(LENGTHS_MM)[number]
        phase = (along - self.edges_mm[number]) / length
        from_disc = np.minimum(phase, 1.0 - phase) * length
        phase = 1.0 - phase if self.upside_down else phase
        width = 18.0 * (0.84 + 0.34 * np.abs(2 * phase - 1) ** 2)
        reach = np.hypot(x / width, (behind + 24.0) / (width * 0.8))
        disc = from_disc < DISC_MM / 2
        image[(np.hypot(x / 34.0, (behind + 26.0) / 26.0) <= 1.0) & (behind < -8.0)] = -80.0
        image[reach <= 1.0] = 420.0
        inner = (reach <= 0.94) & (from_disc >= DISC_MM / 2 + 1.5)
        image[inner] = self.trabecular_hu
        image[(reach <= 1.0) & disc] = 90.0
        beside = (np.abs(x) > 9.0) & (np.abs(x) < 17.0) & (behind > -12.0) & (behind < 4.0)
        image[beside] = np.where((phase > 0.4) & (phase < 0.95), 380.0, 10.0)[beside]
        round_canal = np.hypot(x, behind)
        image[(round_canal < 14.0) & (round_canal >= 9.0) & (behind > 3.0)] = 420.0
        image[(np.abs(x) < 4.0) & (behind > 12.0) & (behind < 34.0)] = 380.0
        image[round_canal < 9.0] = 25.0

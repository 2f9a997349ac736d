"""How a generated scanner sees: tube voltage, reconstruction kernel, noise, streaks.

A kernel is a modulation transfer function and a noise power spectrum, both radial, as filtered back
projection gives them: noise rises with frequency (the ramp) until the kernel cuts it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft

from tasks.phantom.canvas import Field

Kernel = Literal["soft", "standard", "sharp"]

# Vendor: model names, and kernel names by kind, as their headers write them.
VENDORS: dict[str, tuple[tuple[str, ...], dict[Kernel, tuple[str, ...]]]] = {
    "GE MEDICAL SYSTEMS": (
        ("LightSpeed VCT", "Revolution CT"),
        {"soft": ("SOFT",), "standard": ("STANDARD",), "sharp": ("LUNG", "BONE")},
    ),
    "SIEMENS": (
        ("SOMATOM Definition AS", "Biograph 40"),
        {"soft": ("B19f", "B20f"), "standard": ("B31f", "B40f"), "sharp": ("B60f", "B70f")},
    ),
    "Philips": (
        ("Brilliance 16", "iCT 256"),
        {"soft": ("A",), "standard": ("B", "C"), "sharp": ("D", "L")},
    ),
    "TOSHIBA": (
        ("Aquilion", "Aquilion ONE"),
        {"soft": ("FC03",), "standard": ("FC08", "FC13"), "sharp": ("FC51", "FC86")},
    ),
}

# Mean L1 attenuation of 16,747 scans: 148.1 HU at 100 kVp, 140.9 at 120, 131.3 at 140. 80 kVp continues the
# curve in ln(kVp).
_KVP = (80.0, 100.0, 120.0, 140.0)
_BONE_AT_KVP = (1.117, 148.1 / 140.9, 1.0, 131.3 / 140.9)


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner and a protocol.

    Attributes:
        kernel, kernel_kind: the vendor's word, and what it amounts to.
        blur_mm: standard deviation of the point spread.
        edge_gain: overshoot of an edge-enhancing kernel, 0 for none.
        noise_peak_mm: period, in mm, at which the noise is strongest.
        noise_hu: standard deviation in one slice of `thickness_mm`.
        streak_hu: standard deviation of straight streaks.
        offset_hu: error of the calibration.
    """

    vendor: str
    model: str
    kvp: int
    kernel: str
    kernel_kind: Kernel
    blur_mm: float
    edge_gain: float
    noise_peak_mm: float
    noise_hu: float
    streak_hu: float
    offset_hu: float
    pixel_mm: float
    thickness_mm: float
    spacing_mm: float


def bone_factor(kvp: float) -> float:
    """What bone's attenuation at 120 kVp is multiplied by at another tube voltage, 80 to 140 kVp."""
    return float(np.exp(np.interp(np.log(kvp), np.log(_KVP), np.log(_BONE_AT_KVP))))


def sample_scanner(
    rng: np.random.Generator,
    *,
    kvp: int | None = None,
    kernel_kind: Kernel | None = None,
    vendor: str | None = None,
) -> Scanner:
    """Draw a scanner; what is given is kept."""
    maker = vendor or str(rng.choice(list(VENDORS)))
    models, kernels = VENDORS[maker]
    kind: Kernel = kernel_kind or ("soft", "standard", "sharp")[int(rng.choice(3, p=[0.3, 0.55, 0.15]))]
    blur, gain, peak, noise = {
        "soft": (rng.uniform(0.65, 1.0), 0.0, rng.uniform(5.0, 9.0), rng.uniform(8, 26)),
        "standard": (
            rng.uniform(0.4, 0.7),
            rng.uniform(0.0, 0.25),
            rng.uniform(3.2, 6.0),
            rng.uniform(10, 32),
        ),
        "sharp": (rng.uniform(0.25, 0.42), rng.uniform(0.2, 0.9), rng.uniform(1.8, 3.0), rng.uniform(30, 85)),
    }[kind]
    thickness = float(rng.choice([1.0, 1.25, 2.0, 2.5, 3.0, 5.0], p=[0.15, 0.25, 0.15, 0.2, 0.15, 0.1]))
    return Scanner(
        vendor=maker,
        model=str(rng.choice(models)),
        kvp=int(rng.choice([80, 100, 120, 140], p=[0.07, 0.23, 0.6, 0.1])) if kvp is None else kvp,
        kernel=str(rng.choice(kernels[kind])),
        kernel_kind=kind,
        blur_mm=float(blur),
        edge_gain=float(gain),
        noise_peak_mm=float(peak),
        noise_hu=float(noise),
        streak_hu=float(rng.gamma(1.2, 2.8)),
        offset_hu=float(rng.normal(0.0, 2.5)),
        pixel_mm=float(rng.uniform(0.6, 0.98)),
        thickness_mm=thickness,
        spacing_mm=thickness,
    )


def expose(
    hu: Field,
    scanner: Scanner,
    rng: np.random.Generator,
    *,
    pixel_mm: float,
    noise_hu: float,
    resampled_from_mm: float | None = None,
) -> Field:
    """The image a scanner makes of a painted section: blurred by its kernel, with its noise and streaks.

    Args:
        hu: the section, shape (rows, columns).
        pixel_mm: edge of its pixels.
        noise_hu: standard deviation of the noise in this image.
        resampled_from_mm: pixel of the scan when `hu` stands for a linear resampling of it.

    Returns:
        float32 HU, same shape.
    """
    rows, columns = hu.shape
    transfer, grain = _filters(scanner, rows, columns, pixel_mm, resampled_from_mm)
    white = rng.standard_normal((rows, columns), dtype=np.float32)
    white *= np.float32(noise_hu)
    spectrum = scipy.fft.rfft2(hu)
    spectrum *= transfer
    noise = scipy.fft.rfft2(white)
    noise *= grain
    spectrum += noise
    image = scipy.fft.irfft2(spectrum, s=(rows, columns)).astype(np.float32, copy=False)
    if scanner.streak_hu > 0.5:
        image += _streaks(rows, columns, scanner.streak_hu, rng)
    image += np.float32(scanner.offset_hu)
    return image


@lru_cache(maxsize=8)
def _filters(
    scanner: Scanner, rows: int, columns: int, pixel_mm: float, resampled_from_mm: float | None
) -> tuple[Field, Field]:
    """What the kernel does to the object and to white noise of standard deviation 1, on `rfft2`'s grid."""
    fy = np.fft.fftfreq(rows, pixel_mm).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(columns, pixel_mm).astype(np.float32)[None, :]
    f2 = fx * fx + fy * fy
    transfer = np.exp(np.float32(-2 * np.pi**2 * scanner.blur_mm**2) * f2)
    if scanner.edge_gain:
        peak2 = np.float32(0.35**2)  # cycles per mm squared where edge-enhancing kernels lift most
        transfer *= 1 + np.float32(scanner.edge_gain) * (f2 / peak2) * np.exp(1 - f2 / peak2)
    cutoff2 = np.float32((1.0 / scanner.noise_peak_mm) ** 2)
    grain = np.sqrt(f2) * np.exp(f2 * (-0.5 / cutoff2))
    if resampled_from_mm is not None:
        smoothing = (np.sinc(fx * resampled_from_mm) * np.sinc(fy * resampled_from_mm)).astype(np.float32)
        transfer *= smoothing
        grain *= smoothing
    # Parseval: the sum over the half spectrum, each column but the first standing for two
    power = 2 * float(np.sum(grain * grain)) - float(np.sum(grain[:, 0] ** 2))
    grain *= np.float32(np.sqrt(rows * columns / power))
    return transfer.astype(np.float32), grain.astype(np.float32)


def _streaks(rows: int, columns: int, strength_hu: float, rng: np.random.Generator) -> Field:
    """Straight, faint streaks in two directions, near to the left-right one that the shoulders cause."""
    total = np.zeros((rows, columns), np.float32)
    for _ in range(2):
        angle = float(rng.normal(np.pi / 2, 0.5))
        profile = rng.standard_normal(rows + columns).astype(np.float32)
        profile += np.roll(profile, 1) + np.roll(profile, 2)
        profile *= np.float32(strength_hu / np.sqrt(6.0))
        across = np.arange(columns, dtype=np.float32)[None, :] * np.float32(abs(np.cos(angle)) * 0.7)
        down = np.arange(rows, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * 0.7)
        total += np.take(profile, (across + down).astype(np.intp))
    return total

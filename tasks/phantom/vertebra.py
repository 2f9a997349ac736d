"""Paints one vertebra's section: body with shell and endplates, basivertebral vein, arch, canal, disc."""

from __future__ import annotations

import numpy as np

from tasks.phantom.canvas import Canvas, Field, capsule_mm, ellipse_mm, inside, texture
from tasks.phantom.patient import Patient
from tasks.phantom.spine import LEVELS, Vertebra

_ANGLES = np.linspace(-np.pi, np.pi, 181, dtype=np.float32)
_CANAL_DEPTH_MM = 8.0
# A body is this much narrower in its middle than at its endplates.
_WAIST = 0.84
_METAL_HU = 6000.0
_BLOOD_IN_VEIN_HU = 45.0
_ANNULUS_HU, _NUCLEUS_HU = 98.0, 78.0


def paint_spine(canvas: Canvas, patient: Patient, z_mm: float, bone: float, rng: np.random.Generator) -> None:
    """Paint what a slab at `z_mm` shows of every vertebra it meets.

    Args:
        canvas: with the soft tissue already on it.
        z_mm: middle of the slab, the patient's frame.
        bone: factor of bone's attenuation at the scan's tube voltage (`scanner.bone_factor`).
        rng: for textures.
    """
    near = [v for v in patient.vertebrae if v.bottom_mm - 40.0 < z_mm < v.top_mm + 22.0]
    here = [v for v in near if v.bottom_mm - v.disc_mm - 7.0 < z_mm < v.top_mm + 7.0]
    for vertebra in here:
        _paint_disc(canvas, vertebra, z_mm)
    if here:
        _paint_canal(canvas, min(here, key=lambda v: abs(v.z_mm - z_mm)), z_mm)
    for vertebra in here:
        _paint_body(canvas, patient, vertebra, z_mm, bone, rng)
    for vertebra in near:
        _paint_arch(canvas, patient, vertebra, z_mm, bone, rng)
    for vertebra in here:
        if vertebra.hardware:
            _paint_screws(canvas, vertebra, z_mm)


def _axis(vertebra: Vertebra, z_mm: float) -> tuple[float, float]:
    """Where the body's axis passes the slab."""
    return vertebra.x_mm, vertebra.y_mm + vertebra.tilt * (z_mm - vertebra.z_mm)


def _height_mm(dy: Field, vertebra: Vertebra, z_mm: float) -> Field:
    """Height above the body's middle plane, along its axis, `dy` behind the axis."""
    sagging = dy + np.float32(vertebra.tilt * (z_mm - vertebra.z_mm))
    height: Field = np.float32(z_mm - vertebra.z_mm) + np.float32(vertebra.tilt) * sagging
    height *= np.float32(1 / np.sqrt(1 + vertebra.tilt**2))
    return height


def _outline(vertebra: Vertebra, bulge: float, rise: float) -> tuple[Field, Field]:
    """Radius of the body by angle (0 forwards, positive to the left), without and with osteophytes."""
    a, b = vertebra.width_mm / 2 * bulge, vertebra.depth_mm / 2 * bulge**0.5
    sin, cos = np.sin(_ANGLES), np.cos(_ANGLES)
    taper = 1.0 - (0.28 if vertebra.level.startswith("T") else 0.08) * np.clip(cos, 0.0, 1.0)
    radius = (np.abs(sin / (a * taper)) ** 2.5 + np.abs(cos / b) ** 2.5) ** (-1 / 2.5)
    backwards = np.minimum(np.abs(_ANGLES - np.pi), np.abs(_ANGLES + np.pi))
    radius = radius * (1.0 - 0.15 * np.exp(-((backwards / 0.45) ** 2)))
    right, left = vertebra.osteophyte_mm
    spurs = right * np.exp(-(((_ANGLES + 0.75) / 0.33) ** 2)) + left * np.exp(-(((_ANGLES - 0.8) / 0.3) ** 2))
    grown = radius + spurs * rise
    return radius.astype(np.float32), grown.astype(np.float32)


def _paint_body(
    canvas: Canvas, patient: Patient, vertebra: Vertebra, z_mm: float, bone: float, rng: np.random.Generator
) -> None:
    x0, y0 = _axis(vertebra, z_mm)
    window = canvas.around(x0, y0, vertebra.width_mm / 2 + 15.0)
    if window is None:
        return
    dx, dy = canvas.x[window] - np.float32(x0), canvas.y[window] - np.float32(y0)
    rho = np.sqrt(dx * dx + dy * dy)
    turn = (
        (np.arctan2(dx, -dy) + np.float32(np.pi)) * np.float32(180 / (2 * np.pi)) + np.float32(0.5)
    ).astype(np.intp)
    middle = (z_mm - vertebra.z_mm) / (vertebra.height_mm / 2)
    waist = _WAIST + (1.0 - _WAIST) * min(middle * middle, 1.2)
    plain, grown = (
        radius[turn] for radius in _outline(vertebra, waist, 0.55 + 0.45 * min(middle * middle, 1.0))
    )
    side = rho - grown

    height = _height_mm(dy, vertebra, z_mm)
    dish = np.float32(vertebra.concavity_mm) * np.clip(1 - (rho / plain) ** 2, 0.0, 1.0)
    forwards = np.clip(0.5 - dy * np.float32(1 / vertebra.depth_mm), 0.0, 1.0)
    ends = np.maximum(
        height + dish + forwards * np.float32(vertebra.wedge * vertebra.height_mm), -height + dish
    ) - np.float32(vertebra.height_mm / 2)

    soft = canvas.pixel_mm * 0.9 + 0.08 * canvas.thickness_mm
    thick = max(canvas.thickness_mm, 0.6)
    within, standing = inside(side, soft), inside(ends, thick)
    # the wall is thinnest at the waist, and thickens towards the rims
    wall = vertebra.cortex_mm * (0.75 + 0.6 * min(middle * middle, 1.0))
    rim = within - inside(side + np.float32(wall), soft)
    plate = standing - inside(ends + np.float32(vertebra.endplate_mm), thick)
    shell = np.maximum(rim * standing, plate * within)

    trabecular = vertebra.trabecular_hu * bone
    value = _cancellous(rho.shape, trabecular, patient.trabecular_contrast, rng)
    # trabeculae crowd towards the endplates, more so where these are sclerotic
    crowding = 50.0 + 0.1 * trabecular + vertebra.sclerosis_hu * bone
    value += np.float32(crowding) * np.exp(np.minimum(ends, 0.0) * np.float32(1 / 2.3))
    value += np.clip((rho - plain) * np.float32(0.7), 0.0, 1.0) * np.float32((420.0 + trabecular) * bone)
    _open_vein(value, dx, dy, vertebra, float(middle), patient.basivertebral)
    value += shell * (np.float32(_cortex_hu(vertebra, bone)) - value)
    canvas.lay(within * standing, value, window)


def _cancellous(shape: tuple[int, int], mean_hu: float, contrast: float, rng: np.random.Generator) -> Field:
    """Trabecular bone: struts of two sizes about the mean."""
    grain = np.float32(contrast * (8.0 + 0.085 * mean_hu))
    value: Field = grain * texture(shape, rng, grain_px=2.5)
    value += np.float32(0.6) * grain * texture(shape, rng, grain_px=5.0)
    value += np.float32(mean_hu)
    return value


def _cortex_hu(vertebra: Vertebra, bone: float) -> float:
    """Attenuation of compact bone; thin cortex is porous too."""
    return (700.0 + 450.0 * min(vertebra.cortex_mm, 1.0) + 0.8 * vertebra.trabecular_hu) * bone


def _open_vein(
    value: Field, dx: Field, dy: Field, vertebra: Vertebra, middle: float, strength: float
) -> None:
    """The basivertebral vein: a channel from the back wall to the middle, open about mid-height only."""
    opening = strength * np.exp(-((middle / 0.3) ** 2))
    if opening < 0.05:
        return
    wall = vertebra.depth_mm * 0.42
    fork = np.abs(dx)
    channel = capsule_mm(fork, dy, (0.0, wall), (0.0, wall * 0.45), 2.4, 1.2)
    channel = np.minimum(channel, capsule_mm(fork, dy, (0.0, wall * 0.45), (5.0, wall * 0.1), 0.9, 0.5))
    value += inside(channel, 1.4) * np.float32(0.75 * opening) * (np.float32(_BLOOD_IN_VEIN_HU) - value)


def _paint_disc(canvas: Canvas, vertebra: Vertebra, z_mm: float) -> None:
    """The disc below a body, as wide as its endplate; bodies are painted over it."""
    x0, y0 = _axis(vertebra, z_mm)
    radii = (vertebra.width_mm / 2 * 1.04, vertebra.depth_mm / 2 * 1.03)
    window = canvas.around(x0, y0, radii[0] + 4.0)
    if window is None:
        return
    dx, dy = canvas.x[window] - np.float32(x0), canvas.y[window] - np.float32(y0)
    below = -_height_mm(dy, vertebra, z_mm) - np.float32(vertebra.height_mm / 2)
    sunk = np.float32(vertebra.concavity_mm)
    ends = np.maximum(-below - sunk, below - np.float32(vertebra.disc_mm) - sunk - np.float32(1.0))
    standing = inside(ends, max(canvas.thickness_mm, 0.6))
    annulus = inside(ellipse_mm(dx, dy, radii), 1.5)
    nucleus = inside(ellipse_mm(dx, dy - np.float32(1.5), (radii[0] * 0.68, radii[1] * 0.62)), 5.0)
    canvas.lay(annulus * standing, _ANNULUS_HU - np.float32(_ANNULUS_HU - _NUCLEUS_HU) * nucleus, window)


def _canal(vertebra: Vertebra) -> tuple[float, float]:
    """Half width of the canal, and how far its centre lies behind the body's axis."""
    lumbar = vertebra.level.startswith("L")
    return (11.0 if lumbar else 8.8), vertebra.depth_mm / 2 * 0.86 + _CANAL_DEPTH_MM


def _paint_canal(canvas: Canvas, vertebra: Vertebra, z_mm: float) -> None:
    x0, y0 = _axis(vertebra, z_mm)
    half, behind = _canal(vertebra)
    canvas.ellipse(x0, y0 + behind, (half + 1.0, _CANAL_DEPTH_MM + 1.5), -40.0, soft_mm=1.5)
    canvas.ellipse(x0, y0 + behind - 0.8, (half - 1.2, _CANAL_DEPTH_MM - 1.2), 16.0, soft_mm=1.5)
    if LEVELS.index(vertebra.level) <= LEVELS.index("L1"):
        canvas.ellipse(x0, y0 + behind - 0.5, (4.8, 3.8), 38.0, soft_mm=1.5)


def _arch_mm(fork: Field, back: Field, vertebra: Vertebra, z_mm: float) -> Field:
    """Signed distance to the posterior elements; `fork` is |x| and `back` is y, from the body's axis."""
    half, behind = _canal(vertebra)
    unit = vertebra.height_mm / 2
    height = z_mm - vertebra.z_mm
    thoracic = vertebra.level.startswith("T") and vertebra.level not in ("T11", "T12")
    lamina_y = behind + _CANAL_DEPTH_MM + 2.5
    girth = vertebra.width_mm / 40.0
    tip = (
        (vertebra.width_mm / 2 + 13.0, behind + 15.0)
        if thoracic
        else (vertebra.width_mm / 2 + 15.0, behind + 6.0)
    )
    if vertebra.level in ("T11", "T12"):
        tip = (vertebra.width_mm / 2 + 4.0, behind + 11.0)
    pillar = (half + 3.2, behind + 3.5)
    # start, end, radius at each, lower and upper limit in half heights
    parts = [
        ((vertebra.width_mm * 0.34, behind - 10.5), pillar, 3.6 * girth, 3.3 * girth, 0.05, 0.75),
        (pillar, (0.0, lamina_y), 3.2, 2.8, -1.15, 0.45),
        (pillar, tip, 3.6, 3.9 if thoracic else 2.4, 0.0, 0.6),
        ((half + 5.0, behind + 5.0), (half + 5.5, behind + 6.0), 4.2, 3.4, 0.5, 1.25),
        ((half + 3.0, behind + 8.5), (half + 2.0, behind + 8.0), 4.0, 3.2, -1.75, -0.8),
    ]
    if thoracic:
        drop = np.clip(-height / unit, 0.0, 2.8)
        root = lamina_y + 1.0 + 6.0 * drop
        parts.append(((0.0, root), (0.0, root + 13.0 - 2.5 * drop), 2.6, 2.9, -2.6, -0.15))
    else:
        parts.append(((0.0, lamina_y), (0.0, lamina_y + 25.0), 2.6, 3.8, -1.5, -0.1))
    distance: Field | None = None
    for start, end, radius, radius_end, low, high in parts:
        beyond = max(low * unit - height, height - high * unit, 0.0)
        if beyond > 6.0:
            continue
        part = capsule_mm(fork, back, start, end, radius - 0.6 * beyond, radius_end - 0.6 * beyond)
        distance = part if distance is None else np.minimum(distance, part)
    return np.full_like(fork, 99.0) if distance is None else distance


def _paint_arch(
    canvas: Canvas, patient: Patient, vertebra: Vertebra, z_mm: float, bone: float, rng: np.random.Generator
) -> None:
    unit = vertebra.height_mm / 2
    if not -3.2 * unit < z_mm - vertebra.z_mm < 1.9 * unit:
        return
    x0, y0 = _axis(vertebra, min(max(z_mm, vertebra.bottom_mm), vertebra.top_mm))
    window = canvas.around(x0, y0 + 30.0, vertebra.width_mm / 2 + 22.0)
    if window is None:
        return
    fork = np.abs(canvas.x[window] - np.float32(x0))
    distance = _arch_mm(fork, canvas.y[window] - np.float32(y0), vertebra, z_mm)
    distance += np.float32(0.45) * texture(fork.shape, rng, grain_px=11.0)
    soft = canvas.pixel_mm * 0.9 + 0.22 * canvas.thickness_mm
    cover = inside(distance, soft)
    shell = cover - inside(distance + np.float32(vertebra.cortex_mm * 1.5 + 0.1), soft)
    trabecular = (vertebra.trabecular_hu * 0.85 + 45.0) * bone
    value = _cancellous(fork.shape, trabecular, 1.6 * patient.trabecular_contrast, rng)
    value += shell * (np.float32(_cortex_hu(vertebra, bone)) - value)
    canvas.lay(cover, value, window)


def _paint_screws(canvas: Canvas, vertebra: Vertebra, z_mm: float) -> None:
    """A pair of pedicle screws, from behind the pillar into the body, and their heads."""
    x0, y0 = _axis(vertebra, z_mm)
    if abs(z_mm - vertebra.z_mm - 0.4 * vertebra.height_mm / 2) > 5.0:
        return
    window = canvas.around(x0, y0 + 10.0, 60.0)
    if window is None:
        return
    half, behind = _canal(vertebra)
    fork = np.abs(canvas.x[window] - np.float32(x0))
    back = canvas.y[window] - np.float32(y0)
    rod = capsule_mm(fork, back, (half + 6.0, behind + 22.0), (vertebra.width_mm * 0.2, -4.0), 3.0, 2.6)
    head = capsule_mm(fork, back, (half + 6.0, behind + 20.0), (half + 6.0, behind + 27.0), 6.0, 6.0)
    canvas.lay(inside(np.minimum(rod, head), 1.0), _METAL_HU, window)

"""The vertebrae of a study measured together: each body by itself, then each among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.locate.anatomy import Body
from tasks.measure.doubts import noise_doubts
from tasks.measure.kvp import to_120_kvp
from tasks.measure.outliers import too_bright
from tasks.measure.trabecular import Trabecular, measure_trabecular
from tasks.outcomes import Excluded, Warn
from tasks.settings import Settings
from tasks.volume.geometry import SliceStack


@dataclass(frozen=True, slots=True)
class Vertebra:
    """One vertebral body with what was measured in it.

    Attributes:
        hu_120kvp: trabecular attenuation as at 120 kVp; None when the tube voltage is not known.
    """

    body: Body
    trabecular: Trabecular
    hu_120kvp: float | None


def measure_vertebrae(
    stack: SliceStack, bodies: Sequence[Body], kvp: float | None, settings: Settings
) -> tuple[tuple[Vertebra, ...], tuple[Warn, ...]]:
    """Every body that can be measured, without those that are too bright among the others to be sound.

    Args:
        bodies: those chosen to be measured, from the lowest upwards.
        kvp: tube voltage of the slices; None when the header has none.
        settings: of them `vertebrae` and `tube_voltage`.

    Returns:
        The vertebrae in the order of the bodies, and the doubts about them.

    Raises:
        Excluded: `implausible_anatomy` or `spine_not_covered`, as the last body that could not be measured,
            when fewer than `vertebrae.min_bodies` can.
        Failed: when slices cannot be read.
    """
    limits = settings.vertebrae
    measured = _measurable(stack, bodies, limits.min_bodies)
    left_out = too_bright([region.hu for _, region in measured], limits.max_brighter_hu, limits.min_bodies)
    doubts = [Warn.POSSIBLE_FRACTURE] if left_out or len(measured) < len(bodies) else []
    vertebrae = []
    for index, (body, region) in enumerate(measured):
        if index not in left_out:
            at_120kvp, of_kvp = to_120_kvp(region.hu, kvp, settings.tube_voltage)
            vertebrae.append(Vertebra(body, region, at_120kvp))
            doubts += of_kvp
    doubts += noise_doubts([vertebra.trabecular.sd_hu for vertebra in vertebrae], limits.noisy_sd_hu)
    return tuple(vertebrae), tuple(doubts)


def _measurable(stack: SliceStack, bodies: Sequence[Body], least: int) -> list[tuple[Body, Trabecular]]:
    """The bodies that can be measured; the last refusal is raised when too few are left."""
    measured = []
    refusal: Excluded | None = None
    for body in bodies:
        try:
            measured.append((body, measure_trabecular(stack, body)))
        except Excluded as refused:
            refusal = refused
    if refusal is not None and len(measured) < least:
        raise refusal
    return measured

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.locate.sampling import SLABS_MM, affordable_range_mm, coarse_slices, fine_slices
from tasks.volume.geometry import Geometry


def _grid(slices: int, spacing_mm: float) -> Geometry:
    z_mm = tuple(spacing_mm * index for index in range(slices))
    return Geometry(4, 4, 1.0, z_mm, spacing_mm, (0.0, 0.0))


@given(st.integers(10, 900), st.floats(0.5, 5.0))
def test_coarse_slices_are_among_the_fine_ones(slices: int, spacing_mm: float) -> None:
    geometry = _grid(slices, spacing_mm)
    fine, coarse = fine_slices(geometry), coarse_slices(geometry)
    assert set(coarse) <= set(fine)
    assert all(0 <= index < slices for index in fine)
    gap_mm = (fine[1] - fine[0]) * spacing_mm
    assert gap_mm <= 3.0 + 1e-6 or fine[1] - fine[0] == 1


@given(st.integers(200, 900), st.floats(0.5, 1.25))
def test_thin_slices_are_read_in_part(slices: int, spacing_mm: float) -> None:
    geometry = _grid(slices, spacing_mm)
    reach_mm = affordable_range_mm(geometry)
    if reach_mm <= 110.0 or geometry.coverage_mm < 150.0:
        return
    within = sum(geometry.z_mm[index] <= reach_mm for index in fine_slices(geometry))
    beyond = sum(geometry.z_mm[index] > reach_mm for index in coarse_slices(geometry))
    assert within + beyond + SLABS_MM / spacing_mm <= 0.40 * slices + 3

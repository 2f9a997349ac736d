"""The picture is a picture of what was measured, of its size, and of nobody in particular."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.text import Text
from PIL import Image

from tasks.explain import picture
from tasks.explain.picture import HEIGHT_PX, WIDTH_PX, draw_explanation
from tasks.explain.strip import sagittal_strip
from tasks.outcomes import Warn
from tests.explain.scene import SLICES, SPACING_MM, BandedStack, column, scene

LARGE_HEATMAP = (slice(200, 400), slice(1120, 1320))  # rows, columns of the picture


def pixels(png: bytes) -> npt.NDArray[np.int16]:
    """RGB, shape (900, 1400, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int16)


def colourfulness(image: npt.NDArray[np.int16]) -> float:
    """Mean difference between the largest and smallest channel: 0 where all is grey."""
    return float((image.max(axis=-1) - image.min(axis=-1)).mean())


def texts(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """All words in a picture."""
    kept: list[str] = []
    png = picture._png

    def listen(canvas: object) -> bytes:
        kept.extend(item.get_text() for item in canvas.figure.findobj(Text))  # type: ignore[attr-defined]
        return png(canvas)  # type: ignore[arg-type]

    monkeypatch.setattr(picture, "_png", listen)
    draw_explanation(*arguments)  # type: ignore[arg-type]
    return " ".join(" ".join(kept).split())


@pytest.mark.parametrize("vertebrae", [1, 2, 4])
def test_size_and_format(vertebrae: int) -> None:
    row, views = scene([50.0] * vertebrae, [1.0] * vertebrae)
    strip = sagittal_strip(BandedStack(), range(0, SLICES, 4), column())
    png = draw_explanation(row, views, strip)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (WIDTH_PX, HEIGHT_PX))
    assert not image.info, "no metadata that could carry anything"
    assert len(png) < 400_000


def test_words(monkeypatch: pytest.MonkeyPatch) -> None:
    row, views = scene([52.0, 40.0, 300.0, 60.0], [2.0, 2.0, 2.0, 2.0], [Warn.POSSIBLE_FRACTURE])
    told = texts(monkeypatch, row, views, None)
    for part in (
        "HIGH",
        "median 56 HU at 120 kVp",
        "probability of osteoporosis 0.88",
        "phantom-reference weights: not for clinical use",
        "NOT FOR CLINICAL USE",
        "does not rule out low bone density",
        Warn.POSSIBLE_FRACTURE.sentence,
        Warn.VERTEBRAE_DISAGREE.sentence[:40],
        "L1",
        "T12",
        "T11",
        "T10",
    ):
        assert part in told
    for private in (row.study_uid, row.patient_key, "2026", row.series_uid or ""):
        assert private not in told


def test_validated_weights_are_not_called_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    row, views = scene([250.0] * 3, [-3.0] * 3, label="cohort-2027")
    told = texts(monkeypatch, row, views, None)
    assert "cohort-2027 weights" in told
    assert "CLINICAL USE" not in told
    assert "No warnings" in told


def test_more_warnings_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    row, views = scene([250.0] * 3, [-3.0] * 3, list(Warn))
    assert "more: see osteoscreen explain" in texts(monkeypatch, row, views, None)


def test_heat_is_shown_where_the_model_was_moved_and_not_blown_up() -> None:
    hot = pixels(draw_explanation(*scene([50.0] * 3, [3.0] * 3), None))[LARGE_HEATMAP]
    cold = pixels(draw_explanation(*scene([250.0] * 3, [-3.0] * 3), None))[LARGE_HEATMAP]
    faint = pixels(draw_explanation(*scene([250.0] * 3, [0.05] * 3), None))[LARGE_HEATMAP]
    assert colourfulness(hot) > 30
    assert colourfulness(cold) < 3
    assert colourfulness(faint) < 3


def test_a_vertebra_that_the_model_did_not_see_can_be_shown() -> None:
    row, views = scene([50.0] * 3, [3.0] * 3)
    blind = [replace(view, heatmap=None, row=replace(view.row, logit=None, level=None)) for view in views]
    image = pixels(draw_explanation(row, blind, None))
    assert colourfulness(image[LARGE_HEATMAP]) < 3


@pytest.mark.parametrize("hu", [-80.0, 1500.0])
def test_extreme_values_stay_inside_the_picture(hu: float) -> None:
    assert draw_explanation(*scene([hu] * 3, [0.0] * 3), None)


def test_nothing_to_show_is_a_bug() -> None:
    row, views = scene([50.0], [1.0])
    with pytest.raises(ValueError, match="scored study"):
        draw_explanation(row, [], None)
    with pytest.raises(ValueError, match="cut-offs"):
        draw_explanation(row, [replace(views[0], row=replace(views[0].row, high_cutoff_hu=None))], None)


def test_pictures_are_the_same_drawn_side_by_side() -> None:
    row, views = scene([52.0, 40.0, 60.0], [2.0, 1.0, 0.0])
    alone = draw_explanation(row, views, None)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda _: draw_explanation(row, views, None), range(3)))
    assert all(png == alone for png in together)


def test_the_strip_asks_for_no_slice_that_was_not_read() -> None:
    stack = BandedStack()
    read = [0, 8, 16, 24, 40, 59]
    strip = sagittal_strip(stack, read, column())
    assert strip is not None
    assert stack.asked == set(read)
    assert strip.read_z_mm == tuple(SPACING_MM * index for index in read)


def test_the_strip_interpolates_between_slices_and_leaves_large_gaps_empty() -> None:
    strip = sagittal_strip(BandedStack(), [0, 8, 16, 40], column())
    assert strip is not None
    z_mm = strip.top_mm - 0.5 - np.arange(len(strip.hu))
    near = z_mm < 16 * SPACING_MM
    expected = 10 * z_mm[near] / SPACING_MM  # HU rises by ten a slice
    assert np.allclose(strip.hu[near], expected[:, None], atol=0.1)
    assert np.isnan(strip.hu[~near]).all(), "60 mm without a slice"
    assert strip.back_mm - strip.front_mm == pytest.approx(strip.hu.shape[1])


def test_one_slice_makes_no_strip() -> None:
    assert sagittal_strip(BandedStack(), [3, 3], column()) is None

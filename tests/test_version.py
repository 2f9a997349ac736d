"""The pipeline version: another question gives another one, another place to work does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.settings import (
    Calendar,
    Cluster,
    Contrast,
    DicomWeb,
    Dimse,
    Eligibility,
    Inference,
    LevelCutoff,
    Network,
    Scoring,
    Selection,
    Settings,
)
from tasks.version import PIPELINE_NUMBER, pipeline_version

PLAIN = Settings()
LAXER = tuple(
    row.model_copy(update={"high_hu": row.high_hu - 1}) if row.level == "L1" else row
    for row in Scoring().cutoffs
)


def with_(**values: Any) -> Settings:  # noqa: ANN401 - any setting
    return PLAIN.model_copy(update=values)


@pytest.mark.parametrize(
    "settings",
    [
        with_(eligibility=Eligibility(min_age_years=51)),
        with_(eligibility=Eligibility(unknown_age="warn")),
        with_(selection=Selection(max_slice_thickness_mm=3.0)),
        with_(contrast=Contrast(max_blood_hu=71.0)),
        with_(scoring=Scoring(model_high=0.51)),
        with_(scoring=Scoring(cutoffs=LAXER)),
    ],
)
def test_another_limit_is_another_question(settings: Settings) -> None:
    assert pipeline_version(settings) != pipeline_version(PLAIN)


@pytest.mark.parametrize(
    "settings",
    [
        with_(lake=Path("elsewhere")),
        with_(settle_minutes=30.0),
        with_(max_gone_share=1.0),
        with_(triton_url="triton:8001"),
        with_(keep_pictures=False),
        with_(keep_crops=True),
        with_(calendar=Calendar(night="02:00")),
        with_(patient_key_secret=SecretStr("key")),
        with_(eligibility=Eligibility(known_osteoporosis=Path("known.csv"))),
        with_(inference=Inference(timeout_s=1.0)),
        with_(cluster=Cluster(kind="inline", workers=1)),
        with_(network=Network(retries=0)),
        with_(dicomweb=DicomWeb(user="night")),
        with_(dimse=Dimse(calling_aet="NIGHT")),
    ],
)
def test_another_place_to_work_is_the_same_question(settings: Settings) -> None:
    assert pipeline_version(settings) == pipeline_version(PLAIN)


def test_equal_settings_made_apart_have_one_version() -> None:
    cutoffs = tuple(LevelCutoff(**row.model_dump()) for row in Scoring().cutoffs)
    assert pipeline_version(with_(scoring=Scoring(cutoffs=cutoffs))) == pipeline_version(Settings())


def test_the_code_has_a_number_of_its_own_in_front() -> None:
    number, digest = pipeline_version(PLAIN).rsplit("-", 1)
    assert number == PIPELINE_NUMBER
    assert len(digest) == 8
    assert int(digest, 16) >= 0

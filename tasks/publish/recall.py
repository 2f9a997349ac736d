"""What an earlier model version left of a study, for a later one to go on from.

Selection, localisation and measurement depend on no model. Where they were done under the same pipeline
version over the same content, only the score is owed; a refusal stands as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from tasks.outcomes import Reason
from tasks.publish.crops import crops_path
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey, StudyResult, key_of
from tasks.schema import TABLES, ScreeningRow, SeriesRow, VertebraRow


def recall(lake: Lake, keys: Collection[ScreeningKey]) -> dict[ScreeningKey, StudyResult]:
    """Of work that is owed, what another model version left of it; the newest where there are several.

    A scored study is among them only when its crops are kept; one that failed for a passing reason never.
    """
    wanted = {_without_model(key): key for key in keys}
    studies = sorted({key.study_uid for key in keys})
    rows: list[ScreeningRow] = TABLES["screenings"].read(lake.screenings.read(studies=studies))
    earlier: dict[ScreeningKey, ScreeningRow] = {}
    for row in sorted(rows, key=lambda row: row.screened_at):
        key = wanted.get(_without_model(key_of(row)))
        if key is None or row.model_version == key.model_version:
            continue
        if is_recallable(lake, key_of(row), row.reason):
            earlier[key] = row
    return _with_details(lake, earlier)


def is_recallable(lake: Lake, key: ScreeningKey, reason: str | None) -> bool:
    """Whether a later model version can go on from a row without the archive.

    Args:
        key, reason: of the row; without a reason it was scored.
    """
    if reason is None:
        return crops_path(lake, key).exists()
    return not Reason(reason).is_transient


def _without_model(key: ScreeningKey) -> tuple[str, str, str]:
    return key.study_uid, key.content_key, key.pipeline_version


def _with_details(
    lake: Lake, earlier: Mapping[ScreeningKey, ScreeningRow]
) -> dict[ScreeningKey, StudyResult]:
    """Each screening with its vertebrae, from the lowest up, and its series."""
    if not earlier:
        return {}
    studies = [key.study_uid for key in earlier]
    vertebrae: defaultdict[ScreeningKey, list[VertebraRow]] = defaultdict(list)
    for vertebra in TABLES["vertebrae"].read(lake.vertebrae.read(studies=studies)):
        vertebrae[key_of(vertebra)].append(vertebra)
    series: defaultdict[str, list[SeriesRow]] = defaultdict(list)
    for row in TABLES["series"].read(lake.series.read(studies=studies)):
        series[row.study_uid].append(row)
    return {
        key: StudyResult(
            screening=screening,
            vertebrae=tuple(sorted(vertebrae[key_of(screening)], key=lambda row: row.position)),
            series=tuple(series[key.study_uid]),
        )
        for key, screening in earlier.items()
    }

"""What is published stands in the lake once, whole, and in the right month."""

from __future__ import annotations

import json
import pickle
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.outcomes import ConfigurationError, Reason
from tasks.publish.database import build_database
from tasks.publish.lake import Lake
from tasks.publish.lock import LakeBusyError
from tasks.publish.query import worklist
from tasks.publish.result import StudyResult
from tasks.publish.storage import LakeError
from tasks.schema import Decision, ReviewRow, RunRow, RunStatus, SchemaError
from tests.publish.results import moment, result
from tests.rows import refused

results = st.builds(
    result,
    study=st.sampled_from(["1.2.3", "1.2.4"]),
    content=st.sampled_from(["c1", "c2"]),
    pipeline=st.sampled_from(["0.1", "0.2"]),
    model=st.sampled_from(["1", "2"]),
    hour=st.integers(0, 40),
    day=st.sampled_from([date(2026, 1, 9), date(2026, 2, 1), None]),
    vertebrae=st.integers(0, 3),
)


def rows(lake: Lake, table: str = "screenings") -> list[dict[str, Any]]:
    """All rows with their month, in a fixed order."""
    stored = pq.read_table(lake.root / table, partitioning="hive").to_pylist()
    return sorted(stored, key=lambda row: json.dumps(row, default=str, sort_keys=True))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(results, min_size=1, max_size=3), min_size=1, max_size=3))
def test_publishing_is_an_upsert(
    batches: Sequence[Sequence[StudyResult]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected: dict[tuple[str, ...], StudyResult] = {}
    for batch in batches:
        lake.publish(batch)
        expected |= {item.key: item for item in batch}
    stored = rows(lake)
    assert len(stored) == len(expected), "a key stands once"
    assert len(rows(lake, "vertebrae")) == sum(len(item.vertebrae) for item in expected.values())
    for item in expected.values():
        (row,) = [
            row for row in stored if row["content_key"] == item.screening.content_key and _is(row, item)
        ]
        assert row["screened_at"] == item.screening.screened_at
        day = item.screening.study_date
        assert row["study_month"] == (f"{day:%Y-%m}" if day else "unknown")
    for study, model in {(row["study_uid"], row["model_version"]) for row in stored}:
        group = [row for row in stored if (row["study_uid"], row["model_version"]) == (study, model)]
        current = [row for row in group if row["superseded_at"] is None]
        assert len(current) == 1, "one row stands for each study and model version"
        assert current[0]["screened_at"] == max(row["screened_at"] for row in group)
    again = batches[-1]
    lake.publish(again)
    assert rows(lake) == stored, "doing it again changes nothing"


def _is(row: dict[str, Any], item: StudyResult) -> bool:
    names = ("study_uid", "model_version", "pipeline_version")
    return all(row[name] == getattr(item.screening, name) for name in names)


@settings(max_examples=8, deadline=None)
@given(batch=st.lists(results, min_size=2, max_size=4, unique_by=lambda item: item.key), shuffle=st.randoms())
def test_the_order_of_publication_does_not_matter(
    batch: list[StudyResult], shuffle: Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    together, apart = Lake(tmp_path_factory.mktemp("one")), Lake(tmp_path_factory.mktemp("other"))
    together.publish(batch)
    shuffle.shuffle(batch)
    for item in batch:
        apart.publish([item])
    assert rows(together) == rows(apart)
    assert rows(together, "vertebrae") == rows(apart, "vertebrae")


def test_a_study_that_grew_is_superseded_not_doubled(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result(content="half", hour=1)])
    lake.publish([result(content="whole", hour=2)])
    by_content = {row["content_key"]: row["superseded_at"] for row in rows(lake)}
    assert by_content == {"half": moment(2), "whole": None}


def test_another_model_version_supersedes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result(model="1", hour=1), result(model="2", hour=2)])
    assert [row["superseded_at"] for row in rows(lake)] == [None, None]


def test_a_study_whose_date_was_corrected_moves_its_currency_across_months(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result(content="wrong date", day=date(2025, 1, 1), hour=1)])
    months = lake.publish([result(content="right date", day=date(2026, 1, 1), hour=2)])
    assert set(months) == {"2025-01", "2026-01"}
    assert [row["content_key"] for row in rows(lake) if row["superseded_at"] is None] == ["right date"]


def test_vertebrae_of_a_repeat_that_has_none_go(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result(vertebrae=3)])
    lake.publish([StudyResult(refused(Reason.METAL))])
    assert rows(lake, "vertebrae") == []
    assert [row["reason"] for row in rows(lake)] == ["metal"]


def test_only_touched_months_are_rewritten(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result("1", day=date(2026, 1, 1)), result("2", day=date(2026, 2, 1))])
    january = lake.screenings.path("2026-01")
    before = january.stat().st_ino
    assert lake.publish([result("3", day=date(2026, 2, 2))]) == ("2026-02",)
    assert january.stat().st_ino == before


def test_one_row_that_does_not_fit_stops_the_whole_publication(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result("1")])
    bad = replace(result("2").screening, probability=7.0)
    with pytest.raises(SchemaError, match="probability is 7"):
        lake.publish([result("3"), StudyResult(bad)])
    assert [row["study_uid"] for row in rows(lake)] == ["1"]


def test_results_must_belong_together() -> None:
    with pytest.raises(ValueError, match="vertebra"):
        replace(result("1"), vertebrae=result("2").vertebrae)
    with pytest.raises(ValueError, match="series"):
        replace(result("1"), series=result("2").series)


def test_finished_and_history_tell_what_is_known(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    assert lake.finished() == {}
    first, second = result(content="a", hour=1), result(content="b", hour=2)
    failed = StudyResult(refused(Reason.WORKER_LOST, study_uid="9"))
    lake.publish([first, second, failed])
    assert lake.finished() == {first.key: None, second.key: None, failed.key: "worker_lost"}
    history = lake.history("1.2.3")
    assert [row.content_key for row, _ in history] == ["b", "a"]
    assert history[0][1] == second.vertebrae
    assert lake.history("unheard of") == []


def test_identities_lie_apart_and_are_for_their_owner_only(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result()])
    assert stat.S_IMODE(lake.identities.stat().st_mode) == 0o700
    patients = lake.identities / "patients.parquet"
    assert stat.S_IMODE(patients.stat().st_mode) == 0o600
    assert pq.read_table(patients).to_pylist()[0]["name"] == "Doe^Jane"
    for path in lake.root.rglob("*"):
        if path.is_file() and lake.identities not in path.parents:
            assert b"Doe" not in path.read_bytes(), path


def test_runs_are_recorded_with_their_settings(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    run = RunRow(run_id="run-1", status=RunStatus.RUNNING, started_at=moment(1), pipeline_version="0.1.0")
    lake.write_run(run, {"lake": "x"})
    lake.write_run(replace(run, status=RunStatus.FINISHED, found=3), {"lake": "x"})
    (row,) = pq.read_table(lake.root / "runs" / "runs.parquet").to_pylist()
    assert (row["status"], row["found"]) == ("finished", 3)
    assert json.loads((lake.root / "runs" / "run-1.json").read_text())["settings"] == {"lake": "x"}
    with pytest.raises(ValueError, match="names a file"):
        lake.write_run(replace(run, run_id="../../etc/x"), {})


def test_reviews_need_no_lock(tmp_path: Path) -> None:
    lake, page = Lake(tmp_path / "lake"), Lake(tmp_path / "lake")
    review = ReviewRow(
        review_id="r1", reviewed_at=moment(9), reviewer="R", study_uid="1.2.3", decision=Decision.REFER_DXA
    )
    with lake.locked("a night"):
        page.add_review(review)
    assert [row["decision"] for row in rows(lake, "reviews")] == ["refer_dxa"]


def test_pictures_have_a_path_of_their_own_for_each_piece_of_work(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first, second = result(content="a").key, result(content="b").key
    path = lake.write_picture(first, b"png")
    assert (lake.root / path).read_bytes() == b"png"
    assert path == lake.picture_path(first) != lake.picture_path(second)
    assert path.startswith("explain/") and first.study_uid not in path


def test_a_file_of_an_older_version_is_read_and_of_a_newer_one_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result()])
    path = lake.screenings.path("2026-01")
    stored = pq.ParquetFile(path).read()
    pq.write_table(stored.drop_columns(["aorta_hu"]), path)
    assert lake.history("1.2.3")[0][0].aorta_hu is None
    pq.write_table(stored.append_column("brand_new", pa.array([1])), path)
    with pytest.raises(LakeError, match=r"brand_new.*newer"):
        lake.publish([result("2")])


def test_the_queries_of_today_run_over_the_lake_of_an_older_version(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result()])
    for path in (lake.root / "screenings").rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(path).read().drop_columns(["archive_gone_at"]), path)
    with lake.locked("a test"):
        build_database(lake)
    assert worklist(lake)["archive_gone_at"].to_pylist() == [None]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result()])
    path = lake.screenings.path("2026-01")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LakeError, match=r"2026-01.*restore"):
        lake.finished()


def test_there_is_no_lake_where_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no lake"):
        Lake(tmp_path).require()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"), Lake(tmp_path / "file").locked("x"):
        pass


def test_a_lock_does_not_travel_to_another_process(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with lake.locked("here"):
        elsewhere: Lake = pickle.loads(pickle.dumps(lake))  # noqa: S301 - our own bytes
        with pytest.raises(LakeBusyError, match="here on"):
            elsewhere.publish([result()])
        lake.publish([result()])
    assert elsewhere.root == lake.root


def test_publishing_nothing_makes_nothing(tmp_path: Path) -> None:
    assert Lake(tmp_path / "lake").publish([]) == ()
    assert not (tmp_path / "lake").exists()

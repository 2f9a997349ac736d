"""A whole night through the command line, as its three users meet it: what it says, writes and leaves out."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tasks.publish.lake import Lake
from tests.flows.command import osteoscreen, table
from tests.flows.conftest import FinishedNight

pytestmark = [pytest.mark.triton, pytest.mark.xdist_group("night")]

# What the generator writes into headers and nothing else may hold: PatientID, name, accession number.
IDENTITY = re.compile(rb"PH\d{4}|Phantom\^|A0\d{9}")
TRACEBACK = "Traceback"


def rows(lake: Path) -> dict[str, dict[str, object]]:
    """Every screening that stands, by study."""
    standing = [row for row in table(lake, "screenings").to_pylist() if row["superseded_at"] is None]
    assert len({row["study_uid"] for row in standing}) == len(standing)
    return {row["study_uid"]: row for row in standing}


def study_with(night: FinishedNight, outcome: str) -> str:
    return next(uid for uid, (ended, _) in sorted(night.truth.items()) if ended == outcome)


def test_every_study_ends_as_it_should(night: FinishedNight) -> None:
    assert {uid: (row["outcome"], row["reason"]) for uid, row in rows(night.lake).items()} == night.truth


def test_the_tally_adds_up_and_the_status_tells_of_failures(night: FinishedNight) -> None:
    assert night.answer.status == 1
    tally = json.loads(night.answer.out)
    ended = Counter(outcome for outcome, _ in night.truth.values())
    assert tally["found"] == len(night.truth) == tally["scored"] + tally["excluded"] + tally["failed"]
    assert {name: tally[name] for name in ("scored", "excluded", "failed")} == ended
    assert tally["reasons"] == Counter(reason for _, reason in night.truth.values() if reason)
    assert (tally["unchanged"], tally["resumed"], tally["arriving"]) == (0, 0, 0)


def test_a_night_without_trouble_says_nothing_on_standard_error(night: FinishedNight) -> None:
    assert TRACEBACK not in night.answer.err
    assert "Warning" not in night.answer.err


def test_every_scored_study_has_numbers_vertebrae_and_a_picture(night: FinishedNight) -> None:
    vertebrae = Counter(row["study_uid"] for row in table(night.lake, "vertebrae").to_pylist())
    for uid, row in rows(night.lake).items():
        scored = row["outcome"] == "scored"
        assert (row["probability"] is not None) is scored
        assert (row["trabecular_hu"] is not None) is scored
        assert (vertebrae[uid] >= 2) is scored
        assert (row["explain_path"] is not None) is scored
        if scored:
            assert (night.lake / str(row["explain_path"])).read_bytes().startswith(b"\x89PNG")


def test_the_run_and_its_settings_are_on_record(night: FinishedNight) -> None:
    (run,) = table(night.lake, "runs").to_pylist()
    assert (run["status"], run["found"]) == ("finished", len(night.truth))
    assert run["scored"] + run["excluded"] + run["failed"] == run["found"]
    document = json.loads((night.lake / "runs" / f"{run['run_id']}.json").read_text())
    assert document["settings"]["eligibility"]["min_age_years"] == 50
    assert {row["run_id"] for row in rows(night.lake).values()} == {run["run_id"]}


def test_the_worklist_is_one_list_in_three_formats(night: FinishedNight) -> None:
    scored = {uid for uid, (outcome, _) in night.truth.items() if outcome == "scored"}
    of_json = osteoscreen("worklist", "--lake", night.lake, "--format", "json", cwd=night.lake)
    of_csv = osteoscreen("worklist", "--lake", night.lake, "--format", "csv", cwd=night.lake)
    of_table = osteoscreen("worklist", "--lake", night.lake, cwd=night.lake)
    assert (of_json.status, of_csv.status, of_table.status) == (0, 0, 0)
    listed = json.loads(of_json.out)
    assert {row["study_uid"] for row in listed} == scored
    assert [row["place"] for row in listed] == list(range(1, len(scored) + 1))
    tiers = [("high", "intermediate", "low").index(row["risk_tier"]) for row in listed]
    assert tiers == sorted(tiers)
    assert [row["study_uid"] for row in csv.DictReader(io.StringIO(of_csv.out))] == [
        row["study_uid"] for row in listed
    ]
    assert "phantom-reference" in of_table.out
    assert "does not rule out" in " ".join(of_table.out.split())


@pytest.mark.parametrize("outcome", ["scored", "excluded", "failed"])
def test_explain_tells_what_became_of_a_study(outcome: str, night: FinishedNight) -> None:
    uid = study_with(night, outcome)
    answer = osteoscreen("explain", uid, "--lake", night.lake, cwd=night.lake)
    assert answer.status == 0
    row = rows(night.lake)[uid]
    assert uid in answer.out
    if outcome == "scored":
        assert str(row["explain_path"]) in answer.out
        assert f"{row['trabecular_hu']:.0f}" in answer.out
    else:
        assert str(row["reason"]) in answer.out
        assert "Picture:" not in answer.out


def test_explain_of_an_unknown_study_is_one_sentence(night: FinishedNight) -> None:
    answer = osteoscreen("explain", "1.2.3.4", "--lake", night.lake, cwd=night.lake)
    assert (answer.status, answer.out) == (2, "")
    assert "osteoscreen worklist" in answer.err  # where to find those that it has
    assert TRACEBACK not in answer.err


def test_sql_answers_and_can_change_or_see_nothing_else(night: FinishedNight) -> None:
    query = "SELECT outcome, count(*) AS n FROM screenings GROUP BY outcome ORDER BY outcome"
    answer = osteoscreen("sql", "--lake", night.lake, "--format", "json", "-c", query, cwd=night.lake)
    assert answer.status == 0
    ended = Counter(outcome for outcome, _ in night.truth.values())
    assert {row["outcome"]: row["n"] for row in json.loads(answer.out)} == ended
    before = (night.lake / "screening.duckdb").stat().st_mtime_ns
    for query in (
        "DELETE FROM screenings",
        f"COPY screenings TO '{night.lake / 'copy.csv'}'",
        f"FROM read_parquet('{night.lake}/identities/patients.parquet')",
        f"FROM read_text('{night.lake}/identities/patient_key')",
    ):
        refused = osteoscreen("sql", "--lake", night.lake, "-c", query, cwd=night.lake)
        assert (refused.status, refused.out) == (2, "")
        assert TRACEBACK not in refused.err
    assert (night.lake / "screening.duckdb").stat().st_mtime_ns == before
    assert not (night.lake / "copy.csv").exists()


def test_the_database_opens_for_anyone(night: FinishedNight) -> None:
    with duckdb.connect(night.lake / "screening.duckdb", read_only=True) as database:
        found = database.execute("SELECT count(*) FROM screenings").fetchone()
    assert found == (len(night.truth),)


def outside_identities(lake: Path) -> Iterator[Path]:
    return (path for path in lake.rglob("*") if "identities" not in path.relative_to(lake).parts)


def test_who_the_patients_are_stands_in_identities_and_nowhere_else(night: FinishedNight) -> None:
    assert IDENTITY.search((night.archive / "known_osteoporosis.csv").read_bytes()) is None
    assert re.search(rb"PH0001", str(pq.read_table(night.lake / "identities/patients.parquet")).encode())
    assert IDENTITY.search(f"{night.answer.out}{night.answer.err}".encode()) is None
    for path in outside_identities(night.lake):
        assert IDENTITY.search(os.fsencode(path.relative_to(night.lake))) is None
        if path.is_file():
            assert IDENTITY.search(path.read_bytes()) is None, path.name
        if path.suffix == ".parquet":  # compressed: what the bytes hide, the values would show
            values = str(pq.ParquetFile(path).read().to_pylist()).encode()
            assert IDENTITY.search(values) is None, path.name


def test_the_database_knows_no_patient(night: FinishedNight) -> None:
    with duckdb.connect(night.lake / "screening.duckdb", read_only=True) as database:
        tables = [name for (name,) in database.execute("SHOW TABLES").fetchall()]
        assert "screenings" in tables
        for name in tables:
            values = str(database.sql(f'FROM "{name}"').fetchall()).encode()
            assert IDENTITY.search(values) is None, name


def test_identities_are_for_their_owner_only(night: FinishedNight) -> None:
    identities = night.lake / "identities"
    assert identities.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in identities.rglob("*") if path.is_file())


def test_a_second_night_over_the_same_archive_does_nothing(night: FinishedNight) -> None:
    before = rows(night.lake)
    answer = osteoscreen("screen", night.archive, "--lake", night.lake, "--json", cwd=night.lake)
    assert answer.status == 1
    tally = json.loads(answer.out)
    assert tally["unchanged"] == tally["found"] == len(night.truth)
    assert rows(night.lake) == before


def test_what_changed_is_screened_again_and_supersedes(night: FinishedNight, tmp_path: Path) -> None:
    archive, lake = tmp_path / "archive", tmp_path / "lake"
    shutil.copytree(night.archive, archive)
    shutil.copytree(night.lake, lake)
    before = rows(lake)
    uid = next(uid for uid, (_, reason) in night.truth.items() if reason == "missing_slices")
    one = next(path for path in archive.rglob("*") if path.is_file() and uid.encode() in path.read_bytes())
    one.unlink()
    answer = osteoscreen("screen", archive, "--lake", lake, "--json", cwd=tmp_path)
    tally = json.loads(answer.out)
    assert (tally["found"], tally["unchanged"]) == (len(night.truth), len(night.truth) - 1)
    after = rows(lake)
    assert after[uid]["content_key"] != before[uid]["content_key"]
    assert after[uid]["run_id"] != before[uid]["run_id"]
    assert {name: row for name, row in after.items() if name != uid} == {
        name: row for name, row in before.items() if name != uid
    }
    history = [row for row in table(lake, "screenings").to_pylist() if row["study_uid"] == uid]
    assert sorted(row["superseded_at"] is None for row in history) == [False, True]


def test_an_archive_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    answer = osteoscreen("screen", tmp_path / "nowhere", "--lake", tmp_path / "lake", cwd=tmp_path)
    assert answer.status == 2
    assert "archive" in answer.err
    assert TRACEBACK not in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_someone_writes_to_is_left_alone(night: FinishedNight) -> None:
    before = rows(night.lake)
    with Lake(night.lake).locked("a test"):
        answer = osteoscreen("screen", night.archive, "--lake", night.lake, cwd=night.lake)
    assert answer.status == 3
    assert "is being written by a test" in answer.err
    assert TRACEBACK not in answer.err
    assert rows(night.lake) == before


def test_a_setting_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    answer = osteoscreen(
        "screen", tmp_path, "--lake", tmp_path / "lake", cwd=tmp_path, ELIGIBILITY__UNKNOWN_AGE="maybe"
    )
    assert answer.status == 2
    assert "eligibility.unknown_age" in answer.err
    assert TRACEBACK not in answer.err
    assert not (tmp_path / "lake").exists()

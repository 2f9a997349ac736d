"""The tables hold what the contract names, and nothing that does not fit gets written."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime

import duckdb
import pytest

from tasks.outcomes import Reason, Warn
from tasks.schema import TABLES, SchemaError, conform
from tests.rows import refused, scored, vertebra

SCREENING_CONTRACT = (
    "run_id screened_at patient_key study_uid series_uid study_date outcome reason detail age_years sex kvp "
    "kernel slice_thickness_mm slice_spacing_mm model_name model_version pipeline_version probability "
    "risk_tier trabecular_hu trabecular_hu_120kvp levels muscle_area_cm2 muscle_hu smi_cm2_m2 warnings "
    "slices_total slices_read bytes_total bytes_read seconds_read seconds_infer explain_path"
)
VERTEBRA_CONTRACT = (
    "study_uid series_uid model_version level level_confidence x_mm y_mm z_mm trabecular_hu trabecular_sd "
    "roi_area_mm2 height_mm logit"
)


@pytest.mark.parametrize(
    ("table", "names"), [("screenings", SCREENING_CONTRACT), ("vertebrae", VERTEBRA_CONTRACT)]
)
def test_every_contract_column_is_there(table: str, names: str) -> None:
    assert set(names.split()) <= {column.name for column in TABLES[table].columns}


def test_identities_stay_out_of_the_analysts_tables() -> None:
    private = {"patient_id", "name", "birth_date", "accession_number", "issuer"}
    for name in ("screenings", "vertebrae", "series", "runs", "reviews"):
        assert not private & {column.name for column in TABLES[name].columns}


def test_rows_become_an_arrow_table_of_the_schema() -> None:
    table = conform("screenings", [scored(), asdict(refused())])
    assert table.schema.equals(TABLES["screenings"].schema, check_metadata=True)
    assert table["outcome"].to_pylist() == ["scored", "excluded"]
    assert table["levels"].to_pylist() == [["L1", "T12"], []]
    assert table.schema.field("kvp").metadata[b"unit"] == b"kV"


def test_every_mismatch_is_in_one_message() -> None:
    first = asdict(scored(probability=1.5, trabecular_hu=math.nan, study_uid=None))
    second = {**asdict(scored(levels="L1", age_years="060Y")), "patient_name": "x"}
    with pytest.raises(SchemaError) as caught:
        conform("screenings", [first, second])
    message = str(caught.value)
    for part in (
        "6 mismatches with table screenings",
        "row 0: study_uid is null",
        "row 0: probability is 1.5, outside 0 … 1",
        "row 0: trabecular_hu is nan",
        "row 1: there is no column patient_name",
        "row 1: age_years is a str, not real",
        "row 1: levels is a str, not a list",
    ):
        assert part in message


def test_a_flood_of_mismatches_is_counted_not_listed() -> None:
    with pytest.raises(SchemaError, match=r"30 mismatches .* and 10 more"):
        conform("screenings", [scored(probability=2.0)] * 30)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (scored(reason=Reason.METAL), "scored, but reason is metal"),
        (scored(risk_tier=None), "risk_tier is null"),
        (refused(reason=Reason.METAL, outcome="failed"), "outcome failed does not go with reason metal"),
        (refused(probability=0.5), "excluded, but probability is given"),
        (scored(outcome="ended"), "is none of scored, excluded, failed"),
        (scored(risk_tier="severe"), "is none of high, intermediate, low"),
        (scored(screened_at=datetime(2026, 1, 1)), "without a time zone"),
        (scored(slices_read=True), "slices_read is a bool"),
        (scored(site="\udcff"), "cannot be written as UTF-8"),
        (scored(study_date=scored().screened_at), "study_date is a datetime, not date"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(row: object, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        conform("screenings", [row])
    assert problem in str(caught.value).replace("which is none", "is none")


def test_rows_read_back_are_the_rows_written() -> None:
    rows = [scored(warnings=(Warn.NOISY,)), refused()]
    assert TABLES["screenings"].read(conform("screenings", rows)) == rows


def test_what_a_header_claims_is_kept_only_where_it_fits() -> None:
    claimed = {
        "kvp": -1.0,
        "slice_thickness_mm": math.nan,
        "age_years": 71,
        "site": "\udcff",
        "kernel": "B30f",
    }
    assert TABLES["screenings"].fitting(claimed) == {"age_years": 71, "kernel": "B30f"}


def test_no_rows_make_an_empty_table() -> None:
    assert conform("vertebrae", []).num_rows == 0
    assert conform("vertebrae", [vertebra()]).num_rows == 1


@pytest.mark.parametrize("name", sorted(TABLES))
def test_sql_comments_are_valid_sql_and_cover_every_column(name: str) -> None:
    table = TABLES[name]
    with duckdb.connect() as connection:
        columns = ", ".join(f"{column.name} {column.sql_type}" for column in table.columns)
        connection.execute(f"CREATE TABLE {name} ({columns})")
        for statement in table.sql_comments():
            connection.execute(statement)
        comments = connection.execute("SELECT comment FROM duckdb_columns() WHERE NOT internal").fetchall()
    assert all(text for (text,) in comments)
    assert len(comments) == len(table.columns)

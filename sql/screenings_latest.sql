-- What stands today: one row per study, the newest screening under the newest model version.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/screenings_latest.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings.
SELECT *
FROM read_parquet(
    coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
    hive_partitioning = true, hive_types_autocast = false, union_by_name = true
)
-- a row that a later one of the same model version took the place of is history
WHERE superseded_at IS NULL
-- under two model versions, the one that looked last
QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
ORDER BY study_date DESC NULLS LAST, study_uid

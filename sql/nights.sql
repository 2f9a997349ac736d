-- How the nights went: one row per run, the newest first, with its tally, its speed and what it read.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/nights.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in runs; and
--   is_complete: Whether the books balance; if not, the run has lost a study.
--   high: Studies of the tier high that this run wrote.
--   intermediate: Studies of the tier intermediate that this run wrote.
--   low: Studies of the tier low that this run wrote.
--   studies_per_minute: Speed, over the studies that this run worked on.
--   share_of_slices_read: slices_read over slices_total.
WITH tiers AS (
    SELECT
        run_id,
        count(*) FILTER (WHERE risk_tier = 'high') AS high,
        count(*) FILTER (WHERE risk_tier = 'intermediate') AS intermediate,
        count(*) FILTER (WHERE risk_tier = 'low') AS low
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    GROUP BY run_id
)
SELECT
    run_id, status, started_at, finished_at, seconds,
    found, scored, excluded, failed,
    -- the books balance, or the run has lost a study
    found = scored + excluded + failed AS is_complete,
    coalesce(high, 0) AS high, coalesce(intermediate, 0) AS intermediate, coalesce(low, 0) AS low,
    unchanged, resumed, arriving, gone, archive_note,
    -- of the studies that this run worked on
    round(60 * (found - unchanged - resumed) / nullif(seconds, 0), 1) AS studies_per_minute,
    round(slices_read / nullif(slices_total, 0), 3) AS share_of_slices_read,
    bytes_read,
    model_name, model_version, model_label, pipeline_version, archive, problem
FROM read_parquet(coalesce(getvariable('lake'), '.') || '/runs/*.parquet', union_by_name = true)
LEFT JOIN tiers USING (run_id)
ORDER BY started_at DESC, run_id

-- Why studies were not scored: one row per reason, the most frequent first, over what stands today.
-- `share` is of all studies; `examples` are three details, for an engineer who wants to know more.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/refusals.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   studies: Studies that ended so.
--   share: studies over all studies, the scored ones included.
--   manufacturers: Different scanner vendors among them.
--   first_study_date: Date of the earliest that has one.
--   last_study_date: Date of the latest that has one.
--   last_screened_at: When the latest of them was finished.
--   examples: Three details, for an engineer who wants to know more.
WITH latest AS (
    SELECT *
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    WHERE superseded_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
)
SELECT
    outcome,
    reason,
    count(*) AS studies,
    round(count(*) / (SELECT count(*) FROM latest), 4) AS share,
    count(DISTINCT manufacturer) AS manufacturers,
    min(study_date) AS first_study_date,
    max(study_date) AS last_study_date,
    max(screened_at) AS last_screened_at,
    list_sort(list(DISTINCT detail) FILTER (WHERE detail IS NOT NULL))[1:3] AS examples
FROM latest
WHERE outcome <> 'scored'
GROUP BY outcome, reason
ORDER BY studies DESC, outcome, reason

-- The vertebrae of the screenings that stand today, the lowest first, with what is needed to compare them.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/vertebrae_latest.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in vertebrae, screenings.
WITH latest AS (
    SELECT study_uid, content_key, model_version, pipeline_version,
           patient_key, study_date, age_years, sex, kvp, kernel, manufacturer, scanner_model, site
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    WHERE superseded_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
)
SELECT vertebrae.*,
       latest.* EXCLUDE (study_uid, content_key, model_version, pipeline_version)
FROM read_parquet(
    coalesce(getvariable('lake'), '.') || '/vertebrae/*/*.parquet',
    hive_partitioning = true, hive_types_autocast = false, union_by_name = true
) AS vertebrae
JOIN latest USING (study_uid, content_key, model_version, pipeline_version)
ORDER BY study_uid, position

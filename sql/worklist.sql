-- The morning's list: every scored study that no reviewer has settled, the most urgent first: by tier, then by the
-- model's probability, or by attenuation where no patient has validated the weights.
-- A study that is not on it, or stands low on it, may still have low bone density.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/worklist.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   place: 1 for the most urgent study.
--   last_decision: What the latest review decided, if it was about this or an earlier score; null without one.
WITH latest AS (
    SELECT *
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    WHERE superseded_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
),
reviewed AS (
    -- a decision holds for the score it was made on: a newer screening puts the study back on the list
    SELECT study_uid, decision, reviewed_at
    FROM read_parquet(coalesce(getvariable('lake'), '.') || '/reviews/*.parquet', union_by_name = true)
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY reviewed_at DESC, review_id DESC) = 1
)
SELECT
    row_number() OVER (
        ORDER BY
            CASE risk_tier WHEN 'high' THEN 0 WHEN 'intermediate' THEN 1 ELSE 2 END,
            -- weights that no patient has validated put nobody before another: attenuation does
            CASE WHEN model_label = 'phantom-reference' THEN attenuation_margin_hu END ASC NULLS LAST,
            probability DESC,
            attenuation_margin_hu ASC NULLS LAST,
            study_uid
    ) AS place,
    risk_tier, probability, attenuation_tier, model_tier,
    trabecular_hu, trabecular_hu_120kvp, attenuation_margin_hu, levels, warnings,
    study_uid, patient_key, study_date, age_years, sex,
    muscle_area_cm2, muscle_hu, smi_cm2_m2, kvp, kernel, manufacturer, scanner_model, site,
    decision AS last_decision, screened_at, run_id,
    -- set where the archive no longer holds the images: the score stands, but nobody can look at them
    archive_gone_at,
    model_name, model_version, model_label, pipeline_version, explain_path
FROM latest
LEFT JOIN reviewed USING (study_uid)
WHERE outcome = 'scored'
  -- `later` is no decision yet
  AND (decision IS NULL OR decision = 'later' OR reviewed_at < screened_at)
ORDER BY place

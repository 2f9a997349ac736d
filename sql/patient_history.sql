-- What became of each patient's studies over time: one row per study that stands today, the oldest first, and the
-- change of attenuation since the scored study before it, where both were measured alike.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/patient_history.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   study_number: 1 for the patient's oldest study; studies without a date come last.
--   patient_studies: Studies of the patient.
--   previous_study_uid: The patient's scored study before this one; null where either has no date or score.
--   previous_study_date: Its date.
--   previous_risk_tier: Its tier.
--   previous_hu_120kvp: Its trabecular HU at 120 kVp, in HU.
--   days_since_previous: Days between the two.
--   is_comparable: Whether scanner, tube voltage, kernel, levels and measurement are known and the same.
--   change_hu_120kvp: Trabecular HU at 120 kVp less that of the study before, in HU; null where not comparable.
WITH latest AS (
    SELECT *
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    WHERE superseded_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY patient_key ORDER BY study_date NULLS LAST, screened_at, study_uid
        ) AS study_number,
        count(*) OVER (PARTITION BY patient_key) AS patient_studies
    FROM latest
),
paired AS (
    SELECT study_uid, lag(study_uid) OVER (PARTITION BY patient_key ORDER BY study_number) AS previous_study_uid
    FROM numbered
    WHERE outcome = 'scored' AND study_date IS NOT NULL
),
compared AS (
    SELECT
        numbered.*,
        previous.study_uid AS previous_study_uid,
        previous.study_date AS previous_study_date,
        previous.risk_tier AS previous_risk_tier,
        previous.trabecular_hu_120kvp AS previous_hu_120kvp,
        date_diff('day', previous.study_date, numbered.study_date) AS days_since_previous,
        -- an unknown scanner is not the same scanner
        CASE
            WHEN previous.study_uid IS NULL THEN NULL
            ELSE coalesce(
                numbered.manufacturer = previous.manufacturer AND numbered.scanner_model = previous.scanner_model
                AND numbered.kvp = previous.kvp AND numbered.kernel = previous.kernel
                AND numbered.slice_thickness_mm = previous.slice_thickness_mm
                AND list_sort(numbered.levels) = list_sort(previous.levels)
                AND NOT list_contains(numbered.levels, '?')
                AND numbered.pipeline_version = previous.pipeline_version,
                false
            )
        END AS is_comparable
    FROM numbered
    LEFT JOIN paired USING (study_uid)
    LEFT JOIN numbered AS previous ON previous.study_uid = paired.previous_study_uid
)
SELECT
    patient_key, study_number, patient_studies,
    study_uid, study_date, outcome, reason,
    risk_tier, probability, trabecular_hu_120kvp, levels,
    previous_study_uid, previous_study_date, previous_risk_tier, previous_hu_120kvp, days_since_previous,
    is_comparable,
    CASE WHEN is_comparable THEN round(trabecular_hu_120kvp - previous_hu_120kvp, 1) END AS change_hu_120kvp,
    age_years, sex, kvp, kernel, slice_thickness_mm, manufacturer, scanner_model, site,
    model_label, model_version, pipeline_version
FROM compared
ORDER BY patient_key, study_number

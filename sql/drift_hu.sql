-- Does the measurement drift? One row per site, scanner, tube voltage, measurement and month of study, over the
-- scored studies that stand today, beside the first three months of the same. Ages stand beside attenuation, for
-- older patients have less. Studies without a date are left out: they belong to no month.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/drift_hu.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   month: First day of the month of the study.
--   is_baseline: Whether it is one of the first three months of this group.
--   studies: Scored studies of the month. A median of few says little.
--   median_hu: Median over studies of trabecular HU as measured at this tube voltage, in HU.
--   quartile_low_hu: Lower quartile of the same, in HU.
--   quartile_high_hu: Upper quartile of the same, in HU.
--   median_age_years: Median age, in a.
--   baseline_studies: Scored studies of the first three months.
--   baseline_median_hu: Their median trabecular HU, in HU.
--   baseline_median_age_years: Their median age, in a.
--   change_hu: median_hu less baseline_median_hu, in HU; null in the first three months.
WITH latest AS (
    SELECT *
    FROM read_parquet(
        coalesce(getvariable('lake'), '.') || '/screenings/*/*.parquet',
        hive_partitioning = true, hive_types_autocast = false, union_by_name = true
    )
    WHERE superseded_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY screened_at DESC, model_version DESC) = 1
),
dated AS (
    SELECT
        site, manufacturer, scanner_model, kvp, pipeline_version, trabecular_hu, age_years,
        date_trunc('month', study_date)::DATE AS month,
        date_trunc('month', min(study_date) OVER scanner) AS first_month
    FROM latest
    WHERE outcome = 'scored' AND study_date IS NOT NULL AND trabecular_hu IS NOT NULL
    WINDOW scanner AS (PARTITION BY site, manufacturer, scanner_model, kvp, pipeline_version)
),
marked AS (
    SELECT * EXCLUDE (first_month), month < first_month + INTERVAL 3 MONTH AS is_baseline
    FROM dated
),
beside AS (
    SELECT
        *,
        count(*) FILTER (WHERE is_baseline) OVER scanner AS baseline_studies,
        median(trabecular_hu) FILTER (WHERE is_baseline) OVER scanner AS baseline_median_hu,
        median(age_years) FILTER (WHERE is_baseline) OVER scanner AS baseline_median_age_years
    FROM marked
    WINDOW scanner AS (PARTITION BY site, manufacturer, scanner_model, kvp, pipeline_version)
)
SELECT
    site, manufacturer, scanner_model, kvp, pipeline_version, month, is_baseline,
    count(*) AS studies,
    round(median(trabecular_hu), 1) AS median_hu,
    round(quantile_cont(trabecular_hu, 0.25), 1) AS quartile_low_hu,
    round(quantile_cont(trabecular_hu, 0.75), 1) AS quartile_high_hu,
    round(median(age_years), 1) AS median_age_years,
    baseline_studies,
    round(baseline_median_hu, 1) AS baseline_median_hu,
    round(baseline_median_age_years, 1) AS baseline_median_age_years,
    CASE WHEN NOT is_baseline THEN round(median(trabecular_hu) - baseline_median_hu, 1) END AS change_hu
FROM beside
GROUP BY site, manufacturer, scanner_model, kvp, pipeline_version, month, is_baseline,
         baseline_studies, beside.baseline_median_hu, beside.baseline_median_age_years
ORDER BY site NULLS LAST, manufacturer NULLS LAST, scanner_model NULLS LAST, kvp NULLS LAST, pipeline_version, month

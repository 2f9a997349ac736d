-- Do the reasons for refusal drift? One row per site, scanner, month of study and reason, over what stands today,
-- beside the share that the same reason had in the scanner's first three months. Scored studies are a row too, so
-- the shares of a month add up. A month in which a reason did not occur has no row for it.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/drift_refusals.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   month: First day of the month of the study; null where the study has no date.
--   is_baseline: Whether it is one of the first three months of this scanner at this site.
--   studies: Studies of this month that ended so.
--   month_studies: All studies of this scanner in this month.
--   share: studies over month_studies.
--   baseline_studies: Studies of the first three months that ended so.
--   baseline_all_studies: All studies of the first three months.
--   baseline_share: baseline_studies over baseline_all_studies; null where no study of the scanner has a date.
--   change: share less baseline_share; null in the first three months and where the month is unknown.
--   model_labels: What the weights behind these rows are; phantom-reference is not for clinical use.
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
        site, manufacturer, scanner_model, outcome, reason, model_label,
        date_trunc('month', study_date)::DATE AS month,
        date_trunc('month', min(study_date) OVER (PARTITION BY site, manufacturer, scanner_model)) AS first_month
    FROM latest
),
counted AS (
    SELECT
        site, manufacturer, scanner_model, month, outcome, reason,
        coalesce(month < first_month + INTERVAL 3 MONTH, false) AS is_baseline,
        count(*) AS studies,
        list_sort(list(DISTINCT model_label)) AS model_labels
    FROM dated
    GROUP BY site, manufacturer, scanner_model, month, first_month, outcome, reason
),
totalled AS (
    SELECT
        *,
        sum(studies) OVER (PARTITION BY site, manufacturer, scanner_model, month)::BIGINT AS month_studies,
        coalesce(sum(studies) FILTER (WHERE is_baseline) OVER (
            PARTITION BY site, manufacturer, scanner_model, outcome, reason
        ), 0)::BIGINT AS baseline_studies,
        coalesce(sum(studies) FILTER (WHERE is_baseline) OVER (
            PARTITION BY site, manufacturer, scanner_model
        ), 0)::BIGINT AS baseline_all_studies
    FROM counted
)
SELECT
    site, manufacturer, scanner_model, month, is_baseline, outcome, reason,
    studies, month_studies,
    round(studies / month_studies, 4) AS share,
    baseline_studies, baseline_all_studies,
    round(baseline_studies / nullif(baseline_all_studies, 0), 4) AS baseline_share,
    CASE
        WHEN month IS NOT NULL AND NOT is_baseline
        THEN round(studies / month_studies - baseline_studies / nullif(baseline_all_studies, 0), 4)
    END AS change,
    model_labels
FROM totalled
ORDER BY site NULLS LAST, manufacturer NULLS LAST, scanner_model NULLS LAST, month NULLS LAST,
         studies DESC, outcome, reason

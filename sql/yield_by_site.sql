-- What each site's nights yield: one row per site, over what stands today. Every share has its count beside it,
-- and the limits within which a share of so few studies may truly lie (Wilson's interval, 95 %).
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/yield_by_site.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   studies: Studies of the site.
--   patients: Different patients among them.
--   first_study_date: Date of the earliest study that has one.
--   last_study_date: Date of the latest study that has one.
--   scored: Studies that were scored.
--   excluded: Studies that were refused.
--   failed: Studies that failed.
--   share_scored: scored over studies.
--   share_scored_from: Lower limit of share_scored, 95 %.
--   share_scored_to: Upper limit of share_scored, 95 %.
--   high: Scored studies of the tier high.
--   intermediate: Scored studies of the tier intermediate.
--   low: Scored studies of the tier low.
--   share_high: high over scored; null where none was scored.
--   share_high_from: Lower limit of share_high, 95 %.
--   share_high_to: Upper limit of share_high, 95 %.
--   settled: Scored studies that a reviewer has decided on since, and not put off until later.
--   referred: Those of them that were referred for DXA.
--   share_referred: referred over settled; null where none is settled.
--   model_labels: What the weights behind the scores are; phantom-reference is not for clinical use.
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
    SELECT study_uid, decision, reviewed_at
    FROM read_parquet(coalesce(getvariable('lake'), '.') || '/reviews/*.parquet', union_by_name = true)
    QUALIFY row_number() OVER (PARTITION BY study_uid ORDER BY reviewed_at DESC, review_id DESC) = 1
),
counted AS (
    SELECT
        site,
        count(*) AS studies,
        count(DISTINCT patient_key) AS patients,
        min(study_date) AS first_study_date,
        max(study_date) AS last_study_date,
        count(*) FILTER (WHERE outcome = 'scored') AS scored,
        count(*) FILTER (WHERE outcome = 'excluded') AS excluded,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE risk_tier = 'high') AS high,
        count(*) FILTER (WHERE risk_tier = 'intermediate') AS intermediate,
        count(*) FILTER (WHERE risk_tier = 'low') AS low,
        count(*) FILTER (WHERE outcome = 'scored' AND reviewed_at >= screened_at AND decision <> 'later') AS settled,
        count(*) FILTER (WHERE outcome = 'scored' AND reviewed_at >= screened_at AND decision = 'refer_dxa') AS referred,
        list_sort(list(DISTINCT model_label)) AS model_labels
    FROM latest
    LEFT JOIN reviewed USING (study_uid)
    GROUP BY site
),
-- Wilson (1927): centre and half width; 3.8415 is the square of the normal's 1.96
limits AS (
    SELECT
        *,
        (scored + 1.9207) / (studies + 3.8415) AS scored_centre,
        sqrt(3.8415 * (scored * (studies - scored) / studies + 0.9604)) / (studies + 3.8415) AS scored_half,
        CASE WHEN scored > 0 THEN (high + 1.9207) / (scored + 3.8415) END AS high_centre,
        sqrt(3.8415 * (high * (scored - high) / nullif(scored, 0) + 0.9604)) / (scored + 3.8415) AS high_half
    FROM counted
)
SELECT
    site, studies, patients, first_study_date, last_study_date,
    scored, excluded, failed,
    round(scored / studies, 4) AS share_scored,
    round(greatest(scored_centre - scored_half, 0), 4) AS share_scored_from,
    round(least(scored_centre + scored_half, 1), 4) AS share_scored_to,
    high, intermediate, low,
    round(high / nullif(scored, 0), 4) AS share_high,
    round(CASE WHEN scored > 0 THEN greatest(high_centre - high_half, 0) END, 4) AS share_high_from,
    round(CASE WHEN scored > 0 THEN least(high_centre + high_half, 1) END, 4) AS share_high_to,
    settled, referred,
    round(referred / nullif(settled, 0), 4) AS share_referred,
    model_labels
FROM limits
ORDER BY studies DESC, site NULLS LAST

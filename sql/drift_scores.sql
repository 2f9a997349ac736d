-- Do the scores drift? One row per site, scanner, model and month of study, over the scored studies that stand today:
-- the population stability index of the month's probabilities against the first three months of the same, in five
-- bins that each held a fifth of those. Half a study is added to every bin, so that an empty one has a logarithm.
-- With few studies the index is large by chance alone: it is null below 25 studies on either side (five a bin), and
-- psi_limit says what 95 % of months without any drift stay below (Yurdakul 2018: 9.488, the chi-squared of four
-- degrees of freedom, times 1/studies + 1/baseline_studies). Studies without a date are left out.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/drift_scores.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   month: First day of the month of the study.
--   is_baseline: Whether it is one of the first three months of this group.
--   studies: Scored studies of the month.
--   mean_probability: Mean of their probabilities.
--   high: Studies of the tier high.
--   share_high: high over studies.
--   bin_studies: Studies of the month by fifth of the first three months' probabilities, the lowest first.
--   baseline_studies: Scored studies of the first three months.
--   baseline_mean_probability: Mean of their probabilities.
--   psi: Population stability index; null in the first three months and with fewer than 25 studies on either side.
--   psi_limit: What psi stays below in 95 of 100 months without drift; null where psi is.
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
        site, manufacturer, scanner_model, model_label, model_version, pipeline_version, probability, risk_tier,
        date_trunc('month', study_date)::DATE AS month,
        date_trunc('month', min(study_date) OVER model) AS first_month
    FROM latest
    WHERE outcome = 'scored' AND study_date IS NOT NULL
    WINDOW model AS (
        PARTITION BY site, manufacturer, scanner_model, model_label, model_version, pipeline_version
    )
),
marked AS (
    SELECT * EXCLUDE (first_month), month < first_month + INTERVAL 3 MONTH AS is_baseline
    FROM dated
),
cut AS (
    SELECT
        *,
        quantile_cont(probability, [0.2, 0.4, 0.6, 0.8]) FILTER (WHERE is_baseline) OVER (
            PARTITION BY site, manufacturer, scanner_model, model_label, model_version, pipeline_version
        ) AS cuts
    FROM marked
),
binned AS (
    SELECT
        * EXCLUDE (cuts),
        1 + (probability > cuts[1])::INT + (probability > cuts[2])::INT
            + (probability > cuts[3])::INT + (probability > cuts[4])::INT AS bin
    FROM cut
),
monthly AS (
    SELECT
        site, manufacturer, scanner_model, model_label, model_version, pipeline_version, month, is_baseline,
        count(*) AS studies,
        -- decimals add up to the same in any order, so that the same lake gives the same answer
        sum(probability::DECIMAL(18, 6)) AS probabilities,
        count(*) FILTER (WHERE risk_tier = 'high') AS high,
        [count(*) FILTER (WHERE bin = 1), count(*) FILTER (WHERE bin = 2), count(*) FILTER (WHERE bin = 3),
         count(*) FILTER (WHERE bin = 4), count(*) FILTER (WHERE bin = 5)] AS bin_studies
    FROM binned
    GROUP BY site, manufacturer, scanner_model, model_label, model_version, pipeline_version, month, is_baseline
),
beside AS (
    SELECT
        *,
        sum(studies) FILTER (WHERE is_baseline) OVER model AS baseline_studies,
        sum(probabilities) FILTER (WHERE is_baseline) OVER model AS baseline_probabilities,
        [sum(bin_studies[1]) FILTER (WHERE is_baseline) OVER model,
         sum(bin_studies[2]) FILTER (WHERE is_baseline) OVER model,
         sum(bin_studies[3]) FILTER (WHERE is_baseline) OVER model,
         sum(bin_studies[4]) FILTER (WHERE is_baseline) OVER model,
         sum(bin_studies[5]) FILTER (WHERE is_baseline) OVER model] AS baseline_bins
    FROM monthly
    WINDOW model AS (
        PARTITION BY site, manufacturer, scanner_model, model_label, model_version, pipeline_version
    )
),
compared AS (
    SELECT
        *,
        NOT is_baseline AND studies >= 25 AND baseline_studies >= 25 AS is_enough,
        (
            SELECT sum((here - before) * ln(here / before))
            FROM (
                SELECT
                    (unnest(bin_studies) + 0.5) / (studies + 2.5) AS here,
                    (unnest(baseline_bins) + 0.5) / (baseline_studies + 2.5) AS before
            )
        ) AS index
    FROM beside
)
SELECT
    site, manufacturer, scanner_model, model_label, model_version, pipeline_version, month, is_baseline,
    studies,
    round(probabilities / studies, 4) AS mean_probability,
    high,
    round(high / studies, 4) AS share_high,
    bin_studies,
    baseline_studies::BIGINT AS baseline_studies,
    round(baseline_probabilities / baseline_studies, 4) AS baseline_mean_probability,
    CASE WHEN is_enough THEN round(index, 4) END AS psi,
    CASE WHEN is_enough THEN round(9.488 * (1 / studies + 1 / baseline_studies), 4) END AS psi_limit
FROM compared
ORDER BY site NULLS LAST, manufacturer NULLS LAST, scanner_model NULLS LAST,
         model_label, model_version, pipeline_version, month

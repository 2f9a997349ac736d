-- What reviewers decided: one row per tier and decision, over the scored studies that stand today.
-- A decision holds for the score it was made on, and the latest one counts: as on the worklist.
--
-- Runs by itself in DuckDB from the folder of the lake (cd lake; duckdb < …/sql/review_outcomes.sql), or
-- from anywhere after SET VARIABLE lake = '/path/of/the/lake'. In screening.duckdb it is a table of this name.
--
-- Columns: as in screenings; and
--   decision: What the latest review decided; null where nobody has looked at the score that stands.
--   is_settled: Whether the worklist has let go of these studies: decided, and not put off until later.
--   studies: Scored studies of this tier with this decision.
--   tier_studies: Scored studies of this tier.
--   share_of_tier: studies over tier_studies.
--   settled_in_tier: Studies of this tier that are settled.
--   share_of_settled: studies over settled_in_tier; null where these are not settled.
--   median_hours_to_decision: Median time from the screening to the decision, in h.
--   model_labels: What the weights behind these scores are; phantom-reference is not for clinical use.
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
judged AS (
    SELECT
        risk_tier, model_label,
        CASE WHEN reviewed_at >= screened_at THEN decision END AS decision,
        coalesce(reviewed_at >= screened_at AND decision <> 'later', false) AS is_settled,
        CASE WHEN reviewed_at >= screened_at THEN date_diff('second', screened_at, reviewed_at) / 3600 END AS hours
    FROM latest
    LEFT JOIN reviewed USING (study_uid)
    WHERE outcome = 'scored'
),
counted AS (
    SELECT
        risk_tier, decision, is_settled,
        count(*) AS studies,
        median(hours) AS hours,
        list_sort(list(DISTINCT model_label)) AS model_labels
    FROM judged
    GROUP BY risk_tier, decision, is_settled
),
totalled AS (
    SELECT
        *,
        sum(studies) OVER tier AS tier_studies,
        coalesce(sum(studies) FILTER (WHERE is_settled) OVER tier, 0) AS settled_in_tier
    FROM counted
    WINDOW tier AS (PARTITION BY risk_tier)
)
SELECT
    risk_tier, decision, is_settled,
    studies,
    tier_studies::BIGINT AS tier_studies,
    round(studies / tier_studies, 4) AS share_of_tier,
    settled_in_tier::BIGINT AS settled_in_tier,
    CASE WHEN is_settled THEN round(studies / settled_in_tier, 4) END AS share_of_settled,
    round(hours, 1) AS median_hours_to_decision,
    model_labels
FROM totalled
ORDER BY
    CASE risk_tier WHEN 'high' THEN 0 WHEN 'intermediate' THEN 1 ELSE 2 END,
    studies DESC, decision NULLS LAST

-- Twenty questions of an analyst; docs/sql.md shows the answers on a demo lake (infra/make_sql_page.py writes it).

-- How many studies were screened, and what became of them?
SELECT outcome, count(*) AS studies, count(DISTINCT patient_key) AS patients
FROM screenings_latest
GROUP BY outcome
ORDER BY studies DESC;

-- Which studies should somebody look at first?
SELECT place, risk_tier, round(trabecular_hu_120kvp) AS hu_120kvp, levels, age_years, sex, warnings
FROM worklist
ORDER BY place
LIMIT 8;

-- How many studies stand on the worklist, by tier?
SELECT risk_tier, count(*) AS studies, round(median(trabecular_hu_120kvp)) AS median_hu_120kvp
FROM worklist
GROUP BY risk_tier
ORDER BY min(place);

-- Why were studies not scored?
SELECT outcome, reason, sentence, studies, share
FROM refusals JOIN reasons USING (reason, outcome)
ORDER BY studies DESC, outcome, reason;

-- Which studies failed, and must an engineer look at them?
SELECT reason, detail, manufacturer, study_date
FROM screenings_latest
WHERE outcome = 'failed'
ORDER BY reason, study_uid;

-- Did the last night that had new studies lose one, and what did it read of the archive?
SELECT status, found, scored, excluded, failed, is_complete, share_of_slices_read
FROM nights
WHERE found > unchanged
ORDER BY started_at DESC
LIMIT 1;

-- What do the sites yield, and how sure is that?
SELECT site, studies, scored, share_scored, share_scored_from, share_scored_to,
       high, share_high, share_high_from, share_high_to, model_labels
FROM yield_by_site;

-- What did reviewers decide?
SELECT risk_tier, decision, is_settled, studies, tier_studies, share_of_tier, model_labels
FROM review_outcomes;

-- Where was a patient measured twice, and may the two be compared?
SELECT previous_study_date, study_date, days_since_previous,
       round(previous_hu_120kvp) AS hu_before, round(trabecular_hu_120kvp) AS hu, is_comparable, change_hu_120kvp
FROM patient_history
WHERE previous_study_uid IS NOT NULL
ORDER BY previous_study_date, study_uid
LIMIT 8;

-- How many patients have more than one study?
SELECT patient_studies, count(DISTINCT patient_key) AS patients
FROM patient_history
GROUP BY patient_studies
ORDER BY patient_studies;

-- How does attenuation go with age and sex?
SELECT sex, 10 * floor(age_years / 10) AS decade, count(*) AS studies,
       round(median(trabecular_hu_120kvp)) AS median_hu_120kvp
FROM screenings_latest
WHERE outcome = 'scored'
GROUP BY ALL
ORDER BY sex NULLS LAST, decade NULLS LAST;

-- Does the kernel move what is measured?
SELECT manufacturer, kernel, count(*) AS studies, round(median(trabecular_hu_120kvp)) AS median_hu_120kvp
FROM screenings_latest
WHERE outcome = 'scored'
GROUP BY ALL
ORDER BY studies DESC, manufacturer NULLS LAST, kernel NULLS LAST
LIMIT 8;

-- What does converting to 120 kVp do at each tube voltage?
SELECT kvp, count(*) AS studies, round(median(trabecular_hu)) AS median_hu,
       round(median(trabecular_hu_120kvp)) AS median_hu_120kvp
FROM screenings_latest
WHERE outcome = 'scored'
GROUP BY kvp
ORDER BY kvp NULLS LAST;

-- Which levels were measured, and how dense are they?
SELECT level, count(*) AS vertebrae, round(median(trabecular_hu_120kvp)) AS median_hu_120kvp,
       round(median(level_confidence), 2) AS median_level_confidence
FROM vertebrae_latest
WHERE trabecular_hu IS NOT NULL
GROUP BY level
ORDER BY vertebrae DESC, level NULLS LAST;

-- Where do attenuation and the model disagree?
SELECT attenuation_tier, model_tier, count(*) AS studies
FROM screenings_latest
WHERE outcome = 'scored'
GROUP BY ALL
ORDER BY studies DESC, attenuation_tier, model_tier;

-- Which doubts travel with the scores?
SELECT warning, sentence, count(*) AS studies
FROM (SELECT unnest(warnings) AS warning FROM screenings_latest WHERE outcome = 'scored')
JOIN warning_words USING (warning)
GROUP BY ALL
ORDER BY studies DESC, warning;

-- Why were series not chosen?
SELECT coalesce(reason, 'none of its own: another was chosen, or the study refused') AS why,
       count(*) AS series, count(DISTINCT study_uid) AS studies
FROM series
WHERE NOT chosen
GROUP BY why
ORDER BY series DESC, why
LIMIT 8;

-- Do the reasons for refusal change from month to month?
SELECT manufacturer, month, reason, studies, month_studies, share, baseline_share, change
FROM drift_refusals
WHERE month_studies > 1 AND change IS NOT NULL
ORDER BY manufacturer NULLS LAST, scanner_model NULLS LAST, month, reason NULLS LAST
LIMIT 8;

-- Does the measured attenuation of a scanner change?
SELECT scanner_model, kvp, month, studies, median_hu, median_age_years,
       baseline_studies, baseline_median_hu, baseline_median_age_years, change_hu
FROM drift_hu
WHERE NOT is_baseline
ORDER BY studies DESC, scanner_model NULLS LAST, kvp NULLS LAST, month
LIMIT 8;

-- Do the scores of a scanner change, beyond what chance does?
SELECT scanner_model, month, studies, baseline_studies, mean_probability, psi, psi_limit, model_label
FROM drift_scores
WHERE NOT is_baseline
ORDER BY studies DESC, scanner_model NULLS LAST, month
LIMIT 8;

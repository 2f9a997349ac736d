"""The closed list of endings: every word has its sentence and kind, and the exceptions hold to it."""

from __future__ import annotations

import pickle

import pytest

from tasks.outcomes import Excluded, Failed, OsteoscreenError, Outcome, Reason, StudyEnded, Warn, own_doubts

# The contract with everyone who reads the lake, copied from the plan; `internal_error` is ours.
EXCLUDED = (
    *("not_ct", "not_chest", "localizer", "derived", "not_axial", "too_few_slices", "thick_slices"),
    *("uneven_spacing", "gantry_tilt", "anisotropic_pixels", "contrast_enhanced", "too_young", "age_unknown"),
    *("spine_not_covered", "spine_not_found", "implausible_anatomy", "metal", "known_osteoporosis"),
)
FAILED = (
    *("unreadable_file", "undecodable_pixels", "truncated_pixels", "missing_slices", "worker_lost"),
    *("inference_unavailable", "archive_unavailable", "internal_error"),
)


def test_the_words_are_those_of_the_plan() -> None:
    assert {str(reason) for reason in Reason} == {*EXCLUDED, *FAILED}


@pytest.mark.parametrize("word", EXCLUDED)
def test_refusals_are_excluded_and_final(word: str) -> None:
    reason = Reason(word)
    assert reason.outcome is Outcome.EXCLUDED
    assert not reason.is_transient


@pytest.mark.parametrize("word", FAILED)
def test_breakages_are_failed(word: str) -> None:
    assert Reason(word).outcome is Outcome.FAILED


def test_only_what_does_not_lie_in_the_bytes_is_tried_again() -> None:
    assert {str(reason) for reason in Reason if reason.is_transient} == {
        "worker_lost",
        "inference_unavailable",
        "archive_unavailable",
        "internal_error",
    }


@pytest.mark.parametrize("word", [*Reason, *Warn])
def test_every_word_has_one_sentence_for_a_person(word: Reason | Warn) -> None:
    assert word.sentence[0].isupper()
    assert word.sentence.endswith(".")


def test_no_two_words_share_a_sentence() -> None:
    sentences = [word.sentence for word in [*Reason, *Warn]]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("reason", Reason)
def test_each_exception_takes_its_own_kind_of_reason_only(reason: Reason) -> None:
    right, wrong = (Excluded, Failed) if reason.outcome is Outcome.EXCLUDED else (Failed, Excluded)
    assert right(reason).reason is reason
    with pytest.raises(ValueError, match=reason):
        wrong(reason)


def test_an_ending_says_reason_and_measured_values() -> None:
    assert str(Excluded(Reason.THICK_SLICES, "8.0 mm")) == "thick_slices: 8.0 mm"
    assert str(Failed(Reason.WORKER_LOST)) == "worker_lost"


@pytest.mark.parametrize("end", [Excluded(Reason.METAL, "3 of 4"), Failed(Reason.TRUNCATED_PIXELS)])
def test_an_ending_survives_the_way_between_processes(end: StudyEnded) -> None:
    copy = pickle.loads(pickle.dumps(end))  # noqa: S301 - our own bytes, as Dask sends them
    assert (type(copy), copy.reason, copy.detail) == (type(end), end.reason, end.detail)
    assert isinstance(copy, OsteoscreenError)


def test_what_every_score_of_the_model_carries_is_no_doubt_of_one_study() -> None:
    assert own_doubts(["noisy", "phantom_reference", "metal_nearby"]) == (Warn.NOISY, Warn.METAL_NEARBY)

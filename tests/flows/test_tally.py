"""The account of a run adds up, or says that it does not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.tally import ConservationError, Tally, count
from tasks.outcomes import Outcome, Reason

ENDINGS = st.lists(
    st.one_of(
        st.just((Outcome.SCORED, None)),
        st.sampled_from(Reason).map(lambda reason: (reason.outcome, reason)),
    )
)


@given(ENDINGS)
def test_studies_that_all_have_a_row_are_conserved(endings: list[tuple[Outcome, Reason | None]]) -> None:
    outcomes, reasons = count(endings)
    tally = Tally(len(endings), outcomes, reasons)
    tally.check()
    assert tally.found == tally.scored + tally.excluded + tally.failed
    assert tally.excluded + tally.failed == sum(reasons.values())


@given(ENDINGS, st.integers(-5, 5).filter(bool))
def test_a_study_too_few_or_too_many_is_noticed(
    endings: list[tuple[Outcome, Reason | None]], difference: int
) -> None:
    outcomes, reasons = count(endings)
    with pytest.raises(
        ConservationError, match=rf"{len(endings) + difference} studies were found but {len(endings)}"
    ):
        Tally(len(endings) + difference, outcomes, reasons).check()


def test_what_is_left_for_later_is_not_owed_a_row() -> None:
    Tally(found=1, outcomes={Outcome.SCORED: 1}, arriving=3, unreadable_files=2).check()


def test_lines_put_each_reason_below_its_outcome_the_most_frequent_first() -> None:
    reasons = Counter({Reason.METAL: 1, Reason.TOO_YOUNG: 3, Reason.TRUNCATED_PIXELS: 2})
    outcomes = Counter({Outcome.SCORED: 5, Outcome.EXCLUDED: 4, Outcome.FAILED: 2})
    assert Tally(11, outcomes, reasons).lines() == [
        ("found", 11),
        ("scored", 5),
        ("excluded", 4),
        ("  too_young", 3),
        ("  metal", 1),
        ("failed", 2),
        ("  truncated_pixels", 2),
    ]


def test_as_json_is_plain_values_under_the_names_of_the_contract() -> None:
    document = Tally(
        2, {Outcome.SCORED: 1, Outcome.FAILED: 1}, {Reason.WORKER_LOST: 1}, unchanged=1
    ).as_json()
    assert document == {
        "found": 2,
        "scored": 1,
        "excluded": 0,
        "failed": 1,
        "reasons": {"worker_lost": 1},
        "unchanged": 1,
        "resumed": 0,
        "left": 0,
        "arriving": 0,
        "settled_at": None,
        "gone": 0,
        "archive_note": None,
        "unreadable_files": 0,
    }

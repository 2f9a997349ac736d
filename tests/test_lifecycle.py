"""The life of a study: what the table allows happens and is heard of, what it does not allow raises."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lifecycle import TRANSITIONS, IllegalTransitionError, State, StudyLife

ENDINGS = (State.SCORED, State.EXCLUDED, State.FAILED)
WAY = (State.FOUND, State.SELECTED, State.LOCATED, State.MEASURED, State.INFERRED, State.SCORED)


def arrived_at(state: State, life: StudyLife) -> StudyLife:
    """A life moved to a state by the shortest way."""
    for step in WAY[1 : WAY.index(state) + 1] if state in WAY else (state,):
        life.advance(step)
    return life


def test_the_table_speaks_of_every_state() -> None:
    assert set(TRANSITIONS) == set(State)


def test_a_study_goes_from_found_to_scored() -> None:
    assert arrived_at(State.SCORED, StudyLife("1.2.3")).state is State.SCORED


@pytest.mark.parametrize("ending", [State.EXCLUDED, State.FAILED])
@pytest.mark.parametrize("state", WAY[:-1])
def test_a_study_can_end_anywhere_before_its_score(state: State, ending: State) -> None:
    life = arrived_at(state, StudyLife("1.2.3"))
    life.advance(ending)
    assert life.state is ending


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_follows_an_ending(ending: State, to: State) -> None:
    life = arrived_at(ending, StudyLife("1.2.3"))
    with pytest.raises(IllegalTransitionError, match=f"{ending} cannot become {to}"):
        life.advance(to)
    assert life.state is ending


@pytest.mark.parametrize(("start", "skipped_to"), list(zip(WAY, WAY[2:], strict=False)))
def test_no_step_can_be_left_out_or_taken_back(start: State, skipped_to: State) -> None:
    with pytest.raises(IllegalTransitionError):
        arrived_at(start, StudyLife("1.2.3")).advance(skipped_to)
    with pytest.raises(IllegalTransitionError):
        arrived_at(skipped_to, StudyLife("1.2.3")).advance(start)


@given(st.lists(st.sampled_from(State), max_size=12))
def test_whatever_is_asked_observers_hear_an_unbroken_way_through_the_table(asked: list[State]) -> None:
    heard: list[tuple[str, State, State, float]] = []
    life = StudyLife("1.2.3", (lambda *move: heard.append(move),))
    for state in asked:
        before = life.state
        try:
            life.advance(state)
        except IllegalTransitionError:
            assert state not in TRANSITIONS[before]
            assert life.state is before
        else:
            assert heard[-1][:3] == ("1.2.3", before, state)
    visited = [State.FOUND, *(to for _, _, to, _ in heard)]
    assert visited[-1] is life.state
    assert all(to in TRANSITIONS[left] for left, to in pairwise(visited))
    assert [left for _, left, _, _ in heard] == visited[:-1]
    assert all(seconds >= 0 for *_, seconds in heard)
    assert sum(state in ENDINGS for state in visited) <= 1


def test_every_observer_hears_of_every_move() -> None:
    counts = [0, 0]

    def listener(index: int) -> None:
        counts[index] += 1

    life = StudyLife("1.2.3", (lambda *_: listener(0), lambda *_: listener(1)))
    arrived_at(State.MEASURED, life)
    assert counts == [3, 3]

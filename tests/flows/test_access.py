"""A study on a worker that must ask an archive for it: headers, bytes, and whether it still stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flows.findings import Bench
from flows.study import screen_study
from tasks.archive.patient import patient_key
from tasks.dicom.instance import Identity, Instance, Study
from tasks.dicom.pixel_data import Read
from tasks.dicom.source import LocalFiles
from tasks.outcomes import Failed, Outcome, Reason
from tasks.phantom.archive import write_archive
from tasks.phantom.cases import Case, Plan
from tests.builders import axial_series, axial_slice, study
from tests.flows.benches import Answering, bench_at, studies_of, work_of

SECRET = b"secret-of-the-tests-32-bytes-long"
LISTED = Identity("P-7")
IN_FULL = Identity("P-7", "HOSPITAL", "Doe^Jane")
ENDS_HERE = Failed(
    Reason.ARCHIVE_UNAVAILABLE, "the study changed while it was read: 20 images before, 40 after"
)


class Watched(LocalFiles):
    """Files as if they were far away; knows what was asked for, and whether all was let go."""

    is_local = False

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False
        self.wanted: set[str] = set()
        self.opened: set[str] = set()

    def want(self, instances: Sequence[Instance]) -> None:
        self.wanted |= {instance.source for instance in instances}

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        self.opened.add(instance.source)
        return super().open(instance)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Archived:
    """An access to one study.

    Attributes:
        full: the study with its headers; None when the archive does not answer.
        changes: whether the study changes while it is read.
    """

    full: Study | None
    changes: bool = False
    source: Watched = field(default_factory=Watched)

    def headers(self, study: Study) -> Study:
        if self.full is None:
            raise Failed(Reason.ARCHIVE_UNAVAILABLE, "no answer")
        return replace(self.full, content_key=study.content_key)

    def instances(self) -> Watched:
        return self.source

    def confirm(self, study: Study) -> None:
        assert study.series == (self.full or study).series
        if self.changes:
            raise ENDS_HERE


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that can be scored."""
    archive = tmp_path_factory.mktemp("generated")
    plan = Plan(density_hu=120, top="T6", bottom="L1", side=256)
    write_archive(archive, cases=[Case((plan,))], seed=3, workers=1)
    (held,) = studies_of(archive)
    return held


def bench_with(tmp_path: Path, access: Archived) -> Bench:
    bench = bench_at(tmp_path / "lake", Answering(), pictures=False)
    return replace(bench, access=access, archive_key="archive-1", secret=SECRET)


def listed(full: Study) -> Study:
    """What a list tells of a study."""
    return study([axial_slice(study_uid=full.study_uid, sop_instance_uid="", frames=(), identity=LISTED)])


def test_headers_that_cannot_be_had_end_the_study_with_what_the_list_told(tmp_path: Path) -> None:
    access = Archived(None)
    result = screen_study(bench_with(tmp_path, access), work_of(listed(study(axial_series(3)))))
    row = result.screening
    assert (row.outcome, row.reason, row.detail) == (Outcome.FAILED, Reason.ARCHIVE_UNAVAILABLE, "no answer")
    assert (row.sex, str(row.study_date), row.patient_key) == ("F", "2024-03-15", "patient-key")
    assert row.archive_key == "archive-1"
    assert access.source.is_closed


def test_the_patient_is_named_by_the_headers_not_by_the_list(tmp_path: Path) -> None:
    full = study(axial_series(6, identity=IN_FULL))
    result = screen_study(bench_with(tmp_path, Archived(full)), work_of(listed(full)))
    expected = patient_key(IN_FULL, SECRET, full.study_uid)
    assert result.screening.reason is Reason.TOO_FEW_SLICES
    assert result.screening.patient_key == expected
    assert result.patient is not None
    assert (result.patient.patient_key, result.patient.issuer) == (expected, "HOSPITAL")
    assert result.accession is not None
    assert result.accession.patient_key == expected


def test_a_study_that_did_not_change_is_scored(tmp_path: Path, generated: Study) -> None:
    access = Archived(generated)
    row = screen_study(bench_with(tmp_path, access), work_of(listed(generated))).screening
    assert row.outcome is Outcome.SCORED
    assert access.source.is_closed
    assert 0 < len(access.source.opened) < len(generated.series[0].instances)
    assert access.source.opened <= access.source.wanted  # all of them fetched ahead


def test_a_study_that_changed_while_it_was_read_has_no_score(tmp_path: Path, generated: Study) -> None:
    access = Archived(generated, changes=True)
    result = screen_study(bench_with(tmp_path, access), work_of(listed(generated)))
    row = result.screening
    assert (row.outcome, row.reason, row.detail) == (Outcome.FAILED, ENDS_HERE.reason, ENDS_HERE.detail)
    assert (row.probability, row.trabecular_hu, result.vertebrae) == (None, None, ())
    assert access.source.is_closed


def test_a_study_of_a_folder_keeps_the_key_that_it_came_with(tmp_path: Path) -> None:
    bench = replace(bench_at(tmp_path / "lake"), secret=SECRET)
    assert screen_study(bench, work_of(study(axial_series(3)))).screening.patient_key == "patient-key"

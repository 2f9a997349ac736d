"""`KeptArchive`: the lake itself as an archive, of the studies that a new model version can score from it.

A run over it is a night like any other, with its windows, hours, tally and precedence; only that nothing is
read, because every study of it is recalled (see `tasks.publish.recall`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

from tasks.archive.archive import Archive, open_archive
from tasks.archive.folder import FolderAccess
from tasks.archive.memory import Memory
from tasks.archive.scan import EVERYTHING, Counts, Outline, Progress, Scan, StudySummary, Window
from tasks.dicom.instance import Identity, Instance, Series, Study
from tasks.dicom.source import InstanceSource
from tasks.outcomes import Failed, Reason
from tasks.publish.lake import Lake
from tasks.publish.recall import is_recallable
from tasks.publish.result import ScreeningKey
from tasks.publish.storage import read_table
from tasks.settings import Settings
from tasks.version import pipeline_version

FROM_CROPS = "crops:"
"""The address that stands for what the lake itself has kept."""


class _Row(NamedTuple):
    """What is looked at of a screening; the fields are columns of it."""

    screened_at: datetime
    study_uid: str
    content_key: str
    model_version: str
    pipeline_version: str
    study_date: date | None
    patient_key: str
    reason: str | None


def open_source(address: str | Path, settings: Settings) -> Archive:
    """The archive at an address, or what the lake has kept; raises as `open_archive`."""
    if str(address) == FROM_CROPS:
        return KeptArchive(Lake(settings.lake).require(), pipeline_version(settings))
    return open_archive(address, settings)


class KeptAccess:
    """Nothing can be read of a study that is only kept: whoever asks finds that its crops have gone."""

    def headers(self, study: Study) -> Study:  # noqa: ARG002 - as `Access` has it
        """As `Access.headers`."""
        raise Failed(Reason.ARCHIVE_UNAVAILABLE, "its kept crops are gone, and no archive was named")

    def instances(self) -> InstanceSource:
        """As `Access.instances`; there are none."""
        return FolderAccess().instances()

    def confirm(self, study: Study) -> None:
        """As `Access.confirm`: what was kept does not change."""


class KeptArchive:
    """What a lake kept under one pipeline version.

    Args:
        lake: whose rows and crops.
        pipeline: version under which they were measured.
    """

    kind = "crops"
    key = "crops"

    def __init__(self, lake: Lake, pipeline: str) -> None:
        self._lake = lake
        self._pipeline = pipeline

    def scan(
        self,
        memory: Memory | None = None,  # noqa: ARG002 - as `Archive` has it
        window: Window = EVERYTHING,
        *,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Scan:
        """As `Archive.scan`: every study whose newest row a model version can go on from."""
        found = {row.study_uid: row for row in self._newest() if self._is_kept(row)}
        summaries = (
            StudySummary(uid, row.content_key, row.study_date, 0, 0, 0, newest_s=0.0)
            for uid, row in found.items()
        )
        scan = Scan.of(summaries, window, Counts(), partial(_study, found, self._identities()))
        return replace(scan, held=frozenset())  # the lake cannot tell what an archive holds

    def outline(self, memory: Memory | None = None, window: Window = EVERYTHING) -> tuple[Outline, ...]:
        """As `Archive.outline`."""
        return self.scan(memory, window).outline()

    def access(self) -> KeptAccess:
        """As `Archive.access`."""
        return KeptAccess()

    def lost(self, study_uids: Iterable[str]) -> frozenset[str]:  # noqa: ARG002 - as `Archive` has it
        """As `Archive.lost`: none, as far as is known here."""
        return frozenset()

    def _newest(self) -> Iterable[_Row]:
        """The newest row of each study that was measured under the pipeline version."""
        stored = self._lake.screenings.read(_Row._fields)
        columns = (stored[name].to_pylist() for name in _Row._fields)
        rows = sorted(starmap(_Row, zip(*columns, strict=True)), key=lambda row: row.screened_at)
        return {row.study_uid: row for row in rows if row.pipeline_version == self._pipeline}.values()

    def _is_kept(self, row: _Row) -> bool:
        key = ScreeningKey(row.study_uid, row.content_key, row.model_version, row.pipeline_version)
        return is_recallable(self._lake, key, row.reason)

    def _identities(self) -> dict[str, Identity]:
        """Who the patients are: osteoporosis of one may have become known since."""
        stored = read_table(self._lake.identities / "patients.parquet", "patients")
        columns = (stored[name].to_pylist() for name in ("patient_key", "patient_id", "issuer"))
        return {
            key: Identity(patient_id or "", issuer or "")
            for key, patient_id, issuer in zip(*columns, strict=True)
        }


def _study(found: Mapping[str, _Row], identities: Mapping[str, Identity], study_uid: str) -> Study:
    """A study of which nothing is left but whose it is."""
    row = found[study_uid]
    identity = identities.get(row.patient_key, Identity())
    header = Instance("", 0, study_uid, "", "", "", "", identity=identity)
    return Study(study_uid, (Series("", (header,)),), row.content_key)

"""What one night works with: its lake, model, run id and books; and what is still to be done.

`flows.nightly` reads like a table of contents because the book-keeping is here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flows.findings import Again, Bench, Work
from flows.header_rows import first_header
from flows.presence import NOTHING, Noted
from flows.tally import Tally, count
from tasks.archive.archive import Archive
from tasks.archive.patient import load_secret, patient_key
from tasks.archive.scan import Scan
from tasks.dicom.instance import Identity, Study
from tasks.infer.client import TritonClient
from tasks.infer.environment import in_project
from tasks.infer.manifest import Manifest, newest_version, read_manifest
from tasks.infer.server import EmbeddedServer
from tasks.outcomes import Outcome, Reason
from tasks.publish.database import build_database
from tasks.publish.journal import Journal
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.schema import RunRow, RunStatus
from tasks.select.eligibility import entries_of, is_known, read_known_patients
from tasks.settings import Inference, Settings
from tasks.version import pipeline_version


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Studies of a scan sorted by what is owed to them.

    Attributes:
        todo: keys to be worked on.
        resumed: results that a run which died had finished and not published.
        unchanged: how many have a row that stands.
    """

    todo: tuple[ScreeningKey, ...]
    resumed: tuple[StudyResult, ...]
    unchanged: int


class Night:
    """One run over one lake, from `open_night`."""

    def __init__(
        self, settings: Settings, lake: Lake, manifest: Manifest, archive: Archive | None = None
    ) -> None:
        self.archive = archive
        self.settings = settings
        self.lake = lake
        self.manifest = manifest
        self.journal = Journal(lake)
        self.pipeline_version = pipeline_version(settings)
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._secret = load_secret(lake.identities, settings.patient_key_secret)
        listed = settings.eligibility.known_osteoporosis
        self._known = entries_of(read_known_patients(listed)) if listed else {}
        self._run = RunRow(
            run_id=self.run_id,
            status=RunStatus.RUNNING,
            started_at=datetime.now(UTC),
            archive=archive.kind if archive else None,
            archive_key=archive.key if archive else None,
            model_name=manifest.name,
            model_version=manifest.version,
            model_label=manifest.label,
            pipeline_version=self.pipeline_version,
        )

    def key(self, study_uid: str, content_key: str) -> ScreeningKey:
        """What names the work on a study under this night's model and pipeline."""
        return ScreeningKey(study_uid, content_key, self.manifest.version, self.pipeline_version)

    def bench(self, client: TritonClient) -> Bench:
        """What every study of this night is worked on with."""
        bench = Bench(self.run_id, self.settings, self.manifest, client, self.lake, secret=self._secret)
        if self.archive is None:
            return bench
        return replace(bench, access=self.archive.access(), archive_key=self.archive.key)

    def work(self, key: ScreeningKey, study: Study) -> Work:
        """One study as it is sent to a worker, with what is known of its patient here."""
        header = first_header(study)
        identity = header.identity if header else Identity()
        known = self._known.get(identity.patient_id.strip(), ())
        return Work(study, key, patient_key(identity, self._secret, study.study_uid), known)

    def again(self, work: Work, earlier: StudyResult) -> Again:
        """The same study, of which another model version left all but the score."""
        header = first_header(work.study)
        return Again(work.key, earlier, header is not None and is_known(header.identity, work.known))

    def outstanding(self, scan: Scan) -> Outstanding:
        """Which studies of a scan have no row yet, or one that failed for a passing reason."""
        finished = self.lake.finished()
        journal = self.journal.load()
        todo: list[ScreeningKey] = []
        resumed: list[StudyResult] = []
        unchanged = 0
        for study in scan.studies:
            key = self.key(study.study_uid, study.content_key)
            if key in finished and not _is_transient(finished[key]):
                unchanged += 1
            elif key in journal and not _is_transient(journal[key].screening.reason):
                resumed.append(journal[key])
            else:
                todo.append(key)
        return Outstanding(tuple(todo), tuple(resumed), unchanged)

    def publish(self) -> None:
        """Everything in the journal into the lake; then the journal is empty."""
        finished = self.journal.load()
        self.lake.publish(finished.values())
        self.journal.clear(finished.keys())

    def account(
        self,
        scan: Scan,
        outstanding: Outstanding,
        left: Sequence[ScreeningKey] = (),
        noted: Noted = NOTHING,
    ) -> Tally:
        """Count what the lake now says of every study that was found.

        Args:
            left: work that was not begun.
            noted: of studies that the archive no longer holds.
        """
        finished = self.lake.finished()
        not_begun = {key for key in left if key not in finished}
        keys = [self.key(study.study_uid, study.content_key) for study in scan.studies]
        found = [key for key in keys if key not in not_begun]
        outcomes, reasons = count(_ending(finished[key]) for key in found if key in finished)
        return Tally(
            found=len(found),
            left=len(not_begun),
            outcomes=outcomes,
            reasons=reasons,
            unchanged=outstanding.unchanged,
            resumed=len(outstanding.resumed),
            arriving=len(scan.arriving),
            settled_at=datetime.fromtimestamp(scan.settled_s, UTC) if scan.settled_s else None,
            gone=noted.gone,
            archive_note=noted.note,
            unreadable_files=scan.counts.unreadable,
        )

    def write_run(self, status: RunStatus, tally: Tally | None = None, problem: str | None = None) -> None:
        """The run's row, and the settings it ran with, into `runs/`."""
        row = replace(self._run, status=status, problem=problem)
        if status is not RunStatus.RUNNING:
            now = datetime.now(UTC)
            row = replace(row, finished_at=now, seconds=(now - row.started_at).total_seconds())
        if tally is not None:
            row = replace(
                row,
                found=tally.found,
                scored=tally.scored,
                excluded=tally.excluded,
                failed=tally.failed,
                unchanged=tally.unchanged,
                resumed=tally.resumed,
                arriving=tally.arriving,
                gone=tally.gone,
                archive_note=tally.archive_note or None,
            )
            read = self.lake.read_by(self.run_id)
            row = replace(
                row,
                slices_total=read["slices_total"],
                slices_read=read["slices_read"],
                bytes_read=read["bytes_read"],
            )
        self.lake.write_run(row, self.settings.model_dump(mode="json"))
        self._run = row

    @contextmanager
    def inference(self) -> Iterator[str]:
        """The address of a Triton server: the configured one, or the embedded one for as long as needed."""
        if self.settings.triton_url:
            yield self.settings.triton_url
        else:
            with EmbeddedServer(self.settings.inference) as server:
                yield server.url


@contextmanager
def open_night(
    settings: Settings, archive: Archive | None = None, *, gives_way: bool = False
) -> Iterator[Night]:
    """Hold the lake and keep a run's books; the run is recorded however it ends.

    Args:
        archive: where studies come from; None for a run that asks no archive.
        gives_way: let a night have the lake that waits for it. A run that does not is a night, and waits
            itself for one that does.

    Raises:
        LakeBusyError: when another run holds the lake.
        ConfigurationError: when the lake or the model cannot be used.
    """
    manifest = active_manifest(settings.inference)
    lake = Lake(settings.lake)
    patience_s = 0.0 if gives_way else settings.calendar.patience_minutes * 60
    with lake.locked("a backfill" if gives_way else "a night", gives_way=gives_way, patience_s=patience_s):
        night = Night(settings, lake, manifest, archive)
        night.write_run(RunStatus.RUNNING)
        try:
            yield night
        except BaseException as error:
            night.write_run(RunStatus.FAILED, problem=_problem(error))
            raise
        finally:
            build_database(lake)


def active_manifest(settings: Inference) -> Manifest:
    """The manifest of the model version that a Triton server loads from the repository by default.

    Raises:
        ConfigurationError: when there is none, or its weights are not the ones it describes.
    """
    return read_manifest(newest_version(in_project(settings.model_repository) / settings.model_name))


def _problem(error: BaseException) -> str:
    """What ended a run, without a text that might hold a path or a patient."""
    if not isinstance(error, Exception):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _ending(reason: str | None) -> tuple[Outcome, Reason | None]:
    if reason is None:
        return Outcome.SCORED, None
    return Reason(reason).outcome, Reason(reason)


def _is_transient(reason: Reason | str | None) -> bool:
    return reason is not None and Reason(reason).is_transient

"""What a study is worked on with, and what is known of it so far: the values that the steps hand on."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.archive.archive import Access
from tasks.archive.folder import FolderAccess
from tasks.dicom.instance import Study
from tasks.dicom.source import InstanceSource
from tasks.infer.client import TritonClient
from tasks.infer.manifest import Manifest
from tasks.infer.prediction import Prediction
from tasks.locate.anatomy import Anatomy
from tasks.measure.muscle import Muscle
from tasks.measure.vertebrae import Vertebra
from tasks.outcomes import Warn
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.score.study import StudyScore
from tasks.select.eligibility import KnownPatients
from tasks.select.series import Judgement, Selected
from tasks.settings import Settings
from tasks.volume.volume import Volume


@dataclass(frozen=True, slots=True)
class Work:
    """One study to be screened, as it is sent to a worker.

    Attributes:
        known: what the list of known patients has of this one; empty when nothing.
    """

    study: Study
    key: ScreeningKey
    patient_key: str
    known: KnownPatients = ()


@dataclass(frozen=True, slots=True)
class Again:
    """One study to be scored again, as it is sent to a worker.

    Attributes:
        key: of the row that is owed.
        earlier: what another model version left, under the same pipeline version, of the same content.
        is_known: the patient's osteoporosis is known by now.
    """

    key: ScreeningKey
    earlier: StudyResult
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """What every study of a night is worked on with; sent to each worker.

    Attributes:
        access: how to get at headers and bytes of the archive.
        archive_key: names the archive; None where none is asked.
        secret: of the patient keys, for headers that tell more than the archive's list did.
    """

    run_id: str
    settings: Settings
    manifest: Manifest
    client: TritonClient
    lake: Lake
    access: Access = field(default_factory=FolderAccess)
    archive_key: str | None = None
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a study so far; each step returns a fuller one.

    Attributes:
        source: where the bytes of its images come from.
    """

    source: InstanceSource | None = None
    judgements: tuple[Judgement, ...] = ()
    selected: Selected | None = None
    others: tuple[Selected, ...] = ()
    volume: Volume | None = None
    anatomy: Anatomy | None = None
    vertebrae: tuple[Vertebra, ...] = ()
    muscle: Muscle | None = None
    smi_cm2_m2: float | None = None
    prediction: Prediction | None = None
    seconds_infer: float | None = None
    score: StudyScore | None = None
    picture: str | None = None
    warnings: tuple[Warn, ...] = ()

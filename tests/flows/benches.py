"""What a study is worked on with, made for tests: a bench, a piece of work, the studies of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from flows.findings import Bench, Work
from flows.night import active_manifest
from tasks.archive.folder import FolderArchive
from tasks.dicom.instance import Study
from tasks.infer.client import TritonClient, shared_client
from tasks.infer.prediction import Prediction
from tasks.infer.slots import Slot
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey
from tasks.settings import Eligibility, Inference, Settings

# Nothing listens on the reserved port 1: a real client that is told at once that nobody is there.
NOBODY = "127.0.0.1:1"


class Answering(TritonClient):
    """In place of a server, where what comes after its answer is tested."""

    def __init__(self) -> None:
        super().__init__(NOBODY, Inference(shared_memory="off"))

    def infer(self, crops: Slot | npt.NDArray[np.int16]) -> Prediction:
        count = len(crops.pixels if isinstance(crops, Slot) else crops)
        return Prediction(np.zeros(count, np.float32), np.zeros((count, 7, 7), np.float32), "1")


def nobody_answers() -> TritonClient:
    """A client whose server is not there."""
    return shared_client(NOBODY, Inference(timeout_s=1.0, retries=0, shared_memory="off"))


def bench_at(
    lake: Path, client: TritonClient | None = None, *, unknown_age: str = "exclude", pictures: bool = True
) -> Bench:
    """A bench over an empty lake; without a client nobody answers."""
    eligibility = Eligibility.model_validate({"unknown_age": unknown_age})
    settings = Settings(lake=lake, eligibility=eligibility, keep_pictures=pictures)
    return Bench(
        run_id="run-1",
        settings=settings,
        manifest=active_manifest(settings.inference),
        client=client or nobody_answers(),
        lake=Lake(lake),
    )


def work_of(study: Study) -> Work:
    """A study as a worker gets it."""
    return Work(study, ScreeningKey(study.study_uid, study.content_key, "1", "1-00000000"), "patient-key")


def studies_of(folder: Path) -> list[Study]:
    """Every study below a folder."""
    scan = FolderArchive(folder).scan()
    return [scan.study(summary.study_uid) for summary in scan.studies]

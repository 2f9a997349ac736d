"""One real chest CT, three ways in: from a folder, by DICOMweb and by DIMSE it is the same row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from flows.findings import Bench, Work
from flows.study import screen_study
from tasks.archive.archive import open_archive
from tasks.archive.patient import patient_key
from tasks.infer.client import shared_client
from tasks.outcomes import Outcome
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.settings import Cluster, Inference
from tests.archive.faulty_proxy import FaultyProxy, faulty_proxy
from tests.archive.orthanc import Orthanc, running_orthanc
from tests.flows.benches import bench_at

pytestmark = [
    pytest.mark.real_ct,
    pytest.mark.triton,
    pytest.mark.orthanc,
    pytest.mark.xdist_group("real_ct"),
]

CHEST = "chest_ct_unenhanced"
SECRET = b"of the tests"
# Of a series of thin slices no more than this part may come over the network.
MAX_MOVED = 0.45
# What says where and when a study was read, not what was found. An archive tells no sizes.
OF_THE_WAY = {"archive_key", "screened_at", "explain_path", "bytes_total", "bytes_read"}
SECONDS = {"seconds_read", "seconds_infer", "seconds_total"}

Screen = Callable[[str], StudyResult]


@dataclass(frozen=True)
class Ways:
    """One archive with one study, and the addresses under which it may be read."""

    folder: Path
    proxy: FaultyProxy
    orthanc: Orthanc

    def address(self, way: str) -> str:
        """Of the archive, as it is given to `osteoscreen screen`."""
        web = f"{self.proxy.url}/dicom-web"
        return {"folder": str(self.folder), "dicomweb": web, "dimse": self.orthanc.dimse}[way]


@pytest.fixture(scope="module")
def ways(real_ct: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """The chest in a folder, and in an Orthanc that it was sent to."""
    folder = real_ct / CHEST
    with (
        running_orthanc(tmp_path_factory.mktemp("orthanc")) as orthanc,
        faulty_proxy(orthanc.url) as proxy,
    ):
        orthanc.store(path for path in folder.rglob("*") if path.is_file())
        yield Ways(folder, proxy, orthanc)


@pytest.fixture(scope="module")
def screen(ways: Ways, model_server: str, tmp_path_factory: pytest.TempPathFactory) -> Screen:
    """Screens the study by one of its ways, once each."""
    results: dict[str, StudyResult] = {}

    def result(way: str) -> StudyResult:
        if way not in results:
            client = shared_client(model_server, Inference())
            bench = bench_at(tmp_path_factory.mktemp(way) / "lake", client, pictures=False)
            results[way] = screened(replace(bench, secret=SECRET), ways.address(way))
        return results[way]

    return result


def screened(bench: Bench, address: str) -> StudyResult:
    """The result of the one study of an archive."""
    settings = bench.settings.model_copy(update={"cluster": Cluster(kind="inline")})
    archive = open_archive(address, settings)
    scan = archive.scan()
    (summary,) = scan.studies
    study = scan.study(summary.study_uid)
    identity = study.any_instance().identity
    work = Work(
        study,
        ScreeningKey(study.study_uid, "content", "1", "1-00000000"),
        patient_key(identity, SECRET, study.study_uid),
    )
    return screen_study(replace(bench, access=archive.access()), work)


def differences(one: object, other: object, but: set[str]) -> dict[str, tuple[object, object]]:
    """Fields in which two rows differ."""
    names = {field.name for field in fields(one)} - but  # type: ignore[arg-type]
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("way", ["dicomweb", "dimse"])
def test_a_study_is_the_same_row_whichever_way_it_came(way: str, screen: Screen) -> None:
    of_folder, over_network = screen("folder"), screen(way)
    assert of_folder.screening.outcome is Outcome.SCORED, of_folder.screening.detail
    assert differences(over_network.screening, of_folder.screening, OF_THE_WAY | SECONDS) == {}
    assert len(over_network.vertebrae) == len(of_folder.vertebrae) >= 4
    for one, other in zip(over_network.vertebrae, of_folder.vertebrae, strict=True):
        assert differences(one, other, set()) == {}


def test_less_than_half_of_the_series_comes_over_the_network(screen: Screen, ways: Ways) -> None:
    result = screen("dicomweb")
    series = sum(path.stat().st_size for path in ways.folder.rglob("*") if path.is_file())
    assert result.screening.bytes_read is not None
    assert result.screening.bytes_read <= ways.proxy.sent <= MAX_MOVED * series


def test_only_what_is_decoded_is_fetched(screen: Screen, ways: Ways) -> None:
    result = screen("dicomweb")
    fetched = ways.proxy.count("/instances/")
    assert result.screening.slices_read is not None
    assert result.screening.slices_read <= fetched <= result.screening.slices_read + 2

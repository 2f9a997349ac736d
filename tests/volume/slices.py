"""Four slices 2 mm apart as files, and the volume that they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import UID

from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.stack import stack_planes
from tasks.volume.volume import Volume
from tests.dicom.files import ct_slice, file_bytes

Z_MM = (10.0, 12.0, 14.0, 16.0)


def volume_of(tmp_path: Path, datasets: list[pydicom.Dataset], syntax: UID | None = None) -> Volume:
    instances = []
    for index, ds in enumerate(datasets):
        path = tmp_path / f"{index}"
        path.write_bytes(file_bytes(ds, syntax) if syntax else file_bytes(ds))
        instances.append(instance_of(path))
    return Volume(stack_planes(instances))


def instance_of(path: Path) -> Instance:
    instance = read_header(path, path.stat().st_size)
    assert isinstance(instance, Instance)
    return instance


def head_first(picture: npt.NDArray[np.int16]) -> list[pydicom.Dataset]:
    """The reference: pixel (0, 0) at x −100, y −110.5."""
    return [ct_slice(z, (picture + int(z)).astype(np.int16)) for z in Z_MM]

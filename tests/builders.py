"""Headers made to order for tests: an axial CT slice, a series of them, a study."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tasks.dicom.instance import Frame, Identity, Instance, Series, Study

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def axial_slice(z_mm: float = 0.0, **overrides: Any) -> Instance:  # noqa: ANN401 - any field
    """One unenhanced axial chest slice of a woman of 70 at height `z_mm`; any field may be given."""
    series_uid = overrides.get("series_uid", "1.2.3.1")
    content = repr((z_mm, sorted(overrides.items()))).encode()
    digest = hashlib.sha256(content).hexdigest()
    slice_ = Instance(
        source=f"{digest[:12]}.dcm",
        size_bytes=526_000,
        study_uid="1.2.3",
        series_uid=series_uid,
        sop_instance_uid=f"{series_uid}.{int(digest[:12], 16)}",
        sop_class_uid=CT_STORAGE,
        transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN,
        content_token=digest[:16],
        identity=Identity(patient_id="P-1", issuer="HOSPITAL"),
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        study_date="20240315",
        study_description="CT Chest",
        series_description="Thorax 1.0",
        body_part="CHEST",
        frame_of_reference_uid="1.2.3.99",
        sex="F",
        age_text="070Y",
        patient_position="HFS",
        manufacturer="SIEMENS",
        kvp=120.0,
        kernel="B30f",
        slice_thickness_mm=1.0,
        pixel_spacing_mm=(0.7, 0.7),
        rows=512,
        columns=512,
        frames=(Frame(position_mm=(-180.0, -180.0, z_mm), orientation=AXIAL, intercept=-1024.0),),
    )
    return replace(slice_, **overrides)


def axial_series(
    slices: int = 300,
    spacing_mm: float = 1.0,
    start_mm: float = 0.0,
    **overrides: Any,  # noqa: ANN401 - any field
) -> list[Instance]:
    """Evenly spaced axial slices from `start_mm` towards the head; overrides go to every slice."""
    return [
        axial_slice(start_mm + index * spacing_mm, **{"instance_number": index + 1, **overrides})
        for index in range(slices)
    ]


def localizer(orientation: Sequence[float] = CORONAL, **overrides: Any) -> Instance:  # noqa: ANN401 - any field
    """One projection image (scout) as it stands in many series."""
    frame = Frame(position_mm=(-180.0, 0.0, 400.0), orientation=tuple(orientation))  # type: ignore[arg-type]
    fields = {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER"), "rows": 888, "frames": (frame,)}
    return axial_slice(400.0, **{**fields, **overrides})


def study(instances: Iterable[Instance], unreadable: int = 0) -> Study:
    """Instances grouped into the series they name."""
    series: dict[str, list[Instance]] = {}
    study_uid = "1.2.3"
    tokens = []
    for instance in instances:
        series.setdefault(instance.series_uid, []).append(instance)
        study_uid = instance.study_uid
        tokens.append(instance.content_token)
    return Study(
        study_uid=study_uid,
        series=tuple(Series(uid, tuple(found)) for uid, found in series.items()),
        content_key=hashlib.sha256("".join(sorted(tokens)).encode()).hexdigest()[:32],
        unreadable=unreadable,
    )

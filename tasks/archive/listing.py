"""A study as the lists of a network archive tell it, before any of its headers has been asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.archive.scan import CONTENT_KEY_DIGITS
from tasks.dicom.instance import Instance, Series, Study

# Modalities of objects that are no images (PS3.3 C.7.3.1.1.1), as the header reader passes them over in a
# folder.
NO_IMAGES = frozenset(
    {"SR", "PR", "KO", "SEG", "DOC", "REG", "FID", "RWV", "PLAN", "ECG", "AU", "HD", "EPS", "RESP"}
    | {"RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE", "RTRECORD", "RTINTENT", "RTSEGANN", "RTRAD"}
)
# More images than this in one series is no count to believe.
MAX_IMAGES = 20_000
_UNKNOWN = (ListedSeries(""),)


@dataclass(frozen=True, slots=True)
class StudyAsListed(Study):
    """A study whose series hold what the lists told of them: as many images as listed, all of them alike.

    Attributes:
        listing: the line of the study.
        listed: its series, those without images among them.
    """

    listing: ListedStudy = field(default_factory=lambda: ListedStudy(""))
    listed: tuple[ListedSeries, ...] = ()


def may_be_measured(series: ListedSeries) -> bool:
    """Whether a series is CT, or may be: no other is ever measured."""
    return series.modality in ("CT", "")


def may_hold_images(series: ListedSeries) -> bool:
    """Whether a series is of any concern; reports, segmentations and the like are not."""
    return series.modality not in NO_IMAGES


def content_key_of(listed: Iterable[ListedSeries], revision: str = "") -> str:
    """A digest of everything listed that may be measured: other series may come and go without a difference.

    So a result that is sent back to the archive does not make its study a new one.

    Args:
        revision: what else parts this content from an earlier one that was listed alike.
    """
    lines = sorted(
        f"{series.series_uid} {series.instances} {series.changed_s}"
        for series in listed
        if may_be_measured(series)
    )
    return hashlib.sha256("\n".join([*lines, revision]).encode()).hexdigest()[:CONTENT_KEY_DIGITS]


def as_listed(study: ListedStudy, listed: tuple[ListedSeries, ...], content_key: str) -> StudyAsListed:
    """The study that the lists describe; of one whose series could not be had, at least whose it is."""
    return StudyAsListed(
        study_uid=study.study_uid,
        series=tuple(
            Series(series.series_uid, (_image(study, series),) * _images(series))
            for series in sorted(listed or _UNKNOWN, key=lambda series: series.series_uid)
            if may_hold_images(series)
        ),
        content_key=content_key,
        listing=study,
        listed=listed,
    )


def _images(series: ListedSeries) -> int:
    return min(max(series.instances or 1, 1), MAX_IMAGES)


def _image(study: ListedStudy, series: ListedSeries) -> Instance:
    return Instance(
        source="",
        size_bytes=0,
        study_uid=study.study_uid,
        series_uid=series.series_uid,
        sop_instance_uid="",
        sop_class_uid="",
        transfer_syntax_uid="",
        identity=study.identity,
        modality=series.modality,
        study_date=study.study_date,
        study_description=study.description,
        series_description=series.description,
        series_number=series.series_number,
        sex=study.sex,
    )

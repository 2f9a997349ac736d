"""Who is known already: the list of patients whose osteoporosis needs no screening."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from tasks.dicom.instance import Identity
from tasks.outcomes import ConfigurationError

KnownPatients = Callable[[Identity], bool] | Collection[str]


def read_known_patients(path: Path) -> frozenset[str]:
    """PatientIDs of a text file, one a line; empty lines and lines that begin with # are left out.

    Raises:
        ConfigurationError: when the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            "The file of eligibility.known_osteoporosis cannot be read: it must be a text file in UTF-8 "
            "with one PatientID a line."
        ) from None
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def is_known(identity: Identity, known: KnownPatients) -> bool:
    """Whether a patient is on the list: a question answered by the hospital's system, or PatientIDs."""
    if callable(known):
        return known(identity)
    return bool(identity.patient_id) and identity.patient_id in known

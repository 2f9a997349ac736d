"""Who is known already: the list of patients whose osteoporosis needs no screening."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from tasks.dicom.instance import Identity
from tasks.outcomes import ConfigurationError

KnownPatient = tuple[str, str]
"""PatientID and its issuer; an empty issuer stands for any."""
KnownPatients = Collection[KnownPatient]

_COLUMNS = ("patient_id", "issuer")


def read_known_patients(path: Path) -> frozenset[KnownPatient]:
    """Patients of a CSV file with the column `patient_id` and, where numbers repeat, `issuer`.

    Raises:
        ConfigurationError: when the file cannot be read, or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            if _COLUMNS[0] not in (rows.fieldnames or ()):
                raise ValueError
            named = [tuple((row.get(column) or "").strip() for column in _COLUMNS) for row in rows]
    except (OSError, ValueError, csv.Error):
        raise ConfigurationError(
            "The file of eligibility.known_osteoporosis cannot be read: it must be CSV in UTF-8 with a "
            "line of headings, patient_id and (optionally) issuer."
        ) from None
    return frozenset((patient_id, issuer) for patient_id, issuer in named if patient_id)


def entries_of(known: KnownPatients) -> dict[str, tuple[KnownPatient, ...]]:
    """The list by PatientID, for whoever knows a patient's number and not yet the issuer."""
    entries: dict[str, tuple[KnownPatient, ...]] = {}
    for entry in known:
        entries[entry[0]] = (*entries.get(entry[0], ()), entry)
    return entries


def is_known(identity: Identity, known: KnownPatients) -> bool:
    """Whether a patient is on the list, under this issuer or under any."""
    patient_id, issuer = identity.patient_id.strip(), identity.issuer.strip()
    return bool(patient_id) and ((patient_id, issuer) in known or (patient_id, "") in known)

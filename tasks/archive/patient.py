"""`patient_key`: a name for a patient that tells nobody who the patient is.

HMAC-SHA256 over issuer and PatientID with a secret of the site: without the secret the numbers of a hospital,
of which there are few, could simply be tried.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from pydantic import SecretStr

from tasks.dicom.instance import Identity
from tasks.files import PRIVATE_FILE, make_private_folder, write_once
from tasks.outcomes import ConfigurationError

KEY_DIGITS = 32
"""128 bits: no two patients of one site will ever share a key."""
FILE_NAME = "patient_key"
SECRET_BYTES = 32


def patient_key(identity: Identity, secret: bytes, study_uid: str) -> str:
    """The key of a patient, 32 hexadecimal digits.

    A header without PatientID gets a key of its study alone, so that strangers are never merged.
    """
    patient_id = identity.patient_id.strip()
    parts = ("patient", identity.issuer.strip(), patient_id) if patient_id else ("study", "", study_uid)
    # lengths before the parts: no two different identities make the same message
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(secret, message, "sha256").hexdigest()[:KEY_DIGITS]


def load_secret(identities: Path, configured: SecretStr | None = None) -> bytes:
    """The site's secret: the configured one, else the lake's, which is made when there is none.

    Args:
        identities: the lake's folder of identities.
        configured: `patient_key_secret` of the settings.

    Raises:
        ConfigurationError: when the lake's secret cannot be read or written, or is no longer whole.
    """
    if configured is not None:
        return configured.get_secret_value().encode()
    path = identities / FILE_NAME
    try:
        if not path.exists():
            make_private_folder(identities)
            write_once(path, secrets.token_hex(SECRET_BYTES).encode(), PRIVATE_FILE)
        secret = path.read_bytes()
    except OSError:
        raise ConfigurationError(
            "The secret of the patient keys cannot be read or written: make identities/patient_key in the "
            "lake readable and its folder writable, or set OSTEOSCREEN_PATIENT_KEY_SECRET."
        ) from None
    if len(secret) < SECRET_BYTES:
        raise ConfigurationError(
            "The secret of the patient keys in identities/patient_key is cut short: restore it from a copy. "
            "With another one, no patient would be recognised again."
        )
    return secret

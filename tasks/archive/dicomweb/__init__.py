"""Archives that speak DICOMweb (PS3.18): QIDO-RS for lists, WADO-RS for headers and images."""

from tasks.archive.dicomweb.peer import DicomWebPeer

__all__ = ["DicomWebPeer"]

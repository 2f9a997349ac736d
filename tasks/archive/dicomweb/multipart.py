"""The DICOM file in an answer of WADO-RS: the first part of a multipart message, or the whole body."""

from __future__ import annotations

from email.message import Message

from tasks.outcomes import ArchiveError

_SINGLE = frozenset({"application/dicom", "application/octet-stream"})
_LINE = b"\r\n"
_END_OF_HEADERS = b"\r\n\r\n"


def dicom_file(kind: str, body: bytes) -> memoryview:
    """The bytes of the file, without a copy of them.

    Args:
        kind: Content-Type of the answer.

    Raises:
        ArchiveError: when the answer holds no file, or ends before it does.
    """
    header = Message()
    header["Content-Type"] = kind
    media, boundary = header.get_content_type(), header.get_boundary()
    if media in _SINGLE:
        return memoryview(body)
    if media != "multipart/related" or not boundary:
        raise ArchiveError("The archive sent something other than a DICOM image.")
    delimiter = b"--" + boundary.encode("ascii", "replace")
    opening = 0 if body.startswith(delimiter) else body.find(_LINE + delimiter)
    start = body.find(_END_OF_HEADERS, opening)
    # a file of zero bytes would end where its headers do, so the search begins within them
    end = body.find(_LINE + delimiter, start + len(_END_OF_HEADERS) - len(_LINE))
    if opening < 0 or start < 0 or end < 0:
        raise ArchiveError("The archive's answer ends before the image in it does.")
    return memoryview(body)[start + len(_END_OF_HEADERS) : end]

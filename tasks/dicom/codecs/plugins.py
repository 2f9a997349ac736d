"""pydicom's decoder plugins (pylibjpeg, pyjpegls, GDCM), for machines on which imagecodecs is missing.

They are slower and hold the interpreter's lock. The checks of size and end are the same as elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from tasks.dicom.codecs.base import Codec, PixelFormat, Raw, undecodable
from tasks.dicom.codecs.markers import (
    SOC_SIZ,
    check_size,
    check_tile_parts,
    codestream_header,
    end_of,
    jpeg_header,
)
from tasks.dicom.with_pydicom import Unreadable, damaged_input_as_unreadable


def _decode(stream: bytes, form: PixelFormat, syntax: str) -> Raw:
    end_of(stream)
    if SOC_SIZ in stream[:4096]:
        codestream = codestream_header(stream)
        check_size(codestream, form)
        check_tile_parts(stream, codestream.offset)
    else:
        check_size(jpeg_header(stream), form)
    try:
        with damaged_input_as_unreadable():
            array, _ = get_decoder(syntax).as_array(
                encapsulate([stream]),
                index=0,
                **_options(form),
            )
    except Unreadable as error:
        raise undecodable(f"pydicom's plugins: {error}") from None
    return np.asarray(array)


def _options(form: PixelFormat) -> Any:  # noqa: ANN401 - pydicom types its keyword arguments as one TypedDict
    return {
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
    }


def plugin(syntax: str, module: str, package: str) -> Codec:
    """The codec that decodes one transfer syntax through a plugin of pydicom's."""
    return Codec(
        f"pydicom with {package}", package, module, lambda stream, form, _: _decode(stream, form, syntax)
    )

"""Pixels: every lossless encoding gives the same picture; what cannot be read or is cut is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import RLELossless

from tasks.dicom.codecs import base
from tasks.dicom.codecs.base import PixelFormat, Stored, to_stored
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import check_complete, frame_bytes
from tasks.dicom.syntaxes import SYNTAXES, decode_frame, syntax_of
from tasks.outcomes import Failed, Reason
from tests.dicom.codecs.lossless_jpeg import encode

JPEG_PREFIX = "1.2.840.10008.1.2.4."
LOSSLESS = {"57", "70", "80", "90"}
FORM = PixelFormat(rows=40, columns=50, bits_allocated=16, bits_stored=12, high_bit=11, signed=False)


def noisy() -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(1)
    steps = np.cumsum(rng.integers(-40, 41, (FORM.rows, FORM.columns)), axis=1)
    return np.clip(steps + 2048, 0, 4095).astype(np.uint16)


def rle(picture: npt.NDArray[np.uint16]) -> bytes:
    return get_encoder(RLELossless).encode(
        picture.tobytes(),
        rows=picture.shape[0],
        columns=picture.shape[1],
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
        number_of_frames=1,
    )


STREAMS: dict[str, bytes] = {
    "1.2.840.10008.1.2.5": rle(noisy()),
    JPEG_PREFIX + "70": encode(noisy(), 12, 1),
    JPEG_PREFIX + "80": bytes(imagecodecs.jpegls_encode(noisy())),
    JPEG_PREFIX + "90": bytes(
        imagecodecs.jpeg2k_encode(noisy(), codecformat="j2k", reversible=True, level=0)
    ),
    JPEG_PREFIX + "201": bytes(imagecodecs.htj2k_encode(noisy(), reversible=True)),
}


def load(path: Path) -> Stored:
    data = path.read_bytes()
    instance = read_header(path, len(data))
    assert isinstance(instance, Instance)
    form = PixelFormat.of(instance)

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    check_complete(instance, form, read)
    return decode_frame(frame_bytes(instance, 0, form, read), instance.transfer_syntax_uid, form)


def test_every_encoding_of_one_real_slice(real_ct: Path) -> None:
    truth = pydicom.dcmread(real_ct / "syntaxes" / "CTImage.dcm").pixel_array
    outcomes: dict[str, str] = {}
    for path in sorted((real_ct / "syntaxes").iterdir()):
        uid = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        try:
            error = int(np.abs(load(path).astype(int) - truth).max())
            outcomes[uid.removeprefix("1.2.840.10008.1.2")] = f"within {error}"
        except Failed as failed:
            outcomes[uid.removeprefix("1.2.840.10008.1.2")] = str(failed.reason)
    exact = ["", ".1", ".1.99", ".2", ".5", ".4.57", ".4.70", ".4.80", ".4.90"]
    refused = [".4.50", ".4.51", ".4.53", ".4.55"]
    assert outcomes == {
        **dict.fromkeys(exact, "within 0"),
        **dict.fromkeys(refused, "undecodable_pixels"),
        ".4.81": "within 1",
        ".4.91": "within 5",
    }


@pytest.mark.parametrize("name", ["CT1", "CT2"])
@pytest.mark.parametrize("uid", ["201", "202", "203"])
def test_htj2k_is_bit_exact(real_ct: Path, name: str, uid: str) -> None:
    stream = (real_ct / "htj2k" / "j2c" / f"{name}.j2c").read_bytes()
    truth = np.fromfile(real_ct / "htj2k" / "raw" / f"{name}.RAW", "<i2").reshape(512, 512)
    form = PixelFormat(512, 512, 16, 16, 15, signed=True)
    np.testing.assert_array_equal(decode_frame(stream, JPEG_PREFIX + uid, form), truth)


@pytest.mark.parametrize("uid", STREAMS)
def test_made_streams_decode(uid: str) -> None:
    decoded = decode_frame(STREAMS[uid], uid, FORM)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, noisy())


@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_with_every_predictor(precision: int, predictor: int) -> None:
    rng = np.random.default_rng(precision)
    picture = rng.integers(0, 1 << precision, (11, 13)).astype(np.uint16)
    form = PixelFormat(11, 13, 16, precision, precision - 1, signed=False)
    stream = encode(picture, precision, predictor)
    np.testing.assert_array_equal(decode_frame(stream, JPEG_PREFIX + "57", form), picture)


@pytest.mark.parametrize("variant", [{"point_transform": 2}, {"restart": 4}])
def test_lossless_jpeg_that_decoders_misread_is_refused(variant: dict[str, int]) -> None:
    with pytest.raises(Failed) as failed:
        decode_frame(encode(noisy(), 12, 1, **variant), JPEG_PREFIX + "57", FORM)
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS


@pytest.mark.parametrize("uid", STREAMS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("end", ["cut", "zeros", "end marker again"])
def test_a_truncated_stream_never_gives_a_picture(uid: str, kept: float, end: str) -> None:
    stream = STREAMS[uid]
    cut = stream[: int(len(stream) * kept)]
    if end == "zeros":
        cut = cut.ljust(len(stream), b"\0")
    elif end == "end marker again":
        cut += b"\xff\xd9"
    with pytest.raises(Failed) as failed:
        decode_frame(cut, uid, FORM)
    assert failed.value.reason in (Reason.TRUNCATED_PIXELS, Reason.UNDECODABLE_PIXELS)


def test_real_slices_cut_short_never_give_a_picture(real_ct: Path) -> None:
    for path in sorted((real_ct / "syntaxes").iterdir()):
        data = path.read_bytes()
        for kept in (0.4, 0.9, 0.999):
            cut = data[: int(len(data) * kept)]
            instance = read_header(path, len(data))
            assert isinstance(instance, Instance)

            def read(offset: int, length: int, cut: bytes = cut) -> bytes:
                return cut[offset : offset + length]

            form = PixelFormat.of(instance)
            with pytest.raises(Failed):
                decode_frame(frame_bytes(instance, 0, form, read), instance.transfer_syntax_uid, form)


@pytest.mark.parametrize("uid", [JPEG_PREFIX + n for n in ("70", "80", "90", "201")])
def test_a_stream_that_claims_a_huge_picture_is_refused_before_it_is_decoded(uid: str) -> None:
    stream = STREAMS[uid]
    size = struct.pack(">II", FORM.columns, FORM.rows)
    if size in stream:  # SIZ, then the tile size of the same
        huge = stream.replace(size, struct.pack(">II", 60_000, 60_000))
    else:
        huge = stream.replace(struct.pack(">HH", FORM.rows, FORM.columns), struct.pack(">HH", 60_000, 60_000))
    assert huge != stream
    with pytest.raises(Failed, match="60000") as failed:
        decode_frame(huge, uid, FORM)
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS


@pytest.mark.parametrize(
    "claim",
    [
        {"rows": 60_000, "columns": 60_000},
        {"rows": 0},
        {"bits_allocated": 32},
        {"bits_stored": 13},
        {"high_bit": 16},
    ],
)
def test_a_header_that_claims_no_ct_is_refused(claim: dict[str, int]) -> None:
    promise = {"rows": 40, "columns": 50, "bits_allocated": 16, "bits_stored": 12, "high_bit": 11, **claim}
    with pytest.raises(Failed) as failed:
        PixelFormat(**promise, signed=False)
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # imagecodecs, HTJ2K
@given(data=st.data(), uid=st.sampled_from(sorted(STREAMS)))
@settings(max_examples=300, deadline=None)
def test_damaged_streams_have_no_other_outcome(data: st.DataObject, uid: str) -> None:
    stream = bytearray(STREAMS[uid])
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode_frame(bytes(stream), uid, FORM).shape == (FORM.rows, FORM.columns)
    except Failed as failed:
        assert failed.reason in (Reason.TRUNCATED_PIXELS, Reason.UNDECODABLE_PIXELS)


@given(st.integers(-2048, 2047), st.integers(0, 15), st.sampled_from([11, 15]), st.booleans())
def test_bits_beside_the_stored_ones_do_not_count(
    value: int, overlay: int, high_bit: int, signed: bool
) -> None:
    stored = value if signed else value + 2048
    shift = high_bit - 11
    beside = overlay << 12 if not shift else overlay
    word = ((stored & 0xFFF) << shift) | beside
    form = PixelFormat(1, 1, 16, 12, high_bit, signed)
    assert to_stored(np.array([[word]], np.uint16), form)[0, 0] == stored


def test_negative_values_where_the_header_allows_none_are_refused() -> None:
    with pytest.raises(Failed):
        to_stored(np.array([[-1]], np.int16), FORM)


@pytest.mark.parametrize("uid", [JPEG_PREFIX + n for n in ("90", "201")])
def test_reduced_resolution(uid: str) -> None:
    smooth = np.add.outer(np.arange(64) * 20, np.arange(48) * 30).astype(np.uint16)
    if uid.endswith("90"):
        stream = bytes(imagecodecs.jpeg2k_encode(smooth, codecformat="j2k", reversible=True, level=0))
    else:
        stream = bytes(imagecodecs.htj2k_encode(smooth, reversible=True))
    form = PixelFormat(64, 48, 16, 12, 11, signed=False)
    small = decode_frame(stream, uid, form, reduce=2)
    assert small.shape == (16, 12)
    assert np.abs(small.astype(int) - smooth[::4, ::4]).max() < 60  # a step of 2 pixels


def test_reduced_resolution_needs_a_codec_that_can() -> None:
    with pytest.raises(ValueError, match="RLE"):
        decode_frame(STREAMS["1.2.840.10008.1.2.5"], "1.2.840.10008.1.2.5", FORM, reduce=1)


@pytest.mark.parametrize("uid", [uid for uid in STREAMS if len(SYNTAXES[uid].codecs) > 1])
def test_pydicoms_plugins_stand_in(uid: str) -> None:
    fallback = SYNTAXES[uid].codecs[1]
    assert fallback.is_available
    np.testing.assert_array_equal(fallback.decode(STREAMS[uid], FORM, 0), noisy())
    with pytest.raises(Failed):
        fallback.decode(STREAMS[uid][:-100], FORM, 0)


def test_a_missing_decoder_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    with pytest.raises(Failed, match="pip install imagecodecs or pyjpegls"):
        decode_frame(STREAMS[JPEG_PREFIX + "80"], JPEG_PREFIX + "80", FORM)


def test_an_unknown_transfer_syntax_is_refused() -> None:
    with pytest.raises(Failed, match=r"1\.2\.3"):
        _ = syntax_of("1.2.3").codec


def test_fragments_with_damage() -> None:
    value = encapsulate([STREAMS[JPEG_PREFIX + "80"]], has_bot=True)
    instance = Instance(
        "", len(value), "1", "1", "1", "1", JPEG_PREFIX + "80", rows=40, columns=50, pixel_offset=0
    )
    whole = frame_bytes(instance, 0, FORM, lambda offset, n: value[offset : offset + n])
    assert whole.startswith(STREAMS[JPEG_PREFIX + "80"])
    damaged = b"\0" + value[1:]
    with pytest.raises(Failed) as failed:
        frame_bytes(instance, 0, FORM, lambda offset, n: damaged[offset : offset + n])
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS

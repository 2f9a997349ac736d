"""`Volume`: a stack of slices whose grid is known at once and whose pixels are decoded when asked for."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from tasks.dicom.codecs.base import PixelFormat
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import check_complete, frame_bytes
from tasks.dicom.source import InstanceSource, LocalFiles
from tasks.dicom.stack import Stack
from tasks.dicom.syntaxes import decode_frame, syntax_of
from tasks.outcomes import Failed, Reason
from tasks.settings import Selection
from tasks.volume.canonical import geometry_of
from tasks.volume.delivery import check_delivered
from tasks.volume.geometry import Geometry, HuImage, ReadCost
from tasks.volume.hounsfield import to_hu

# Slices stay decoded as long as their volume, so that each is decoded once: a chest takes 60 to 200 MiB.
# Beyond this many bytes the slices used longest ago are dropped, and decoded again if asked for: a bound,
# never met by a study of 400 slices, that keeps a study of 4,000 from taking a worker's memory.
MAX_HELD_BYTES = 512 * 1024 * 1024


class Volume:
    """Slices on demand, in the canonical frame (see `geometry`). Not safe for use by several threads.

    Args:
        stack: the planes, ascending.
        source: where bytes come from; default: files on disk.
        selection: limits of pixel shape that the grid must keep.

    Raises:
        Excluded: what a grid cannot express; see `geometry_of`.
        Failed: `undecodable_pixels` when the header or transfer syntax of a slice rules decoding out.
    """

    def __init__(
        self, stack: Stack, source: InstanceSource | None = None, selection: Selection | None = None
    ) -> None:
        self._selection = selection or Selection()
        self._source = source or LocalFiles()
        instances = _instances(stack)
        if self._source.is_local:
            for instance in instances:
                self._form_of(instance)
        self._geometry, self._turn = geometry_of(stack, self._selection)
        self._planes = stack.planes
        self._held: OrderedDict[int, HuImage] = OrderedDict()
        self._read: set[int] = set()
        self._is_checked = False
        sizes = [instance.size_bytes for instance in instances]
        self._bytes_total = sum(sizes) if all(sizes) else None
        self._bytes_before = self._source.bytes_read
        self._seconds_read = 0.0
        self._syntax_read = ""

    @property
    def geometry(self) -> Geometry:
        """The grid, known before any pixel is decoded."""
        return self._geometry

    @property
    def cost(self) -> ReadCost:
        """What reading took so far; seconds are those of reading and decoding."""
        return ReadCost(
            slices_total=len(self._planes),
            slices_read=len(self._read),
            bytes_total=self._bytes_total,
            bytes_read=self._source.bytes_read - self._bytes_before,
            seconds_read=self._seconds_read,
        )

    @property
    def transfer_syntax_uid(self) -> str:
        """How the slices are encoded: as those that were read say, before that as they were listed."""
        return self._syntax_read or self._planes[0].instance.transfer_syntax_uid

    @property
    def read(self) -> frozenset[int]:
        """Indices of the slices that have been decoded so far."""
        return frozenset(self._read)

    def hu(self, index: int) -> HuImage:
        """Slice `index`, shape (rows, columns), HU, canonical frame, read-only; padding is −1024.

        Raises:
            Failed: `undecodable_pixels`, `truncated_pixels`, `archive_unavailable`, `unreadable_file`.
            IndexError: no such slice.
        """
        if not 0 <= index < len(self._planes):
            raise IndexError(f"slice {index} of {len(self._planes)}")
        if index not in self._held:
            self._held[index] = self._decode(index, reduce=0)
            self._keep_within_bounds()
        self._held.move_to_end(index)
        return self._held[index]

    def hu_many(self, indices: Iterable[int]) -> tuple[HuImage, ...]:
        """Several slices, in the order asked for; as `hu`."""
        return tuple(self.hu(index) for index in indices)

    def want(self, indices: Iterable[int]) -> None:
        """Say which slices will be asked for next: a source that is far away then fetches them together."""
        self._source.want([self._planes[index].instance for index in indices if index not in self._held])

    def hu_reduced(self, index: int, reduce: int) -> HuImage:
        """A slice at 1 / 2**reduce of the resolution, shape rounded up; for a look, not for measuring.

        JPEG 2000 and HTJ2K decode no more than that; other slices are decoded whole (and kept) and averaged.
        Pixel centres agree with the full slice to half a pixel of the reduced one.

        Raises:
            Failed: as `hu`.
        """
        listed = self._planes[index].instance.transfer_syntax_uid  # an archive's list may not tell it
        if listed and syntax_of(listed).codec.can_reduce and index not in self._held:
            return self._decode(index, reduce)
        return _averaged(self.hu(index), 1 << reduce)

    def _decode(self, index: int, reduce: int) -> HuImage:
        began = time.perf_counter()
        try:
            self._check_all_complete()
            plane = self._planes[index]
            instance, read = self._source.open(plane.instance)
            form = self._form_of(instance)
            if not self._source.is_local:
                check_delivered(plane, instance)
                check_complete(instance, form, read)
            stream = frame_bytes(instance, plane.frame, form, read)
            stored = decode_frame(stream, instance.transfer_syntax_uid, form, reduce)
            self._read.add(index)
            self._syntax_read = instance.transfer_syntax_uid
            turned = self._turn.apply(to_hu(stored, instance.frames[plane.frame], instance))
            image = np.ascontiguousarray(turned)
            image.flags.writeable = False
            return image
        finally:
            self._seconds_read += time.perf_counter() - began

    def _check_all_complete(self) -> None:
        """Before the first slice is decoded: a stack with a truncated slice is not one to measure in part."""
        if self._is_checked or not self._source.is_local:
            return
        for listed in {id(plane.instance): plane.instance for plane in self._planes}.values():
            instance, read = self._source.open(listed)
            check_complete(instance, self._form_of(instance), read)
        self._is_checked = True

    def _form_of(self, instance: Instance) -> PixelFormat:
        """What a decoder must know of the pixels.

        Raises:
            Failed: `undecodable_pixels` when the header or transfer syntax rules decoding out.
        """
        _refuse_oversize(instance, self._selection.max_pixels_per_side)
        _ = syntax_of(instance.transfer_syntax_uid).codec
        return PixelFormat.of(instance)

    def _keep_within_bounds(self) -> None:
        held = sum(image.nbytes for image in self._held.values())
        while held > MAX_HELD_BYTES and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            held -= dropped.nbytes


def _instances(stack: Stack) -> tuple[Instance, ...]:
    """The instances of a stack, each once."""
    return tuple({id(plane.instance): plane.instance for plane in stack.planes}.values())


def _refuse_oversize(instance: Instance, limit: int) -> None:
    if max(instance.rows, instance.columns) > limit:
        raise Failed(
            Reason.UNDECODABLE_PIXELS, f"the header claims {instance.rows} × {instance.columns} pixels"
        )


def _averaged(image: HuImage, factor: int) -> HuImage:
    """Means of blocks of factor × factor pixels; the last row and column are repeated to fill a block."""
    rows, columns = image.shape
    padded = np.pad(image, ((0, -rows % factor), (0, -columns % factor)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    means: HuImage = np.rint(blocks.mean(axis=(1, 3))).astype(np.int16)
    means.flags.writeable = False
    return means

# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Camera images as bytes to (H, W, 3) uint8 RGB arrays.

Encoding names are those of `sensor_msgs/image_encodings`, and nv12, which drivers use though it
is not among them. The generic 8UC3 and 8UC4 are taken to be BGR, OpenCV's order: that is what
cv_bridge writes when nobody names an encoding, and how RViz shows them.

8-bit colour and grey images come back as read-only views of the message's own bytes: nothing is
copied, a view of `bgr8` runs backwards along its last axis and one of `mono8` stands still there.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError, shown
from elepose_core.geometry.camera import MAX_PIXELS
from elepose_core.opencv import opencv

if TYPE_CHECKING:
    from typing_extensions import Buffer

    # Arrays have a buffer too, but declare it only from Python 3.12 on.
    Bytes = Buffer | NDArray[Any]

__all__ = [
    'ENCODINGS',
    'MAX_COMPRESSED_BYTES',
    'MAX_IMAGE_SIDE',
    'MAX_JPEG_SCANS',
    'rgb_from_compressed',
    'rgb_from_photograph',
    'rgb_from_raw',
]

Image = NDArray[np.uint8]

MAX_IMAGE_SIDE = 65_535
# Compressed, an image is smaller than its pixels.
MAX_COMPRESSED_BYTES = 3 * MAX_PIXELS
# Each scan of a progressive JPEG costs a pass over the whole image; cameras and tools make ten.
MAX_JPEG_SCANS = 32


@dataclass(frozen=True)
class _RawImage:
    """Bytes of one image with what its message says of them."""

    data: NDArray[np.uint8]
    height: int
    width: int
    step: int
    encoding: str
    is_bigendian: bool

    def samples(self, channels: int, sample_bytes: int = 1, rows: int = 0) -> NDArray[Any]:
        """Return a view (rows, W, channels) of the samples; rows may be padded at their end."""
        rows = rows or self.height
        row_bytes = self.width * channels * sample_bytes
        if self.step < row_bytes:
            raise InputError(
                f'image step is {self.step} bytes; expected at least {row_bytes} for '
                f'{self.width} pixels of {self.encoding}'
            )
        needed = self.step * (rows - 1) + row_bytes
        if len(self.data) < needed:
            raise InputError(
                f'image data has {len(self.data)} bytes; expected at least {needed} for '
                f'{self.width}x{self.height} {self.encoding} with step {self.step}'
            )
        order = '>' if self.is_bigendian else '<'
        view: NDArray[Any] = np.ndarray(
            (rows, self.width, channels),
            dtype=np.dtype(f'{order}u{sample_bytes}'),
            buffer=self.data,
            strides=(self.step, channels * sample_bytes, sample_bytes),
        )
        view.flags.writeable = False
        return view


def rgb_from_raw(
    data: 'Bytes', height: int, width: int, step: int, encoding: str, is_bigendian: bool = False
) -> Image:
    """Read the pixels of an uncompressed image message.

    Args:
        data: The bytes, in any object with a buffer (bytes, array.array, memoryview, ndarray).
        height: Rows of the image.
        width: Pixels per row.
        step: Bytes from one row to the next, padding included.
        encoding: One of `ENCODINGS`. 16-bit images keep the upper eight bits of each sample.
        is_bigendian: Byte order of 16-bit samples.

    Returns:
        (height, width, 3) RGB; a read-only view where the encoding allows it.

    Raises:
        InputError: The encoding is unknown, or size, step and amount of data do not fit.
        MissingDependency: YUV and Bayer images need OpenCV.
    """
    if encoding not in _READERS:
        raise InputError(
            f'image encoding is {shown(encoding)}; expected one of {", ".join(ENCODINGS)}'
        )
    _check_size(width, height)
    try:
        flat = memoryview(cast('Buffer', data)).cast('B')
    except TypeError:
        raise InputError(
            f'image data is of type {type(data).__name__}; expected contiguous bytes'
        ) from None
    flat_bytes = np.frombuffer(flat, np.uint8) if len(flat) else np.empty(0, np.uint8)
    raw = _RawImage(flat_bytes, height, width, step, encoding, is_bigendian)
    return _READERS[encoding](raw)


def rgb_from_compressed(data: 'Bytes') -> Image:
    """Decode a JPEG or PNG image message to (H, W, 3) RGB.

    An orientation tag is ignored: the pixels stay where the camera's calibration has them.

    Raises:
        InputError: The data is not a whole JPEG or PNG image, or it is larger than `MAX_PIXELS`.
        MissingDependency: OpenCV is absent.
    """
    cv2 = opencv('decoding of compressed images')
    return _decoded(data, cv2, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def rgb_from_photograph(data: 'Bytes') -> Image:
    """Decode a JPEG or PNG picture to (H, W, 3) RGB, turned upright by its orientation tag.

    Raises:
        InputError: As `rgb_from_compressed`.
        MissingDependency: OpenCV is absent.
    """
    cv2 = opencv('decoding of pictures')
    return _decoded(data, cv2, cv2.IMREAD_COLOR)


def _check_size(width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise InputError(f'image is {width}x{height} pixels; expected both > 0')
    if width * height > MAX_PIXELS:
        raise InputError(
            f'image is {width}x{height} pixels; expected at most {MAX_PIXELS // 10**6} megapixels'
        )
    if max(width, height) > MAX_IMAGE_SIDE:
        raise InputError(
            f'image is {width}x{height} pixels; expected sides up to {MAX_IMAGE_SIDE}'
        )


def _colour(channels: int, sample_bytes: int, order: str) -> Callable[[_RawImage], Image]:
    picked = slice(0, 3) if order == 'rgb' else slice(2, None, -1)

    def read(raw: _RawImage) -> Image:
        return _upper_bits(raw.samples(channels, sample_bytes)[..., :3][..., picked])

    return read


def _grey(sample_bytes: int) -> Callable[[_RawImage], Image]:
    def read(raw: _RawImage) -> Image:
        grey = _upper_bits(raw.samples(1, sample_bytes))
        return np.broadcast_to(grey, (raw.height, raw.width, 3))

    return read


def _upper_bits(samples: NDArray[Any]) -> Image:
    if samples.dtype.itemsize == 1:
        return samples
    return (samples >> 8).astype(np.uint8)


def _yuv_packed(conversion: str) -> Callable[[_RawImage], Image]:
    def read(raw: _RawImage) -> Image:
        if raw.width % 2:
            raise InputError(
                f'image width is {raw.width}; expected an even number for {raw.encoding}'
            )
        cv2 = opencv(f'image encoding {raw.encoding}')
        packed = np.ascontiguousarray(raw.samples(2))
        return np.asarray(cv2.cvtColor(packed, getattr(cv2, conversion)))

    return read


def _yuv_planar(conversion: str) -> Callable[[_RawImage], Image]:
    def read(raw: _RawImage) -> Image:
        if raw.width % 2 or raw.height % 2:
            raise InputError(
                f'image is {raw.width}x{raw.height} pixels; expected even numbers for '
                f'{raw.encoding}'
            )
        cv2 = opencv(f'image encoding {raw.encoding}')
        # Below the rows of brightness follow half as many rows of interleaved colour.
        planes = np.ascontiguousarray(raw.samples(1, rows=raw.height * 3 // 2)[..., 0])
        return np.asarray(cv2.cvtColor(planes, getattr(cv2, conversion)))

    return read


def _yuv_full(conversion: str) -> Callable[[_RawImage], Image]:
    def read(raw: _RawImage) -> Image:
        cv2 = opencv(f'image encoding {raw.encoding}')
        bright = raw.samples(1, rows=raw.height * 3)[: raw.height, :, 0]
        # The colour of every pixel follows, in rows of twice the step.
        colour: NDArray[np.uint8] = np.ndarray(
            (raw.height, 2 * raw.width),
            dtype=np.uint8,
            buffer=raw.data,
            offset=raw.height * raw.step,
            strides=(2 * raw.step, 1),
        )
        # OpenCV has no such format; twice as large, the image is one with halved colour.
        bright = bright.repeat(2, 0).repeat(2, 1)
        planes = np.concatenate([bright, colour])
        return np.ascontiguousarray(cv2.cvtColor(planes, getattr(cv2, conversion))[::2, ::2])

    return read


def _bayer(conversion: str, sample_bytes: int) -> Callable[[_RawImage], Image]:
    def read(raw: _RawImage) -> Image:
        if min(raw.width, raw.height) < 4:
            raise InputError(
                f'image is {raw.width}x{raw.height} pixels; expected at least 4x4 for '
                f'{raw.encoding}'
            )
        cv2 = opencv(f'image encoding {raw.encoding}')
        mosaic = np.ascontiguousarray(_upper_bits(raw.samples(1, sample_bytes))[..., 0])
        return np.asarray(cv2.cvtColor(mosaic, getattr(cv2, conversion)))

    return read


# OpenCV names a mosaic by its second row, from the second pixel; ROS by its first row.
_BAYER = {
    'rggb': 'COLOR_BayerBG2RGB',
    'bggr': 'COLOR_BayerRG2RGB',
    'gbrg': 'COLOR_BayerGR2RGB',
    'grbg': 'COLOR_BayerGB2RGB',
}
_READERS: dict[str, Callable[[_RawImage], Image]] = {
    'rgb8': _colour(3, 1, 'rgb'),
    'bgr8': _colour(3, 1, 'bgr'),
    'rgba8': _colour(4, 1, 'rgb'),
    'bgra8': _colour(4, 1, 'bgr'),
    'rgb16': _colour(3, 2, 'rgb'),
    'bgr16': _colour(3, 2, 'bgr'),
    'rgba16': _colour(4, 2, 'rgb'),
    'bgra16': _colour(4, 2, 'bgr'),
    'mono8': _grey(1),
    'mono16': _grey(2),
    '16UC1': _grey(2),
    '8UC1': _grey(1),
    '8UC3': _colour(3, 1, 'bgr'),
    '8UC4': _colour(4, 1, 'bgr'),
    # `yuv422` is what ROS called UYVY before it had the name.
    'yuv422': _yuv_packed('COLOR_YUV2RGB_UYVY'),
    'uyvy': _yuv_packed('COLOR_YUV2RGB_UYVY'),
    'yuv422_yuy2': _yuv_packed('COLOR_YUV2RGB_YUY2'),
    'yuyv': _yuv_packed('COLOR_YUV2RGB_YUY2'),
    'nv12': _yuv_planar('COLOR_YUV2RGB_NV12'),
    'nv21': _yuv_planar('COLOR_YUV2RGB_NV21'),
    'nv24': _yuv_full('COLOR_YUV2RGB_NV12'),
    **{f'bayer_{name}8': _bayer(conversion, 1) for name, conversion in _BAYER.items()},
    **{f'bayer_{name}16': _bayer(conversion, 2) for name, conversion in _BAYER.items()},
}
ENCODINGS = tuple(_READERS)


def _decoded(data: 'Bytes', cv2: Any, mode: int) -> Image:
    size = memoryview(cast('Buffer', data)).nbytes
    if size > MAX_COMPRESSED_BYTES:
        raise InputError(
            f'compressed image has {size} bytes; expected at most {MAX_COMPRESSED_BYTES}'
        )
    raw = bytes(data)
    if raw.startswith(b'\xff\xd8'):
        _check_size(*_jpeg_size(raw))
    elif raw.startswith(b'\x89PNG\r\n\x1a\n'):
        _check_size(*_png_size(raw))
    else:
        raise InputError(
            f'compressed image starts with bytes {raw[:4].hex(" ") or "(none)"}; '
            'expected a JPEG or PNG image'
        )
    try:
        image_bgr = cv2.imdecode(np.frombuffer(raw, np.uint8), mode)
    except cv2.error:
        image_bgr = None
    if image_bgr is None:
        raise InputError(f'compressed image of {len(raw)} bytes is damaged; it does not decode')
    return np.asarray(image_bgr, np.uint8)[..., ::-1]


# OpenCV fills the missing rest of a cut-off image with grey and would allocate whatever a header
# asks for, so both formats are walked through first.


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    """Return width and height; InputError where the stream has no frame, scan or end."""
    position, size = 2, None
    while position + 4 <= len(raw) and raw[position] == 0xFF:
        marker, length = raw[position + 1], _big_endian(raw[position + 2 : position + 4])
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if is_frame and size is None:
            frame = raw[position + 5 : position + 9]
            size = (_big_endian(frame[2:]), _big_endian(frame[:2]))
        position += 2 + length
        if marker == 0xDA and size is not None:  # the scan's own bytes hold no bare end marker
            if raw.find(b'\xff\xd9', position) < 0:
                raise InputError(f'JPEG image of {len(raw)} bytes is cut off; it has no end')
            scans = 1 + raw.count(b'\xff\xda', position)
            if scans > MAX_JPEG_SCANS:
                raise InputError(
                    f'JPEG image has {scans} scans; expected at most {MAX_JPEG_SCANS}'
                )
            return size
    raise InputError(f'JPEG image of {len(raw)} bytes is damaged; expected a frame and a scan')


def _png_size(raw: bytes) -> tuple[int, int]:
    """Return width and height; InputError where a chunk is cut off or fails its checksum."""
    position, size = 8, None
    while position + 12 <= len(raw):
        length = _big_endian(raw[position : position + 4])
        end = position + 8 + length
        name = raw[position + 4 : position + 8]
        checksum = _big_endian(raw[end : end + 4])
        if end + 4 > len(raw) or zlib.crc32(raw[position + 4 : end]) != checksum:
            break
        # Decoders go by the first header; a second one must not tell us another size.
        if name == b'IHDR' and length >= 8 and size is None:
            header = raw[position + 8 : position + 16]
            size = (_big_endian(header[:4]), _big_endian(header[4:]))
        if name == b'IEND' and size is not None:
            return size
        position = end + 4
    raise InputError(f'PNG image of {len(raw)} bytes is damaged or cut off')


def _big_endian(number: bytes) -> int:
    return int.from_bytes(number, 'big')

"""Writes a PNG from a numpy array with the standard library alone, so that the asset tools need nothing but numpy."""

import struct
import zlib

import numpy as np


def encode(rgb: np.ndarray) -> bytes:
    """Returns the PNG file for `rgb`, an (height, width, 3 or 4) array of uint8, sRGB. Rows are "sub" filtered."""
    height, width, channels = rgb.shape
    if channels not in (3, 4) or rgb.dtype != np.uint8:
        raise ValueError(f"expected (h, w, 3 or 4) uint8, found {rgb.shape} {rgb.dtype}")
    left = np.zeros_like(rgb)
    left[:, 1:] = rgb[:, :-1]
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = 1
    rows[:, 1:] = (rgb - left).reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"sRGB", b"\0")
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def tileable_noise(size: int, cells: int, seed: int) -> np.ndarray:
    """Returns smooth value noise in 0..1, (size, size), that repeats at its edges; `cells` grid cells a side."""
    grid = np.random.default_rng(seed).random((cells, cells))
    at = np.arange(size) * cells / size
    low = at.astype(int)
    t = at - low
    t = t * t * (3 - 2 * t)
    high = (low + 1) % cells
    rows = grid[low] * (1 - t)[:, None] + grid[high] * t[:, None]
    return rows[:, low] * (1 - t) + rows[:, high] * t

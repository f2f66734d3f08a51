#!/usr/bin/env python3
"""Re-reads glTF files (.glb, or .gltf with everything embedded) and fails on the first thing that is wrong with one.

    pip install numpy
    python3 assets/tools/check_gltf.py FILE...

Checked: chunk sizes, buffer ranges, indices, bounds, unit normals, winding against normals, triangles without area, finite
texture coordinates, images that are PNG or JPEG, material and node references, a tree without cycles, names. Prints what is in it.
"""

import base64
import json
import struct
import sys

import numpy as np

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def load(path: str) -> tuple:
    """Returns (document, [buffer bytes])."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"glTF":
        document = json.loads(data)
        buffers = [base64.b64decode(b["uri"].split(",", 1)[1]) for b in document["buffers"]]
    else:
        magic, version, total = struct.unpack_from("<4sII", data)
        assert version == 2 and total == len(data), f"header says version {version}, {total} bytes; the file has {len(data)}"
        length, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and length % 4 == 0
        document = json.loads(data[20 : 20 + length])
        size, kind = struct.unpack_from("<I4s", data, 20 + length)
        assert kind == b"BIN\0" and 28 + length + size == total
        buffers = [data[28 + length :]]
    for buffer, info in zip(buffers, document["buffers"], strict=True):
        assert len(buffer) >= info["byteLength"], f"a buffer has {len(buffer)} of {info['byteLength']} bytes"
    return document, buffers


def read(document: dict, buffers: list, index: int) -> np.ndarray:
    """Returns an accessor as (count, width)."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    kind, width, count = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]], accessor["count"]
    stride = view.get("byteStride", kind.itemsize * width)
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    last = accessor.get("byteOffset", 0) + stride * (count - 1) + kind.itemsize * width
    assert last <= view["byteLength"], f"accessor {index} ends at {last} in a view of {view['byteLength']} bytes"
    assert start % kind.itemsize == 0 and stride % kind.itemsize == 0, f"accessor {index} is not aligned"
    strides = (stride, kind.itemsize)
    values = np.ndarray((count, width), kind, buffers[view["buffer"]], start, strides)
    if "min" in accessor:
        assert np.allclose(values.min(axis=0), accessor["min"], rtol=1e-6, atol=1e-6), f"accessor {index}: wrong min"
        assert np.allclose(values.max(axis=0), accessor["max"], rtol=1e-6, atol=1e-6), f"accessor {index}: wrong max"
    return values


def local_matrix(node: dict) -> np.ndarray:
    """Returns the node's own 4x4 matrix."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    out = np.eye(4)
    out[:3, :3] = np.array(turn) * np.array(node.get("scale", (1, 1, 1)))
    out[:3, 3] = node.get("translation", (0, 0, 0))
    return out


def instances(document: dict):
    """Yields (node, world matrix) for each node of the scene, parents first."""
    visited = set()
    todo = [(n, np.eye(4)) for n in document["scenes"][document.get("scene", 0)]["nodes"]]
    while todo:
        index, above = todo.pop()
        assert index not in visited, f"node {index} has two parents or is above itself"
        visited.add(index)
        node = document["nodes"][index]
        world = above @ local_matrix(node)
        yield node, world
        todo += [(c, world) for c in node.get("children", [])]


def triangles_of(document: dict, buffers: list, primitive: dict) -> tuple:
    """Returns (positions, normals or None, uv or None, indices as (n, 3)) after checking them."""
    attributes = primitive["attributes"]
    at = read(document, buffers, attributes["POSITION"])
    assert "min" in document["accessors"][attributes["POSITION"]], "POSITION has no min and max"
    index = read(document, buffers, primitive["indices"])[:, 0] if "indices" in primitive else np.arange(len(at))
    assert len(index) % 3 == 0 and index.max() < len(at), f"index {index.max()} of {len(at)} vertices"
    index = index.reshape(-1, 3)
    assert np.isfinite(at).all(), "a position is not a number"
    a, b, c = (at[index[:, i]].astype(float) for i in range(3))
    cross = np.cross(b - a, c - a)
    assert (np.linalg.norm(cross, axis=1) > 1e-10).all(), "a triangle has no area"
    normals = uv = None
    if "NORMAL" in attributes:
        normals = read(document, buffers, attributes["NORMAL"])
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3), "a normal is not of unit length"
        assert (np.einsum("fi,fi->f", cross, normals[index].sum(axis=1)) > 0).all(), "a triangle is wound against its normals"
    if "TEXCOORD_0" in attributes:
        uv = read(document, buffers, attributes["TEXCOORD_0"])
        assert np.isfinite(uv).all(), "a texture coordinate is not a number"
    if "material" in primitive:
        assert primitive["material"] < len(document["materials"])
    return at, normals, uv, index


def check(path: str) -> None:
    """Checks one file and prints a summary."""
    document, buffers = load(path)
    for image in document.get("images", []):
        if "bufferView" in image:
            view = document["bufferViews"][image["bufferView"]]
            start = view.get("byteOffset", 0)
            head = buffers[view["buffer"]][start : start + 8]
        else:
            head = base64.b64decode(image["uri"].split(",", 1)[1])[:8]
        assert head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")), f"image {image.get('name')} is neither PNG nor JPEG"
    for texture in document.get("textures", []):
        assert texture["source"] < len(document["images"])
    triangles = vertices = nodes = 0
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for node, world in instances(document):
        nodes += 1
        if "mesh" not in node:
            continue
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            at, _, _, index = triangles_of(document, buffers, primitive)
            placed = at @ world[:3, :3].T + world[:3, 3]
            low, high = np.minimum(low, placed.min(axis=0)), np.maximum(high, placed.max(axis=0))
            triangles, vertices = triangles + len(index), vertices + len(at)
    names = [m.get("name") for m in document["meshes"]]
    assert len(set(names)) == len(names), "two meshes have one name"
    print(f"{path}: good. {nodes} nodes, {len(names)} meshes, {triangles} triangles, {vertices} vertices in the scene")
    print(f"  extent {np.round(low, 2)} to {np.round(high, 2)}; materials {[m.get('name') for m in document.get('materials', [])]}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("give the files to check")
    for name in sys.argv[1:]:
        try:
            check(name)
        except (AssertionError, KeyError, IndexError, ValueError) as fault:
            sys.exit(f"{name}: {type(fault).__name__}: {fault}")

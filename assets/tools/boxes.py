#!/usr/bin/env python3
"""Makes assets/test/boxes.gltf: a small scene that exercises what a glTF reader gets wrong most easily.

    pip install numpy
    python3 assets/tools/boxes.py assets/test/boxes.gltf
    python3 assets/tools/check_gltf.py assets/test/boxes.gltf

Metres, y up, all data embedded. "ground" is 20 x 20 m at y = 0 with 1 m checks. On it, each next to what it tests:

- "tower" > "tower-middle" > "tower-top": nested nodes, each turned by 20 degrees about y and scaled by 0.7 below its parent.
- "slab" > "slab-child": a rotated child below a parent with unequal scale (normals need the inverse transpose).
- "twin-left", "twin-right": two nodes with one mesh (instancing).
- "mirrored": negative scale (the winding turns round).
- "by-matrix": a node with a matrix instead of translation, rotation and scale.
- "lamp": an emissive box, KHR_materials_emissive_strength 8, without a texture.
- "tiled": TEXCOORD_0 doubled by KHR_texture_transform.
- One image is a data URI, the other lies in a buffer view. Indices are u16 for the boxes, u32 for the ground.
"""

import base64
import json
import math
import sys

import numpy as np

sys.dont_write_bytecode = True  # no __pycache__ beside the assets
import png  # noqa: E402


def main(path: str) -> None:
    """Writes the file."""
    blob, views, accessors = bytearray(), [], []

    def view(data: bytes, **more) -> int:
        blob.extend(b"\0" * (-len(blob) % 4))
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data), **more})
        blob.extend(data)
        return len(views) - 1

    def accessor(values: np.ndarray, kind: str, target: int) -> int:
        component = {"<f4": 5126, "<u2": 5123, "<u4": 5125}[values.dtype.str]
        entry = {"bufferView": view(values.tobytes(), target=target), "componentType": component, "count": len(values), "type": kind}
        if kind == "VEC3":
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        accessors.append(entry)
        return len(accessors) - 1

    def primitive(at: np.ndarray, normals: np.ndarray, uv: np.ndarray, index: np.ndarray) -> dict:
        attributes = {
            "POSITION": accessor(at.astype("<f4"), "VEC3", 34962),
            "NORMAL": accessor(normals.astype("<f4"), "VEC3", 34962),
            "TEXCOORD_0": accessor(uv.astype("<f4"), "VEC2", 34962),
        }
        return {"attributes": attributes, "indices": accessor(index, "SCALAR", 34963)}

    box, ground = primitive(*unit_box()), primitive(*ground_square(10.0))
    crate, checks = png.encode(crate_texture()), png.encode(check_texture())
    document = {
        "asset": {"version": "2.0", "generator": "assets/tools/boxes.py", "copyright": "The Cell authors, MIT OR Apache-2.0"},
        "extensionsUsed": ["KHR_materials_emissive_strength", "KHR_texture_transform"],
        "scene": 0,
        "scenes": [{"name": "boxes", "nodes": [0, 1, 4, 6, 7, 8, 9, 10, 11]}],
        "nodes": [
            {"name": "ground", "mesh": 0},
            {"name": "tower", "mesh": 1, "children": [2], "translation": [0, 1, 0], "scale": [2, 2, 2]},
            {"name": "tower-middle", "mesh": 1, "children": [3], "translation": [0, 0.85, 0], "rotation": about_y(20), "scale": [0.7] * 3},
            {"name": "tower-top", "mesh": 2, "translation": [0, 0.85, 0], "rotation": about_y(20), "scale": [0.7] * 3},
            {"name": "slab", "mesh": 2, "children": [5], "translation": [-5, 0.25, 2], "scale": [3, 0.5, 1]},
            {"name": "slab-child", "mesh": 1, "translation": [0.2, 1.3, 0], "rotation": about_y(35), "scale": [0.4, 1.6, 0.4]},
            {"name": "twin-left", "mesh": 1, "translation": [3, 0.5, 3]},
            {"name": "twin-right", "mesh": 1, "translation": [5, 0.5, 3], "rotation": about_y(45)},
            {"name": "mirrored", "mesh": 1, "translation": [4, 0.75, -3], "scale": [-1.5, 1.5, 1.5]},
            {"name": "by-matrix", "mesh": 2, "matrix": [1, 0, 0, 0, 0.3, 1, 0, 0, 0, 0, 1, 0, -4, 0.5, -3, 1]},
            {"name": "lamp", "mesh": 3, "translation": [1.8, 0.3, 2.6], "scale": [0.6, 0.6, 0.6]},
            {"name": "tiled", "mesh": 4, "translation": [-1.5, 0.5, 4.5]},
        ],
        "meshes": [
            {"name": "ground", "primitives": [{**ground, "material": 0}]},
            {"name": "crate", "primitives": [{**box, "material": 1}]},
            {"name": "painted", "primitives": [{**box, "material": 2}]},
            {"name": "lamp", "primitives": [{**box, "material": 3}]},
            {"name": "tiled", "primitives": [{**box, "material": 4}]},
        ],
        "materials": [
            surface("checks", [0.8, 0.8, 0.8, 1], 0.9, {"index": 0}),
            surface("crate", [1, 1, 1, 1], 0.7, {"index": 1}),
            surface("painted", [0.75, 0.16, 0.1, 1], 0.35, {"index": 1}),
            {
                **surface("lamp", [0.05, 0.05, 0.05, 1], 0.5, None),
                "emissiveFactor": [1.0, 0.72, 0.35],
                "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 8.0}},
            },
            surface("tiled", [1, 1, 1, 1], 0.7, {"index": 1, "extensions": {"KHR_texture_transform": {"scale": [2, 2]}}}),
        ],
        "textures": [{"sampler": 0, "source": 0}, {"sampler": 0, "source": 1}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}],
        "images": [
            {"name": "checks", "uri": "data:image/png;base64," + base64.b64encode(checks).decode()},
            {"name": "crate", "mimeType": "image/png", "bufferView": view(crate)},
        ],
        "accessors": accessors,
        "bufferViews": views,
    }
    uri = "data:application/octet-stream;base64," + base64.b64encode(bytes(blob)).decode()
    document["buffers"] = [{"byteLength": len(blob), "uri": uri}]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def surface(name: str, colour: list, roughness: float, texture: dict | None) -> dict:
    """Returns a non-metal material."""
    pbr = {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": roughness}
    return {"name": name, "pbrMetallicRoughness": pbr | ({"baseColorTexture": texture} if texture else {})}


def about_y(degrees: float) -> list:
    """Returns the quaternion (x, y, z, w) of a turn about y."""
    half = math.radians(degrees) / 2
    return [0.0, round(math.sin(half), 7), 0.0, round(math.cos(half), 7)]


def unit_box() -> tuple:
    """Returns positions, normals, uv and u16 indices of a box of one metre about its middle; 4 vertices a face."""
    at, normals, uv, index = [], [], [], []
    for axis in range(3):
        for sign in (1.0, -1.0):
            n = np.zeros(3)
            n[axis] = sign
            right = np.cross([0, 1, 0], n) if axis != 1 else np.array([1.0, 0, 0])
            up = np.cross(n, right)
            base = len(at)
            for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                at.append((n + x * right + y * up) / 2)
                normals.append(n)
                uv.append(((x + 1) / 2, (1 - y) / 2))
            index += [base, base + 1, base + 2, base, base + 2, base + 3]
    return np.array(at), np.array(normals), np.array(uv), np.array(index, "<u2")


def ground_square(half: float) -> tuple:
    """Returns positions, normals, uv (in metres / 2: the texture holds two checks) and u32 indices of the ground."""
    at = np.array([[-half, 0, half], [half, 0, half], [half, 0, -half], [-half, 0, -half]])
    normals = np.broadcast_to([0.0, 1.0, 0.0], at.shape)
    return at, normals, at[:, [0, 2]] / 2, np.array([0, 1, 2, 0, 2, 3], "<u4")


def crate_texture() -> np.ndarray:
    """Planks in a frame; the arrow points up, so that a flipped or turned texture is seen at once."""
    size = 64
    y, x = np.mgrid[0:size, 0:size]
    value = 0.72 + 0.12 * ((x // 12) % 2) + 0.04 * ((x * 7 + y * 3) % 5) / 5
    rim = np.minimum(np.minimum(x, size - 1 - x), np.minimum(y, size - 1 - y)) < 6
    value = np.where(rim, 0.55, value)
    out = np.round(value[:, :, None] * np.array([1.0, 0.86, 0.66]) * 255).astype(np.uint8)
    arrow = ((np.abs(x - size / 2 + 0.5) < (y - 14) * 0.8) & (y >= 14) & (y < 30)) | ((np.abs(x - size / 2 + 0.5) < 5) & (y >= 30) & (y < 50))
    out[arrow] = (40, 70, 150)
    return out


def check_texture() -> np.ndarray:
    """Two by two checks."""
    y, x = np.mgrid[0:16, 0:16] // 8
    return np.repeat(np.where((x + y) % 2 == 0, 205, 120).astype(np.uint8)[:, :, None], 3, axis=2)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: boxes.py OUT.gltf")
    main(sys.argv[1])

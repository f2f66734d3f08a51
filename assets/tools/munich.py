#!/usr/bin/env python3
"""Makes assets/odbl/munich.glb from the Munich scene of the PyPI package sionna-rt 2.2.0 (data: OpenStreetMap, ODbL).

How to run, in any empty folder (needs python >= 3.10, about 50 MB and a network):

    pip install numpy
    pip download --no-deps sionna-rt==2.2.0
    python3 PROJECT/assets/tools/munich.py sionna_rt-2.2.0-py3-none-any.whl PROJECT/assets/odbl/munich.glb
    python3 PROJECT/assets/tools/check_gltf.py PROJECT/assets/odbl/munich.glb

What goes in: 2,367 binary PLY meshes in metres, z up, one or two a building (walls, roof), and a Mitsuba XML that lists them.

What comes out: one binary glTF 2.0, metres, right-handed, y up (x east, y up, z south; ground at y = 0).

- Nodes: "Munich" -> one node a building (moved to the middle of its footprint) -> "NAME-wall" and "NAME-roof"; "ground",
  the source's rectangle; "ground-far", our own plain up to FAR metres around it, so that the city does not end in the sky (leave it
  out of shadow maps and of bounds).
- Vertices: f32 position, normal and TEXCOORD_0, interleaved, 32 bytes; u16 indices. Normals are flat; the three churches that
  the source marks as smooth get them averaged over edges below CREASE_DEGREES.
- Materials by name: "wall-*" (plaster, meant to show windows), "stone-*" (churches: no windows),
  "roof-*", "copper", "ground", "ground-far". The tint is picked by a hash of the building's name; landmarks have their own.
- TEXCOORD_0 of walls is in metres: u to the right as seen from outside, v up from the ground. Each flat stretch of wall is fitted
  to whole bays of BAY metres and whole storeys of STOREY metres (a few percent of stretch), so floor(u / 3), floor(v / 3.2) number the windows and none
  is cut. u starts at a random multiple of BAY, so that no two walls show the same pattern. A stretch narrower than
  NARROW metres holds no bay: its u stays within the first tenth of one. The texture repeats every PLASTER_TILE metres through
  KHR_texture_transform.
- TEXCOORD_0 of everything else is metres / tile size: it is used as it stands.
- The textures are generated here.
"""

import argparse
import collections
import json
import re
import struct
import sys
import zipfile
import zlib

import numpy as np

sys.dont_write_bytecode = True  # no __pycache__ beside the assets
import png  # noqa: E402

SCENE = "sionna/rt/scenes/munich/"
BAY = 3.0  # metres from window to window
STOREY = 3.2  # metres from floor to floor
NARROW = 1.8  # metres; a wall below this has no window
PLASTER_TILE = 4.0  # metres a repeat of a texture covers
ROOF_TILE = 4.0
GROUND_TILE = 12.0
FAR_TILE = 90.0
FAR = 8000.0  # metres from the city's edge to the end of the plain
CREASE_DEGREES = 40.0

# name: (sRGB base colour, roughness, texture)
MATERIALS = {
    "wall-cream": ("#efe3c8", 0.90, "plaster"),
    "wall-ochre": ("#dfb974", 0.90, "plaster"),
    "wall-yellow": ("#ead596", 0.90, "plaster"),
    "wall-sand": ("#d6bf9f", 0.92, "plaster"),
    "wall-grey": ("#cfcdc6", 0.88, "plaster"),
    "wall-white": ("#efece4", 0.88, "plaster"),
    "wall-rose": ("#d8aa92", 0.90, "plaster"),
    "wall-sage": ("#bfc8ae", 0.90, "plaster"),
    "wall-limestone": ("#c2b8a4", 0.85, "plaster"),
    "stone-brick": ("#a06a55", 0.85, "plaster"),
    "stone-light": ("#e6ded0", 0.80, "plaster"),
    "stone-grey": ("#b4ab9a", 0.80, "plaster"),
    "roof-tile": ("#a8664e", 0.75, "tiles"),
    "roof-dark-tile": ("#8b5647", 0.75, "tiles"),
    "roof-brown": ("#796055", 0.78, "tiles"),
    "roof-slate": ("#5d6168", 0.55, "tiles"),
    "roof-timber": ("#6d5240", 0.90, "tiles"),
    "copper": ("#6f9f8a", 0.60, "plaster"),
    "ground": ("#a29c92", 0.85, "paving"),
    "ground-far": ("#6b685c", 0.95, "plaster"),
}
PLASTER_TINTS = ["wall-cream", "wall-ochre", "wall-yellow", "wall-sand", "wall-grey", "wall-white", "wall-rose", "wall-sage"]
ROOFS = ["roof-tile"] * 4 + ["roof-dark-tile"] * 3 + ["roof-brown"] * 2 + ["roof-slate"]
# building: (wall, roof, copper above this many metres)
LANDMARKS = {
    "Frauenkirche": ("stone-brick", "roof-tile", 85.0),
    "St__Peter": ("stone-light", "roof-tile", 56.0),
    "Heilig_Geist": ("stone-light", "roof-tile", 36.0),
    "Neues_Rathaus": ("wall-limestone", "roof-slate", 59.0),
    "Altes_Rathaus": ("stone-light", "roof-tile", None),
    "Bayerisches_Nationaltheater": ("stone-light", "roof-slate", None),
    "Ohel_Jakob_Hauptsynagoge": ("stone-grey", "roof-slate", None),
    "Sankt_Michael": ("stone-light", "roof-dark-tile", None),
}
CHURCH = re.compile(r"kirche|Heilig_Geist|St__|Sankt_|Allerheiligen")
WALL_SOURCES = {"marble", "brick"}  # the source's material names, as the scene uses them


def main() -> None:
    """Reads the wheel named on the command line and writes the glTF."""
    args = argparse.ArgumentParser(description="Munich (OpenStreetMap, ODbL) from the sionna-rt wheel to one .glb")
    args.add_argument("wheel")
    args.add_argument("out")
    args = args.parse_args()
    writer = Writer()
    with zipfile.ZipFile(args.wheel) as wheel:
        buildings = read_scene(wheel)
        for name in sorted(b for b in buildings if b != "ground"):
            add_building(writer, name, buildings[name])
        add_ground(writer, buildings["ground"]["concrete"])
    size = writer.save(args.out)
    print(f"{args.out}: {size} bytes, {len(buildings) - 1} buildings, {writer.triangles} triangles, {writer.vertices} vertices")
    print(f"extent {np.round(writer.low, 1)} to {np.round(writer.high, 1)}")


def read_scene(wheel: zipfile.ZipFile) -> dict:
    """Returns {building: {source material: (triangles, smooth)}}; triangles are (n, 3, 3) float64 metres, y up."""
    xml = wheel.read(SCENE + "munich.xml").decode()
    buildings = collections.defaultdict(dict)
    for shape_id, body in re.findall(r'<shape type="ply" id="mesh-([^"]+)">(.*?)</shape>', xml, re.S):
        file = re.search(r'name="filename" value="([^"]+)"|value="([^"]+\.ply)"', body)
        material = re.search(r'<ref id="([^"]+)"', body)[1]
        triangles = read_ply(wheel.read(SCENE + (file[1] or file[2])))
        name = re.sub(r"-itu_\w+$", "", shape_id)
        buildings[name][material] = (triangles, "face_normals" not in body)
    return buildings


def read_ply(data: bytes) -> np.ndarray:
    """Returns the triangles of a binary little-endian PLY, turned from z up to y up."""
    end = data.index(b"end_header\n") + len(b"end_header\n")
    header = data[:end].decode()
    vertices = int(re.search(r"element vertex (\d+)", header)[1])
    faces = int(re.search(r"element face (\d+)", header)[1])
    columns = len(re.findall(r"property float \w+", header))
    if "binary_little_endian" not in header or "property list uchar int" not in header:
        raise ValueError("this PLY is not of the kind sionna-rt 2.2.0 holds")
    at = np.frombuffer(data, "<f4", vertices * columns, end).reshape(vertices, columns)[:, :3].astype(np.float64)
    face = np.frombuffer(data, np.dtype([("n", "u1"), ("v", "<i4", 3)]), faces, end + vertices * columns * 4)
    if not (face["n"] == 3).all():
        raise ValueError("a face is not a triangle")
    return np.stack([at[:, 0], at[:, 2], -at[:, 1]], axis=1)[face["v"]]


def add_building(writer: "Writer", name: str, parts: dict) -> None:
    """Adds a node for the building, and one below it for its walls and its roof."""
    points = np.concatenate([t.reshape(-1, 3) for t, _ in parts.values()])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    middle[1] = 0.0
    wall, roof, copper_above = appearance(name, parts)
    children = []
    for is_wall, triangles, smooth in walls_and_roofs(parts):
        normals = corner_normals(triangles, smooth)
        uv = wall_uv(triangles, zlib.crc32(name.encode())) if is_wall else slope_uv(triangles, ROOF_TILE)
        groups = {wall if is_wall else roof: np.ones(len(triangles), bool)}
        if not is_wall and copper_above is not None:
            high = triangles[:, :, 1].max(axis=1) > copper_above
            groups = {roof: ~high, "copper": high}
        local = triangles - middle
        primitives = [writer.primitive(local[g], normals[g], uv[g], m) for m, g in groups.items() if g.any()]
        children.append(writer.mesh_node(f"{name}-{'wall' if is_wall else 'roof'}", primitives))
    writer.group(name, middle, children)
    writer.grow(points)


def walls_and_roofs(parts: dict) -> list:
    """Returns [(is it wall, triangles, smooth)]. A building that is all roof in the source is split by what stands upright."""
    found = [(source in WALL_SOURCES, *part) for source, part in sorted(parts.items())]
    if len(found) == 1 and not found[0][0]:
        _, triangles, smooth = found[0]
        upright = np.abs(face_normals(triangles)[:, 1]) < 0.05
        found = [(True, triangles[upright], smooth), (False, triangles[~upright], smooth)]
    return found


def appearance(name: str, parts: dict) -> tuple:
    """Returns (wall material, roof material, height above which the roof is copper or None)."""
    if name in LANDMARKS:
        return LANDMARKS[name]
    pick = zlib.crc32(name.encode())
    points = np.concatenate([t.reshape(-1, 3) for t, _ in parts.values()])
    wide, tall, deep = points.max(axis=0) - points.min(axis=0)
    if max(wide, deep) < 6.0 and tall > 10.0:  # pinnacles and oriels of the town hall
        return "stone-grey", "roof-slate", None
    if "brick" in parts:
        return "stone-brick", "roof-timber", None
    wall = "stone-light" if CHURCH.search(name) else PLASTER_TINTS[pick % len(PLASTER_TINTS)]
    return wall, ROOFS[(pick >> 8) % len(ROOFS)], None


def add_ground(writer: "Writer", part: tuple) -> None:
    """Adds the ground's rectangle, paved, and the plain around it as eight rectangles that share its edges."""
    triangles, _ = part
    low, high = triangles.reshape(-1, 3).min(axis=0), triangles.reshape(-1, 3).max(axis=0)
    writer.grow(triangles.reshape(-1, 3))
    xs, zs = ([low[axis] - FAR, low[axis], high[axis], high[axis] + FAR] for axis in (0, 2))
    cells = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    plain = np.concatenate([rectangle(xs[i], xs[i + 1], zs[j], zs[j + 1]) for i, j in cells])
    for name, flat, tile in (("ground", triangles, GROUND_TILE), ("ground-far", plain, FAR_TILE)):
        up = np.broadcast_to([0.0, 1.0, 0.0], flat.shape)
        writer.top(writer.mesh_node(name, [writer.primitive(flat, up, flat[:, :, [0, 2]] / tile, name)]))


def rectangle(west: float, east: float, north: float, south: float) -> np.ndarray:
    """Returns the two upward triangles of a rectangle at y = 0."""
    a, b, c, d = (west, 0.0, south), (east, 0.0, south), (east, 0.0, north), (west, 0.0, north)
    return np.array([[a, b, c], [a, c, d]])


def face_normals(triangles: np.ndarray) -> np.ndarray:
    """Returns the unit normal of each triangle; the source winds them counter-clockwise seen from outside."""
    n = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return n / np.linalg.norm(n, axis=1, keepdims=True)


def corner_normals(triangles: np.ndarray, smooth: bool) -> np.ndarray:
    """Returns (n, 3, 3) normals: flat, or averaged by area over the faces at a point that bend less than CREASE_DEGREES."""
    flat = face_normals(triangles)
    out = np.repeat(flat[:, None], 3, axis=1)
    if not smooth:
        return out
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    limit = np.cos(np.radians(CREASE_DEGREES))
    at_point = collections.defaultdict(list)
    for face, corners in enumerate(np.round(triangles, 3)):
        for corner in range(3):
            at_point[tuple(corners[corner])].append((face, corner))
    for uses in at_point.values():
        faces = np.array([f for f, _ in uses])
        for face, corner in uses:
            near = faces[flat[faces] @ flat[face] > limit]
            total = (flat[near] * area[near, None]).sum(axis=0)
            out[face, corner] = total / np.linalg.norm(total)
    return out


def stretches(triangles: np.ndarray, normals: np.ndarray) -> list:
    """Returns lists of triangle indices: connected by an edge and in one plane."""
    by_edge = collections.defaultdict(list)
    for face, corners in enumerate(np.round(triangles, 3)):
        keys = [tuple(c) for c in corners]
        for i in range(3):
            by_edge[frozenset((keys[i], keys[(i + 1) % 3]))].append(face)
    beside = collections.defaultdict(list)
    for faces in by_edge.values():
        for a in faces:
            beside[a] += [b for b in faces if b != a and normals[a] @ normals[b] > 0.9995]
    seen, found = set(), []
    for start in range(len(triangles)):
        if start in seen:
            continue
        seen.add(start)
        todo, stretch = [start], []
        while todo:
            face = todo.pop()
            stretch.append(face)
            for other in beside[face]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        found.append(sorted(stretch))
    return found


def wall_uv(triangles: np.ndarray, seed: int) -> np.ndarray:
    """Returns (n, 3, 2) wall coordinates in metres, fitted to whole bays and storeys (see the top of this file)."""
    normals = face_normals(triangles)
    uv = np.zeros((len(triangles), 3, 2))
    for number, stretch in enumerate(stretches(triangles, normals)):
        points, normal = triangles[stretch], normals[stretch[0]]
        first_bay = zlib.crc32(struct.pack("<II", seed, number)) % 512
        right = np.cross([0.0, 1.0, 0.0], normal)
        length = np.linalg.norm(right)
        upright = length > 0.99
        right = right / length if length > 1e-3 else np.array([1.0, 0.0, 0.0])
        u = points @ right
        u = u - u.min()
        width = u.max()
        if upright and width >= NARROW:
            u = u * max(1, round(width / BAY)) * BAY / width
        else:
            u = u * min(1.0, 0.1 * BAY / width)
        v = points[:, :, 1]
        v = v * max(1, round(v.max() / STOREY)) * STOREY / max(v.max(), 0.1)
        uv[stretch] = np.stack([u + first_bay * BAY, v], axis=2)
    return uv


def slope_uv(triangles: np.ndarray, tile: float) -> np.ndarray:
    """Returns (n, 3, 2): u along the slope's horizontal, v down the slope, both in tiles; flat faces use east and south."""
    normals = face_normals(triangles)
    right = np.cross([0.0, 1.0, 0.0], normals)
    length = np.linalg.norm(right, axis=1, keepdims=True)
    right = np.where(length > 0.02, right / np.maximum(length, 1e-9), [1.0, 0.0, 0.0])
    down = np.cross(right, normals)
    return np.stack([np.einsum("fcx,fx->fc", triangles, right), np.einsum("fcx,fx->fc", triangles, down)], axis=2) / tile


class Writer:
    """Collects vertices, indices and the glTF's JSON, and writes the .glb."""

    STRIDE = 32

    def __init__(self) -> None:
        self.vertex_data, self.index_data = bytearray(), bytearray()
        self.accessors, self.meshes, self.nodes, self.roots = [], [], [], []
        self.low, self.high = np.full(3, np.inf), np.full(3, -np.inf)
        self.triangles = self.vertices = 0

    def primitive(self, at: np.ndarray, normals: np.ndarray, uv: np.ndarray, material: str) -> dict:
        """Adds one primitive; equal vertices are shared."""
        corners = np.concatenate([at, normals, uv], axis=2).reshape(-1, 8).astype("<f4") + np.float32(0)
        _, first, inverse = np.unique(np.round(corners, 3), axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        vertices, indices = corners[first[order]], rank[inverse.reshape(-1)].astype("<u2")
        if len(vertices) > 65535:
            raise ValueError("a mesh has more vertices than u16 indices reach")
        start, base = len(self.vertex_data), len(self.accessors)
        self.vertex_data += vertices.tobytes()
        for offset, kind, width in ((0, "VEC3", 3), (12, "VEC3", 3), (24, "VEC2", 2)):
            accessor = {"bufferView": 0, "byteOffset": start + offset, "componentType": 5126, "count": len(vertices), "type": kind}
            if offset == 0:
                accessor["min"] = [float(f"{x:.9g}") for x in vertices[:, :3].min(axis=0)]
                accessor["max"] = [float(f"{x:.9g}") for x in vertices[:, :3].max(axis=0)]
            self.accessors.append(accessor)
        self.accessors.append(
            {"bufferView": 1, "byteOffset": len(self.index_data), "componentType": 5123, "count": len(indices), "type": "SCALAR"}
        )
        self.index_data += indices.tobytes()
        self.triangles += len(indices) // 3
        self.vertices += len(vertices)
        attributes = {"POSITION": base, "NORMAL": base + 1, "TEXCOORD_0": base + 2}
        return {"attributes": attributes, "indices": base + 3, "material": list(MATERIALS).index(material)}

    def mesh_node(self, name: str, primitives: list) -> int:
        """Adds a mesh with a node of the same name; returns the node."""
        self.meshes.append({"name": name, "primitives": primitives})
        self.nodes.append({"name": name, "mesh": len(self.meshes) - 1})
        return len(self.nodes) - 1

    def group(self, name: str, at: np.ndarray, children: list) -> None:
        """Adds a node at `at` above `children`."""
        self.nodes.append({"name": name, "translation": [float(f"{x:.9g}") for x in at], "children": children})
        self.top(len(self.nodes) - 1)

    def top(self, node: int) -> None:
        """Puts a node directly below the root."""
        self.roots.append(node)

    def grow(self, points: np.ndarray) -> None:
        """Widens the extent that is reported."""
        self.low, self.high = np.minimum(self.low, points.min(axis=0)), np.maximum(self.high, points.max(axis=0))

    def save(self, path: str) -> int:
        """Writes the file; returns its size in bytes."""
        names = ["plaster", "tiles", "paving"]
        images = [plaster_texture(), tile_texture(), paving_texture()]
        pieces = [bytes(self.vertex_data), bytes(self.index_data), *map(png.encode, images)]
        views, blob = [], bytearray()
        for piece in pieces:
            views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(piece)})
            blob += piece + b"\0" * (-len(piece) % 4)
        views[0] |= {"byteStride": self.STRIDE, "target": 34962}
        views[1] |= {"target": 34963}
        self.nodes.append({"name": "Munich", "children": self.roots})
        document = {
            "asset": {
                "version": "2.0",
                "generator": "assets/tools/munich.py",
                "copyright": "(c) OpenStreetMap contributors, ODbL 1.0; see assets/odbl/LICENSE.md",
            },
            "extensionsUsed": ["KHR_texture_transform"],
            "scene": 0,
            "scenes": [{"name": "Munich", "nodes": [len(self.nodes) - 1]}],
            "nodes": self.nodes,
            "meshes": self.meshes,
            "materials": [material(n, *m, names) for n, m in MATERIALS.items()],
            "textures": [{"sampler": 0, "source": i, "name": n} for i, n in enumerate(names)],
            "images": [{"bufferView": 2 + i, "mimeType": "image/png", "name": n} for i, n in enumerate(names)],
            "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}],
            "accessors": self.accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": len(blob)}],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(blob)
        with open(path, "wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", len(blob), b"BIN\0") + blob)
        return total


def material(name: str, colour: str, roughness: float, texture: str, textures: list) -> dict:
    """Returns the glTF material; walls get their texture's tile size through KHR_texture_transform."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    info = {"index": textures.index(texture)}
    if name.startswith(("wall-", "stone-")):
        info["extensions"] = {"KHR_texture_transform": {"scale": [round(1 / PLASTER_TILE, 6)] * 2}}
    return {
        "name": name,
        "pbrMetallicRoughness": {
            "baseColorFactor": [*(round(float(c), 4) for c in linear), 1.0],
            "baseColorTexture": info,
            "metallicFactor": 0.0,
            "roughnessFactor": roughness,
        },
    }


def grey(values: np.ndarray, tint=(1.0, 1.0, 1.0), steps: int = 48) -> np.ndarray:
    """Returns (h, w, 3) uint8 from brightness 0..1, in few steps so that it packs well."""
    stepped = np.round(np.clip(values, 0, 1) * steps) / steps
    return np.round(stepped[:, :, None] * np.array(tint) * 255).astype(np.uint8)


def plaster_texture() -> np.ndarray:
    """Rough render: grain, patches, and faint streaks that run down."""
    size = 256
    grain = np.random.default_rng(1).random((size, size))
    patches = 0.6 * png.tileable_noise(size, 6, 2) + 0.4 * png.tileable_noise(size, 24, 3)
    streaks = np.broadcast_to(png.tileable_noise(size, 32, 4)[:1], (size, size)) * png.tileable_noise(size, 4, 5)
    return grey(0.98 - 0.05 * grain - 0.13 * patches - 0.06 * streaks, (1.0, 0.995, 0.985))


def tile_texture() -> np.ndarray:
    """Rows of roof tiles, 16 rows of 12 a repeat, every second row shifted by half a tile."""
    size, rows, columns = 256, 16, 12
    y, x = np.mgrid[0:size, 0:size] / size
    row = np.floor(y * rows).astype(int)
    along = x * columns + 0.5 * (row % 2)
    tile = np.floor(along).astype(int) % columns
    shade = np.random.default_rng(6).random((rows, columns))[row, tile]
    curve = np.sin(np.pi * (along % 1.0))
    lip = (y * rows) % 1.0
    wear = png.tileable_noise(size, 8, 7)
    return grey(0.66 + 0.14 * curve + 0.14 * shade - 0.22 * (lip > 0.86) - 0.12 * wear, (1.0, 0.985, 0.97))


def paving_texture() -> np.ndarray:
    """Granite slabs, 16 rows of 8 a repeat, with dark joints and wear."""
    size, rows, columns = 512, 16, 8
    y, x = np.mgrid[0:size, 0:size] / size
    row = np.floor(y * rows).astype(int)
    along = x * columns + 0.5 * (row % 2)
    slab = np.floor(along).astype(int) % columns
    shade = np.random.default_rng(8).random((rows, columns))[row, slab]
    joint = (np.minimum((y * rows) % 1.0, 1 - (y * rows) % 1.0) < 0.05) | (np.minimum(along % 1.0, 1 - along % 1.0) < 0.025)
    grain = png.tileable_noise(size, 128, 9)
    wear = 0.7 * png.tileable_noise(size, 5, 10) + 0.3 * png.tileable_noise(size, 16, 11)
    return grey(0.86 - 0.12 * shade - 0.07 * grain - 0.2 * wear - 0.22 * joint, (1.0, 0.99, 0.97), 32)


if __name__ == "__main__":
    main()

"""Puts a glTF file together piece by piece, everything embedded."""

import base64
import json

import numpy as np

import png

COMPONENTS = {"|i1": 5120, "|u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class File:
    """A file in the making. The methods that add something return its number."""

    def __init__(self, generator: str) -> None:
        self.blob = bytearray()
        copyright = "The Cell authors, MIT OR Apache-2.0"
        self.json = {"asset": {"version": "2.0", "generator": generator, "copyright": copyright}, "scene": 0, "scenes": [{"nodes": []}]}

    def add(self, kind: str, entry: dict) -> int:
        """Adds an entry to one of the top lists."""
        entries = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def uses(self, extension: str, required: bool = False) -> None:
        """Names an extension."""
        for key in ["extensionsUsed"] + ["extensionsRequired"] * required:
            names = self.json.setdefault(key, [])
            if extension not in names:
                names.append(extension)

    def view(self, data: bytes, **more) -> int:
        """Adds bytes."""
        self.blob.extend(b"\0" * (-len(self.blob) % 4))
        view = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data), **more}
        self.blob.extend(data)
        return self.add("bufferViews", view)

    def accessor(self, values, dtype: str = "<f4", **more) -> int:
        """Adds numbers, one row for each element; rows are padded to four bytes, as glTF asks."""
        values = np.asarray(values, dtype)
        values = values.reshape(len(values), -1)
        width = values.shape[1] * values.dtype.itemsize
        stride = (width + 3) // 4 * 4
        rows = np.zeros((len(values), stride), np.uint8)
        rows[:, :width] = np.frombuffer(values.tobytes(), np.uint8).reshape(len(values), width)
        pad = {"byteStride": stride} if stride != width and values.shape[1] > 1 else {}
        view = self.view(rows.tobytes() if pad else values.tobytes(), **pad)
        entry = {"bufferView": view, "componentType": COMPONENTS[values.dtype.str], "count": len(values), "type": TYPES[values.shape[1]], **more}
        if values.shape[1] in (1, 3):
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        return self.add("accessors", entry)

    def texture(self, pixels: np.ndarray, **sampler) -> int:
        """Adds a picture, (height, width, 3 or 4) uint8, and how it is sampled."""
        source = self.add("images", {"mimeType": "image/png", "bufferView": self.view(png.encode(pixels))})
        return self.add("textures", {"source": source, "sampler": self.add("samplers", sampler)})

    def material(self, name: str, colour=(1, 1, 1, 1), metal: float = 0.0, rough: float = 0.8, pbr: dict = {}, **more) -> int:
        """Adds a material."""
        core = {"baseColorFactor": list(colour), "metallicFactor": metal, "roughnessFactor": rough, **pbr}
        return self.add("materials", {"name": name, "pbrMetallicRoughness": core, **more})

    def mesh(self, shape: dict, material: int, **attributes) -> int:
        """Adds a mesh of one primitive: `shape` has at, normals, uv and index; further attributes are accessors."""
        if "accessors" not in shape:  # once, however many meshes have it
            named = {"POSITION": "at", "NORMAL": "normals", "TEXCOORD_0": "uv"}
            shape["accessors"] = {name: self.accessor(shape[key]) for name, key in named.items()}, self.accessor(shape["index"], "<u2")
        own, index = shape["accessors"]
        primitive = {"attributes": {**own, **attributes}, "indices": index, "material": material}
        name = f"{self.json['materials'][material]['name']}-{len(self.json.get('meshes', []))}"
        return self.add("meshes", {"name": name, "primitives": [primitive]})

    def node(self, root: bool = True, **entry) -> int:
        """Adds a node."""
        number = self.add("nodes", entry)
        if root:
            self.json["scenes"][0]["nodes"].append(number)
        return number

    def write(self, path: str) -> None:
        """Writes the file."""
        uri = "data:application/octet-stream;base64," + base64.b64encode(bytes(self.blob)).decode()
        self.json["buffers"] = [{"byteLength": len(self.blob), "uri": uri}]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.json, file, separators=(",", ":"))
            file.write("\n")


def panel(width: float = 2.0, height: float = 2.0, tiles: float = 1.0) -> dict:
    """Returns an upright square about the origin that looks to +z; u grows to the right, v downwards."""
    x, y = width / 2, height / 2
    at = [[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]]
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * tiles
    return {"at": np.array(at), "normals": np.tile([0.0, 0, 1], (4, 1)), "uv": uv, "index": np.array([0, 1, 2, 0, 2, 3])}


def floor(half: float, tiles: float = 1.0) -> dict:
    """Returns a level square about the origin that looks up."""
    flat = panel(2 * half, 2 * half, tiles)
    flat["at"] = flat["at"][:, [0, 2, 1]] * [1, 1, -1]
    flat["normals"] = np.tile([0.0, 1, 0], (4, 1))
    return flat


def ball(radius: float = 1.0, rings: int = 24, tiles: float = 1.0) -> dict:
    """Returns a ball about the origin."""
    v, u = np.mgrid[0 : rings + 1, 0 : 2 * rings + 1]
    height, turn = np.pi * (0.5 - v / rings), np.pi * u / rings
    n = np.stack([np.sin(turn) * np.cos(height), np.sin(height), np.cos(turn) * np.cos(height)], -1).reshape(-1, 3)
    uv = np.stack([u / (2 * rings) * 2 * tiles, v / rings * tiles], -1).reshape(-1, 2)
    a = (np.arange(rings)[:, None] * (2 * rings + 1) + np.arange(2 * rings)).ravel()
    b = a + 2 * rings + 1
    triangles = np.stack([a, b, b + 1, a, b + 1, a + 1], -1).reshape(-1, 3)
    whole = [t for t in triangles if len({tuple(np.round(n[i], 6)) for i in t}) == 3]
    return {"at": n * radius, "normals": n, "uv": uv, "index": np.array(whole).ravel()}

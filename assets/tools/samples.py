#!/usr/bin/env python3
"""Makes the small files in assets/test that show one thing each: what a glTF material, light or clip can do.

    pip install numpy
    python3 assets/tools/samples.py assets/test

- metals.gltf: balls of gold above balls of red plastic, from smooth to rough.
- maps.gltf: bumps without tangents, the same mirrored, a texture of metal and roughness; occlusion, emission,
  vertex colours.
- coverage.gltf: a lattice with holes and its shadow; panes before each other, listed nearest first; leaves seen
  from behind, one of them double-sided.
- textures.gltf: repeated, stopped at the edge, mirrored, each axis its own, blocky, turned and moved, on the second
  coordinates, unlit.
- lights.gltf: a point, a spot and a direction over a floor, no sun needed.
- packed.gltf: one dome four times: floats, a sparse accessor, small integers, and instanced.
- moving.gltf: a wheel that turns with what hangs on it, a block on a spline, a strip that bends with two joints.
"""

import math
import os
import sys

import numpy as np

sys.dont_write_bytecode = True  # no __pycache__ beside the assets
from gltf_file import File, ball, floor, panel  # noqa: E402

REPEAT, CLAMP, MIRROR, NEAREST = 10497, 33071, 33648, 9728
GREY = (0.4, 0.4, 0.4, 1)


def main(folder: str) -> None:
    """Writes the files."""
    for make in (metals, maps, coverage, textures, lights, packed, moving):
        file = File("assets/tools/samples.py")
        make(file)
        file.write(os.path.join(folder, make.__name__ + ".gltf"))


def metals(f: File) -> None:
    shape = ball(0.9)
    for row, (colour, metal) in enumerate([((1.0, 0.77, 0.34, 1), 1.0), ((0.6, 0.05, 0.04, 1), 0.0)]):
        for i, rough in enumerate([0.0, 0.25, 0.5, 1.0]):
            mesh = f.mesh(shape, f.material(f"{metal:.0f} {rough}", colour, metal, rough))
            f.node(mesh=mesh, translation=[-3 + 2 * i, 1 - 2 * row, 0])


def maps(f: File) -> None:
    size = 128
    y, x = np.mgrid[0:size, 0:size] / size
    bumps = np.zeros((size, size, 2))
    for cy in (0.25, 0.75):
        for cx in (0.25, 0.75):
            dx, dy = (x - cx) / 0.2, (y - cy) / 0.2
            inside = dx * dx + dy * dy < 1
            bumps[inside] = np.stack([dx, -dy], -1)[inside]  # out of the picture: green is up
    flat = np.sqrt(np.clip(1 - (bumps**2).sum(-1) * 0.9, 0.05, 1))
    normals = np.round((np.dstack([bumps * 0.95, flat]) * 0.5 + 0.5) * 255).astype(np.uint8)
    normal = f.texture(normals)
    bumpy = f.material("bumps", (0.5, 0.5, 0.5, 1), rough=0.6, normalTexture={"index": normal})
    f.node(mesh=f.mesh(panel(), bumpy), translation=[-2.2, 1.1, 0])
    mirrored = panel()
    mirrored["uv"] = mirrored["uv"] * [-1, 1]
    f.node(mesh=f.mesh(mirrored, bumpy), translation=[0, 1.1, 0])

    check = ((x * 4).astype(int) + (y * 4).astype(int)) % 2
    surface = np.dstack([np.zeros_like(x), 0.15 + 0.7 * (y > 0.5), check]) * 255
    pbr = {"metallicRoughnessTexture": {"index": f.texture(surface.astype(np.uint8))}}
    steel = f.material("metal-and-roughness", (0.9, 0.6, 0.3, 1), 1.0, 1.0, pbr)
    f.node(mesh=f.mesh(ball(1.0), steel), translation=[2.2, 1.1, 0])

    shade = np.repeat(((0.1 + 0.9 * np.abs(x - 0.5) * 2) * 255).astype(np.uint8)[:, :, None], 3, 2)
    occluded = f.material("occlusion", (0.8, 0.8, 0.8, 1), occlusionTexture={"index": f.texture(shade), "strength": 1.0})
    f.node(mesh=f.mesh(panel(), occluded), translation=[-2.2, -1.1, 0])
    glow = np.zeros((16, 16, 3), np.uint8)
    glow[4:12, 4:12] = (255, 120, 30)
    f.uses("KHR_materials_emissive_strength")
    lamp = f.material(
        "emission",
        (0.1, 0.1, 0.1, 1),
        emissiveFactor=[1, 1, 1],
        emissiveTexture={"index": f.texture(glow)},
        extensions={"KHR_materials_emissive_strength": {"emissiveStrength": 3.0}},
    )
    f.node(mesh=f.mesh(panel(), lamp), translation=[0, -1.1, 0])
    colours = f.accessor(np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 255, 255]]), "|u1", normalized=True)
    f.node(mesh=f.mesh(panel(), f.material("colours"), COLOR_0=colours), translation=[2.2, -1.1, 0])


def coverage(f: File) -> None:
    f.node(mesh=f.mesh(floor(6.0), f.material("ground", GREY, rough=0.9)), translation=[0, -1.5, 0])
    lattice = np.zeros((64, 64, 4), np.uint8)
    y, x = np.mgrid[0:64, 0:64]
    lattice[:] = (200, 170, 90, 0)
    lattice[((x % 16) < 6) | ((y % 16) < 6)] = (200, 170, 90, 255)
    pbr = {"baseColorTexture": {"index": f.texture(lattice)}}
    grid = f.material("lattice", pbr=pbr, alphaMode="MASK", alphaCutoff=0.5, doubleSided=True)
    f.node(mesh=f.mesh(panel(2.2, 2.6), grid), translation=[-2.6, 0, 0])
    # The nearest pane comes first in the file: it must be drawn last.
    for i, colour in enumerate([(1, 0.1, 0.1, 0.5), (0.1, 1, 0.1, 0.5), (0.1, 0.1, 1, 0.5)]):
        pane = f.material(f"pane-{i}", colour, rough=0.3, alphaMode="BLEND")
        f.node(mesh=f.mesh(panel(1.5, 1.5), pane), translation=[0.3 - 0.4 * i, 0.4 - 0.3 * i, 0.6 - 0.6 * i])
    behind = [0, 1, 0, 0]
    one, both = f.material("one-sided", (0.1, 0.6, 0.1, 1)), f.material("both-sided", (0.1, 0.6, 0.1, 1), doubleSided=True)
    f.node(mesh=f.mesh(panel(1.0, 1.0), one), translation=[2.0, 0.7, 0], rotation=behind)
    f.node(mesh=f.mesh(panel(1.0, 1.0), both), translation=[3.0, -0.5, 0], rotation=behind)


def textures(f: File) -> None:
    f.uses("KHR_texture_transform")
    f.uses("KHR_materials_unlit")
    unlit = {"KHR_materials_unlit": {}}
    arrow = np.full((8, 8, 3), 40, np.uint8)
    arrow[0:4, 0:4], arrow[0:4, 4:8], arrow[4:8, 0:4], arrow[4:8, 4:8] = (230, 40, 40), (40, 200, 40), (40, 60, 230), (230, 220, 40)
    cases = [
        dict(wrapS=REPEAT, wrapT=REPEAT),
        dict(wrapS=CLAMP, wrapT=CLAMP),
        dict(wrapS=MIRROR, wrapT=MIRROR),
        dict(wrapS=REPEAT, wrapT=CLAMP),
        dict(wrapS=MIRROR, wrapT=REPEAT),
    ]
    for i, sampler in enumerate(cases):
        pbr = {"baseColorTexture": {"index": f.texture(arrow, **sampler)}}
        shape = panel(1.8, 1.8, 3.0)
        shape["uv"] = shape["uv"] - 1
        f.node(mesh=f.mesh(shape, f.material(f"wrap-{i}", pbr=pbr, extensions=unlit)), translation=[-4 + 2 * i, 1, 0])
    tile = f.texture(arrow)
    blocky = {"baseColorTexture": {"index": f.texture(arrow, magFilter=NEAREST)}}
    f.node(mesh=f.mesh(panel(1.8, 1.8), f.material("blocky", pbr=blocky, extensions=unlit)), translation=[-4, -1, 0])
    turned = {"offset": [0.25, 0.0], "rotation": math.radians(45), "scale": [1.0, 2.0]}
    pbr = {"baseColorTexture": {"index": tile, "extensions": {"KHR_texture_transform": turned}}}
    f.node(mesh=f.mesh(panel(1.8, 1.8), f.material("turned", pbr=pbr, extensions=unlit)), translation=[-2, -1, 0])
    second = {"baseColorTexture": {"index": tile, "texCoord": 1}}
    shape = panel(1.8, 1.8)
    uv1 = f.accessor(shape["uv"][:, ::-1] * 0.5)
    f.node(mesh=f.mesh(shape, f.material("second", pbr=second, extensions=unlit), TEXCOORD_1=uv1), translation=[0, -1, 0])
    f.node(mesh=f.mesh(panel(1.8, 1.8), f.material("unlit", (0.5, 0.5, 0.5, 1), extensions=unlit)), translation=[2, -1, 0])
    f.node(mesh=f.mesh(panel(1.8, 1.8), f.material("lit", (0.5, 0.5, 0.5, 1))), translation=[4, -1, 0])


def lights(f: File) -> None:
    f.uses("KHR_lights_punctual")
    shine = [
        {"type": "point", "color": [1, 0.3, 0.1], "intensity": 6.0, "range": 4.0},
        {"type": "spot", "color": [0.2, 0.5, 1], "intensity": 30.0, "spot": {"innerConeAngle": 0.25, "outerConeAngle": 0.45}},
        {"type": "directional", "color": [1, 1, 1], "intensity": 0.15},
    ]
    f.json["extensions"] = {"KHR_lights_punctual": {"lights": shine}}
    f.node(mesh=f.mesh(floor(8.0), f.material("ground", GREY, rough=0.6)))
    shape = ball(0.6)
    for x, rough, metal in [(-2.5, 0.9, 0.0), (0.0, 0.3, 1.0), (2.5, 0.3, 0.0)]:
        f.node(mesh=f.mesh(shape, f.material("ball", (0.8, 0.8, 0.8, 1), metal, rough)), translation=[x, 0.6, 0])

    def light(n: int) -> dict:
        return {"extensions": {"KHR_lights_punctual": {"light": n}}}

    down = [-math.sqrt(0.5), 0, 0, math.sqrt(0.5)]
    f.node(translation=[-2.5, 1.6, 1.0], **light(0))
    f.node(translation=[2.0, 4.0, 0.5], rotation=down, **light(1))
    f.node(rotation=down, **light(2))


def packed(f: File) -> None:
    f.uses("KHR_mesh_quantization", required=True)
    n = 12
    y, x = np.mgrid[0 : n + 1, 0 : n + 1] / n * 2 - 1
    height = 0.6 * np.clip(1 - x * x - y * y, 0, None)
    at = np.stack([x, height, y], -1).reshape(-1, 3)
    slope = np.stack([1.2 * x * (height > 0), np.ones_like(x), 1.2 * y * (height > 0)], -1).reshape(-1, 3)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    index = np.stack([a, a + n + 1, a + n + 2, a, a + n + 2, a + 1], -1).ravel()
    shape = {"at": at, "normals": slope, "uv": at[:, [0, 2]], "index": index}
    whole = f.mesh(shape, f.material("floats", (0.7, 0.3, 0.2, 1)))
    f.node(mesh=whole, translation=[-2.4, 0, -1.2])

    # Flat at first; the sparse part lifts the dome.
    flat = at * [1, 0, 1]
    lifted = np.nonzero(at[:, 1])[0]
    sparse = f.mesh({**{k: shape[k] for k in ("normals", "uv", "index")}, "at": flat}, f.material("sparse", (0.2, 0.5, 0.3, 1)))
    accessor = f.json["accessors"][f.json["meshes"][sparse]["primitives"][0]["attributes"]["POSITION"]]
    accessor["sparse"] = {
        "count": len(lifted),
        "indices": {"bufferView": f.view(lifted.astype("<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": f.view(at[lifted].astype("<f4").tobytes())},
    }
    accessor |= {"min": at.min(axis=0).tolist(), "max": at.max(axis=0).tolist()}
    f.node(mesh=sparse, translation=[0, 0, -1.2])

    # Positions as 16-bit integers that the node scales back, normals as signed bytes.
    primitive = {
        "attributes": {
            "POSITION": f.accessor(np.round(at * 1000), "<i2"),
            "NORMAL": f.accessor(np.round(slope * 127), "|i1", normalized=True),
            "TEXCOORD_0": f.accessor(np.round((at[:, [0, 2]] + 1) * 127), "|u1", normalized=True),
        },
        "indices": f.accessor(index, "<u2"),
        "material": f.material("integers", (0.2, 0.3, 0.7, 1)),
    }
    f.node(mesh=f.add("meshes", {"name": "integers", "primitives": [primitive]}), translation=[2.4, 0, -1.2], scale=[0.001] * 3)

    small = f.mesh(shape, f.material("instanced", (0.8, 0.7, 0.2, 1), 1.0, 0.3))
    for i in range(9):
        f.node(mesh=small, translation=[-3.2 + 0.8 * i, 0, 1.0], scale=[0.35] * 3, rotation=[0, math.sin(i / 4), 0, math.cos(i / 4)])


def moving(f: File) -> None:
    f.node(mesh=f.mesh(floor(6.0), f.material("ground", GREY, rough=0.9)), translation=[0, -2, 0])
    wheel = f.node(mesh=f.mesh(panel(1.6, 1.6), f.material("wheel", (0.8, 0.2, 0.1, 1), doubleSided=True)), translation=[-2.5, 0, 0])
    knob = f.node(root=False, mesh=f.mesh(ball(0.25, 8), f.material("knob", (0.9, 0.8, 0.2, 1), 1.0, 0.4)), translation=[0.8, 0.8, 0.2])
    f.json["nodes"][wheel]["children"] = [knob]
    block = f.node(mesh=f.mesh(ball(0.5, 12), f.material("block", (0.2, 0.4, 0.8, 1))), translation=[0, 0, 0])

    # A strip of 8 squares that two joints hold at its lower end and in its middle.
    n = 8
    level = np.arange(n + 1) / n
    at = np.concatenate([[[-0.3, y * 2 - 1, 0], [0.3, y * 2 - 1, 0]] for y in level])
    index = np.concatenate([[2 * i, 2 * i + 1, 2 * i + 3, 2 * i, 2 * i + 3, 2 * i + 2] for i in range(n)])
    pull = np.repeat(np.clip((level - 0.4) / 0.2, 0, 1), 2)
    strip = {"at": at, "normals": np.tile([0.0, 0, 1], (len(at), 1)), "uv": at[:, :2], "index": index}
    joints = f.accessor(np.tile([0, 1, 0, 0], (len(at), 1)), "|u1")
    weights = f.accessor(np.stack([1 - pull, pull, 0 * pull, 0 * pull], -1))
    mesh = f.mesh(strip, f.material("strip", (0.2, 0.7, 0.3, 1), doubleSided=True), JOINTS_0=joints, WEIGHTS_0=weights)
    elbow = f.node(root=False, translation=[0, 1, 0])
    root = f.node(translation=[2.5, -1, 0], children=[elbow])
    binds = np.tile(np.eye(4), (2, 1, 1))
    binds[0, 3, 1], binds[1, 3, 1] = 1, 0  # columns: the strip's lower end and its middle come to the origin
    skin = f.add("skins", {"joints": [root, elbow], "inverseBindMatrices": f.accessor(binds.reshape(2, 16))})
    f.node(mesh=mesh, skin=skin, translation=[100, 0, 0])  # a skin does not follow its node

    turn = [[0, 0, math.sin(a / 2), math.cos(a / 2)] for a in (0.0, math.pi / 2, math.pi)]
    bend = [[0, 0, math.sin(a / 2), math.cos(a / 2)] for a in (0.0, -1.2, 0.0)]
    # A spline through three points: in-tangent, value, out-tangent.
    spline = [[0, 0, 0], [0, -1.4, 0], [0, 6, 0], [0, 0, 0], [0, 1.2, 0], [0, 0, 0], [0, -6, 0], [0, -1.4, 0], [0, 0, 0]]
    times = f.accessor([[0.0], [1.0], [2.0]])
    samplers = [
        {"input": times, "output": f.accessor(turn)},
        {"input": times, "output": f.accessor(spline), "interpolation": "CUBICSPLINE"},
        {"input": times, "output": f.accessor(bend)},
    ]
    targets = [(wheel, "rotation"), (block, "translation"), (elbow, "rotation")]
    channels = [{"sampler": n, "target": {"node": node, "path": path}} for n, (node, path) in enumerate(targets)]
    f.add("animations", {"name": "turn", "samplers": samplers, "channels": channels})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: samples.py FOLDER")
    main(sys.argv[1])

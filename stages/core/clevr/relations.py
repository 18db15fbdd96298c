"""Left, right, front and behind in a CLEVR scene, by the rules of clevr-dataset-gen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.core.clevr.scene import SceneObject, Vector

RELATION_THRESHOLD = 0.2  # scene units; a nearer object is on neither side
HORIZONTAL = ("left", "right", "front", "behind")


def directions(viewpoint: Vector) -> dict[str, Vector]:
    """Unit vectors on the ground seen from `viewpoint`, the camera's position BEFORE its jitter, plus up and down."""
    x, y = np.asarray(viewpoint[:2]) / np.hypot(viewpoint[0], viewpoint[1])
    behind, right = (-float(x), -float(y), 0.0), (-float(y), float(x), 0.0)
    return {
        "right": right,
        "behind": behind,
        "above": (0.0, 0.0, 1.0),
        "below": (0.0, 0.0, -1.0),
        "left": (-right[0], -right[1], 0.0),
        "front": (-behind[0], -behind[1], 0.0),
    }


def relationships(objects: Sequence[SceneObject], viewpoint: Vector) -> dict[str, list[list[int]]]:
    """For each direction and object, the numbers of the objects on that side, in ascending order."""
    places = np.array([item.coords for item in objects]).reshape(-1, 3)
    apart = places[None, :, :] - places[:, None, :]
    axes = directions(viewpoint)
    return {
        name: [np.flatnonzero(row > RELATION_THRESHOLD).tolist() for row in apart @ np.asarray(axes[name])]
        for name in HORIZONTAL
    }

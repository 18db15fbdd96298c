"""CLEVR scenes: drawing, reading, changing and rendering them."""

from stages.core.clevr.change import change_objects
from stages.core.clevr.placement import sample_scene
from stages.core.clevr.rendering import owners, render
from stages.core.clevr.scene import Camera, Lights, Scene, SceneObject

__all__ = [
    "Camera",
    "Lights",
    "Scene",
    "SceneObject",
    "change_objects",
    "owners",
    "render",
    "sample_scene",
]

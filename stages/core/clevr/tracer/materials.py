"""How the three materials reflect light: the formulas of Mitsuba's `diffuse`, `roughplastic` and `roughconductor`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from stages.core.clevr.mitsuba_scene import BRIGHT, DULL, METAL_BRIGHTNESS, PLASTIC
from stages.core.clevr.tracer.backend import Color, Float, UInt, drjit, mitsuba
from stages.core.clevr.tracer.geometry import METAL, RUBBER, Hit

LEAST = 1e-3  # lower limit of cosines
TRANSMISSION_STEPS = 64
GLOSS_SHARE = 0.15  # of the directions reflected by rubber that follow its gloss; the rest are diffuse
MOST_GAIN = 4.0  # of one reflection at grazing angles


def eval_bsdf(hit: Hit, view: Any, light: Any) -> Any:
    """BSDF times the cosine to `light`. Unit vectors point away from the surface."""
    normal = hit.normal
    cos_light, cos_view = drjit.dot(normal, light), drjit.maximum(drjit.dot(normal, view), LEAST)
    above = cos_light > 0
    cos_light = drjit.maximum(cos_light, LEAST)
    half = drjit.normalize(view + light)
    cos_half = drjit.clip(drjit.dot(normal, half), LEAST, 1.0)
    view_half = drjit.maximum(drjit.dot(view, half), 1e-4)
    rubber, metal = hit.material == RUBBER, hit.material == METAL
    diffuse = cos_light / drjit.pi * drjit.select(rubber, transmission(cos_light) * transmission(cos_view), 1)
    wide = _lobe(cos_half, cos_light, cos_view, drjit.select(metal, Float(DULL), Float(PLASTIC["alpha"])), rubber)
    narrow = _lobe(cos_half, cos_light, cos_view, Float(BRIGHT), False)
    shine = (1 - METAL_BRIGHTNESS) * wide + METAL_BRIGHTNESS * narrow
    gloss = PLASTIC["gloss"] * fresnel(view_half) * wide
    value = hit.reflectance * drjit.select(metal, shine, diffuse) + Color(drjit.select(rubber, gloss, 0))
    return drjit.select(above, value, 0)


def sample_bsdf(hit: Hit, view: Any, lobe: tuple[Any, Any], choice: tuple[Any, Any]) -> tuple[Any, Any]:
    """A direction drawn from the material, and its BSDF · cos / density; 0 for directions into the surface."""
    rubber, metal = hit.material == RUBBER, hit.material == METAL
    frame = mitsuba.Frame3f(hit.normal)
    glossy = metal | (rubber & (choice[0] < GLOSS_SHARE))
    roughness = drjit.select(
        metal, drjit.select(choice[0] < METAL_BRIGHTNESS, Float(BRIGHT), Float(DULL)), Float(PLASTIC["alpha"])
    )
    half, cos_half = _microfacet(lobe, roughness, rubber)
    half = frame.to_world(half)
    mirrored = 2 * drjit.dot(view, half) * half - view
    scattered = frame.to_world(mitsuba.warp.square_to_cosine_hemisphere(mitsuba.Point2f(*lobe)))
    direction = drjit.normalize(drjit.select(glossy, mirrored, scattered))
    cos_view = drjit.maximum(drjit.dot(hit.normal, view), LEAST)
    cos_out = drjit.dot(hit.normal, direction)
    out = drjit.maximum(cos_out, LEAST)
    view_half = drjit.maximum(drjit.dot(view, half), 0)
    shadow = smith(out, roughness, rubber) * smith(cos_view, roughness, rubber)
    gain = drjit.minimum(shadow * view_half / (cos_view * cos_half), MOST_GAIN)
    gloss = Color(PLASTIC["gloss"] * fresnel(drjit.maximum(view_half, 1e-4)) * gain / GLOSS_SHARE)
    body = hit.reflectance * drjit.select(rubber, transmission(out) * transmission(cos_view) / (1 - GLOSS_SHARE), 1)
    weight = drjit.select(glossy, drjit.select(metal, hit.reflectance * gain, gloss), body)
    return direction, drjit.select((cos_out > 0) & (drjit.dot(hit.geometric_normal, direction) > 0), weight, 0)


def smith(cosine: Any, roughness: Any, beckmann: Any) -> Any:
    """Share of microfacets visible at an angle (Smith's G1), with the usual rational approximation for Beckmann."""
    tangent2 = drjit.maximum(1 - cosine * cosine, 0) / (cosine * cosine)
    ggx = 2 / (1 + drjit.sqrt(1 + roughness * roughness * tangent2))
    slope = drjit.rcp(drjit.maximum(roughness * drjit.sqrt(tangent2), 1e-6))
    rational = (3.535 * slope + 2.181 * slope * slope) / (1 + 2.276 * slope + 2.577 * slope * slope)
    return drjit.select(beckmann, drjit.select(slope >= 1.6, 1, rational), ggx)


def fresnel(cosine: Any) -> Any:
    """Share of unpolarised light that rubber's smooth coat reflects."""
    index = PLASTIC["ior"]
    inner = drjit.sqrt(drjit.maximum(0, 1 - (1 - cosine * cosine) / (index * index)))
    across = (cosine - index * inner) / (cosine + index * inner)
    along = (inner - index * cosine) / (inner + index * cosine)
    return 0.5 * (across * across + along * along)


def transmission(cosine: Any) -> Any:
    """Square root of rubber's coat transmission in and out at equal angles, from a table."""
    place = drjit.clip((cosine - 0.002) / 0.998, 0, 1) * (TRANSMISSION_STEPS - 1)
    lower = drjit.minimum(UInt(place), UInt(TRANSMISSION_STEPS - 2))
    table = transmission_table()
    return drjit.lerp(drjit.gather(Float, table, lower), drjit.gather(Float, table, lower + 1), place - Float(lower))


@cache
def transmission_table() -> Any:
    """The table, measured on Mitsuba's own `roughplastic` so that both agree."""
    coat = mitsuba.load_dict(
        {
            "type": "roughplastic",
            "distribution": "beckmann",
            "alpha": PLASTIC["alpha"],
            "int_ior": PLASTIC["ior"],
            "diffuse_reflectance": {"type": "rgb", "value": 1.0},
            "specular_reflectance": {"type": "rgb", "value": 0.0},
        }
    )
    cosine = np.linspace(0.002, 1, TRANSMISSION_STEPS)
    at = drjit.zeros(mitsuba.SurfaceInteraction3f, TRANSMISSION_STEPS)
    at.wi = mitsuba.Vector3f(Float(np.sqrt(1 - cosine**2)), Float(np.zeros_like(cosine)), Float(cosine))
    value = np.asarray(coat.eval(mitsuba.BSDFContext(), at, mitsuba.Vector3f(-at.wi.x, at.wi.y, at.wi.z)))[0]
    table = Float(np.sqrt(value / cosine * np.pi).astype(np.float32))
    drjit.eval(table)
    return table


def _lobe(cos_half: Any, cos_light: Any, cos_view: Any, roughness: Any, beckmann: Any) -> Any:
    """D · G / (4 cos), including the cosine to the light."""
    square, width = cos_half * cos_half, roughness * roughness
    tangent2 = (1 - square) / square
    ggx = width / (drjit.pi * square * square * (width + tangent2) * (width + tangent2))
    gauss = drjit.exp(-tangent2 / width) / (drjit.pi * width * square * square)
    density = drjit.select(beckmann, gauss, ggx)
    return density * smith(cos_light, roughness, beckmann) * smith(cos_view, roughness, beckmann) / (4 * cos_view)


def _microfacet(sample: tuple[Any, Any], roughness: Any, beckmann: Any) -> tuple[Any, Any]:
    """A microfacet's normal in the surface's frame, drawn from D · cos, and its cosine."""
    rest = drjit.maximum(1 - sample[0], 1e-7)
    width = roughness * roughness
    tangent2 = drjit.select(beckmann, -width * drjit.log(rest), width * sample[0] / rest)
    cosine = drjit.rsqrt(1 + tangent2)
    sine = drjit.sqrt(drjit.maximum(1 - cosine * cosine, 0))
    angle = 2 * drjit.pi * sample[1]
    return mitsuba.Vector3f(sine * drjit.cos(angle), sine * drjit.sin(angle), cosine), cosine

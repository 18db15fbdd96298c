"""How alike two pictures are: PSNR, SSIM, mean colour, and whether edges lie in the same places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.filters import sobel
from skimage.metrics import structural_similarity

Picture = NDArray[np.uint8]  # (height, width, 3)


def psnr(one: Picture, other: Picture) -> float:
    """Peak signal to noise, dB, over all channels."""
    error = np.mean((one.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(one: Picture, other: Picture) -> float:
    """Structural similarity of the three channels, mean; Gaussian windows as in Wang et al. (2004)."""
    return float(
        structural_similarity(one, other, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def mean_colour_apart(one: Picture, other: Picture) -> float:
    """The largest difference of the mean colours, in levels of 255."""
    return float(np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max())


def edge_correlation(one: Picture, other: Picture) -> float:
    """Correlation of the two pictures' edge strengths (Sobel, of the grey picture), pixel by pixel."""
    return float(np.corrcoef(_edges(one).ravel(), _edges(other).ravel())[0, 1])


def _edges(picture: Picture) -> NDArray[np.float64]:
    return np.asarray(sobel(picture.mean(axis=2)))

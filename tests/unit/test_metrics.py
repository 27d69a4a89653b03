"""The measures against scikit-image and against published values."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import color, filters

from lora_core.measures import metrics

# Float64 throughout; what is left is rounding.
EXACT = 1e-12
# scikit-image's and Ottosson's published colours are given to three or more decimals.
PUBLISHED = 1e-3

# Ottosson 2020, table of test values: CIE XYZ (D65) and its OKLab.
XYZ_TO_OKLAB = [
    ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
    ((1.000, 0.000, 0.000), (0.450, 1.236, -0.019)),
    ((0.000, 1.000, 0.000), (0.922, -0.671, 0.263)),
    ((0.000, 0.000, 1.000), (0.153, -1.415, -0.449)),
]
# CSS Color 4, sample values: pure sRGB colours and their OKLab.
SRGB_TO_OKLAB = [
    ((1.0, 0.0, 0.0), (0.62796, 0.22486, 0.12585)),
    ((0.0, 1.0, 0.0), (0.86644, -0.23389, 0.17950)),
    ((0.0, 0.0, 1.0), (0.45201, -0.03246, -0.31153)),
    ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
]


def pictures(count: int = 3) -> np.ndarray:
    """Random pictures with smooth parts, rough parts, and the corners of the colour cube."""
    rng = np.random.default_rng(0)
    made = rng.random((count, 24, 40, 3))
    made[:, :12] = made[:, :1, :1]
    made[0, 0, :8] = [[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)]
    return made


def oklab_from_xyz(xyz: np.ndarray) -> np.ndarray:
    """Ottosson 2020's first definition, from XYZ, independent of the sRGB matrices."""
    cones = np.array(
        [
            [0.8189330101, 0.3618667424, -0.1288597137],
            [0.0329845436, 0.9293118715, 0.0361456387],
            [0.0482003018, 0.2643662691, 0.6338517070],
        ]
    )
    return np.cbrt(xyz @ cones.T) @ metrics.LAB.T


@pytest.mark.parametrize(("xyz", "lab"), XYZ_TO_OKLAB)
def test_the_tests_own_oklab_has_the_published_values(xyz: tuple[float, ...], lab: tuple[float, ...]) -> None:
    assert oklab_from_xyz(np.array(xyz)) == pytest.approx(lab, abs=PUBLISHED)


@pytest.mark.parametrize(("srgb", "lab"), SRGB_TO_OKLAB)
def test_oklab_has_the_published_values(srgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    assert metrics.oklab(np.full((1, 1, 3), srgb))[0, 0] == pytest.approx(lab, abs=1e-4)


def test_oklab_agrees_with_the_way_through_xyz() -> None:
    picture = pictures()
    assert metrics.oklab(picture) == pytest.approx(oklab_from_xyz(color.rgb2xyz(picture)), abs=PUBLISHED)


def test_saturation_is_the_mean_chroma() -> None:
    picture = pictures()
    lab = oklab_from_xyz(color.rgb2xyz(picture))
    assert metrics.saturation(picture) == pytest.approx(
        np.hypot(lab[..., 1], lab[..., 2]).mean(), abs=PUBLISHED
    )


def test_luma_is_scikit_images_grey() -> None:
    # rgb2gray has rounded Rec. 709 weights too: 0.2125, 0.7154, 0.0721.
    picture = pictures()
    assert metrics.luma(picture) == pytest.approx(color.rgb2gray(picture).mean(), abs=2e-4)


def test_hsv_saturation_is_scikit_images() -> None:
    picture = pictures()
    assert metrics.hsv_saturation(picture) == pytest.approx(color.rgb2hsv(picture)[..., 1].mean(), abs=EXACT)


def test_detail_is_luma_less_scikit_images_gaussian() -> None:
    for picture in pictures():
        grey = picture @ metrics.REC709
        rough = grey - filters.gaussian(grey, sigma=1.5, mode="reflect", truncate=4.0)
        assert metrics.detail(picture) == pytest.approx(np.sqrt((rough**2).mean()), abs=EXACT)


def test_several_pictures_give_their_mean() -> None:
    several = pictures()
    single = [metrics.measure(picture) for picture in several]
    together = metrics.measure(several)
    assert together.luma == pytest.approx(np.mean([m.luma for m in single]), abs=EXACT)
    assert together.saturation == pytest.approx(np.mean([m.saturation for m in single]), abs=EXACT)
    assert together.detail == pytest.approx(np.sqrt(np.mean([m.detail**2 for m in single])), abs=EXACT)


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_flat_grey_has_neither_colour_nor_detail(grey: float) -> None:
    found = metrics.measure(np.full((16, 16, 3), grey))
    assert found.luma == pytest.approx(grey, abs=EXACT)
    assert (found.saturation, found.detail, found.hsv_saturation) == pytest.approx((0, 0, 0), abs=1e-7)


def test_magenta_is_the_most_saturated_colour() -> None:
    cube = np.array([[[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)]])
    chroma = [metrics.saturation(cube[:, i : i + 1]) for i in range(8)]
    assert max(chroma) == chroma[5] == pytest.approx(0.3225, abs=PUBLISHED)


def test_every_measure_has_a_scale_and_stays_on_it() -> None:
    assert set(metrics.measure(pictures()).as_json()) == set(metrics.SCALES)
    corners = np.array([[[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0)] for b in (0.0, 1.0)])
    noise = np.random.default_rng(1).integers(0, 2, (32, 32, 3)).astype(float)
    for picture in (*pictures(), corners, noise, np.zeros((4, 4, 3)), np.ones((4, 4, 3))):
        for name, value in metrics.measure(picture).as_json().items():
            assert metrics.SCALES[name].lowest <= value <= metrics.SCALES[name].highest


def test_float32_is_welcome() -> None:
    picture = pictures(1)[0].astype(np.float32)
    assert metrics.measure(picture) == metrics.measure(picture.astype(np.float64))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (3, 8, 8), (1, 1, 8, 8, 3), (0, 8, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="H, W, 3"):
        metrics.measure(np.zeros(shape))


def test_8_bit_values_are_refused() -> None:
    with pytest.raises(ValueError, match="255"):
        metrics.measure(np.zeros((8, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_values_outside_the_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="0…1"):
        metrics.measure(np.full((8, 8, 3), value))

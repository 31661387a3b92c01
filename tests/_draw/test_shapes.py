"""Signals, volumes and videos as pictures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex._draw.pictures import channels_last, in_unit_range
from sklearn_kmex._draw.shapes import (
    as_lines,
    as_strips,
    is_signal,
    picture_note,
    stretched,
    strip_text,
)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 200), True), ((200, 1), True), ((12, 1000), True), ((9, 128), True),
        ((8, 8), False), ((28, 28), False), ((16, 64), False), ((64, 512), False),
        ((1, 8), False), ((1, 16), True), ((3, 8, 8), False),
    ],
)  # fmt: skip
def test_what_is_a_signal(shape, expected):
    assert is_signal(shape) is expected


@pytest.mark.parametrize("length", [16, 100, 128, 129, 5000])
def test_a_line_follows_the_signal(length):
    """The black places of each column are around the values there."""
    steps = np.linspace(0, 1, length)
    signal = np.stack([steps, 0.5 + 0.5 * np.sin(7 * steps)])
    picture = as_lines(signal)
    assert picture.shape == (96, 128)
    assert set(np.unique(picture)) == {0, 1}
    for channel, values in enumerate(signal):
        band = picture[48 * channel : 48 * (channel + 1)] == 0
        assert band.any(axis=0).all()  # no gap
        height = (
            1 - (np.where(band, np.arange(48)[:, None], 0).sum(0) / band.sum(0)) / 47
        )
        middle = np.interp(np.linspace(0, length - 1, 128), np.arange(length), values)
        assert_allclose(height, middle, atol=0.08)


def test_spikes_are_not_lost_and_orientation_does_not_matter():
    signal = np.zeros((1, 5000))
    signal[0, 2345] = 1
    picture = as_lines(signal)
    assert (picture[:3] == 0).any()
    assert_array_equal(as_lines(signal.T), picture)


def test_signals_share_the_scale_of_all():
    low, high = (
        as_lines(np.full((1, 50), 0.1)),
        in_unit_range(np.full((1, 50), 9.0), 0, 10),
    )
    assert np.flatnonzero((high == 0).any(axis=1)).max() < 15
    assert np.flatnonzero((low == 0).any(axis=1)).min() > 80


@pytest.mark.parametrize(
    ("shape", "strip"),
    [
        ((16, 8, 9), (8, 45)), ((2, 8, 9), (8, 18)), ((1, 16, 8, 9), (8, 45)),
        ((16, 3, 8, 9), (8, 45, 3)), ((16, 8, 9, 3), (8, 45, 3)),
        ((3, 7, 8, 9), (8, 45, 3)),
    ],
)  # fmt: skip
def test_volumes_and_videos_are_strips(shape, strip):
    samples = np.random.default_rng(0).normal(size=(4, *shape))
    shown = channels_last(samples, None)
    assert shown.shape == (4, *strip)
    assert channels_last(samples.reshape(4, -1), shape).shape == shown.shape


def test_a_strip_holds_slices_from_the_first_to_the_last():
    volume = np.arange(2 * 16 * 3 * 2).reshape(2, 16, 3, 2)
    strip = as_strips(volume)
    assert_array_equal(strip[1, :, :2], volume[1, 0])
    assert_array_equal(strip[1, :, 4:6], volume[1, 8])
    assert_array_equal(strip[1, :, -2:], volume[1, 15])
    assert strip_text((16, 3, 2)) == (
        "5 of 16 slices or frames, evenly spaced, from left to right"
    )
    assert strip_text((3, 8, 8)) == strip_text((8, 8)) == picture_note((8, 8)) == ""


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (8, 8, 4), (1, 8, 8), (5,)])
def test_pictures_and_rows_stay_as_they_are(shape):
    samples = np.zeros((2, *shape))
    assert as_strips(samples) is samples


def test_maps_of_signals_have_a_band_for_each_channel():
    heat = np.arange(40.0).reshape(2, 20)
    wide = stretched(heat, (96, 128))
    assert wide.shape == (96, 128)
    assert_array_equal(np.unique(wide[:48]), heat[0])
    assert_array_equal(np.unique(wide[48:]), heat[1])
    assert_array_equal(stretched(heat.T, (96, 128)), wide)


@pytest.fixture(params=[(1, 40), (2, 40), (6, 7, 7)])
def samples(request):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, *request.param))
    X[::2] += np.sin(np.arange(np.prod(request.param))).reshape(request.param)
    return X, np.arange(60) % 2


def test_they_are_drawn_in_figures_tables_and_reports(samples):
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("jinja2")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    from sklearn_kmex.explain import explain
    from sklearn_kmex.inspection import PrototypeDisplay
    from sklearn_kmex.report import SEMReport

    X, y = samples
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    psem = make_pipeline(flat, KMExClassifier(1, random_state=0)).fit(X, y)
    found = explain(psem, X[:1], X_train=X, y_train=y, relevance=X[:1])
    axes = found.plot()
    sample, (ground, heat) = axes[0, 0].images[0], axes[0, 1].images
    assert sample.get_array().shape == ground.get_array().shape
    assert heat.get_array().shape == ground.get_array().shape[:2]
    note = picture_note(X.shape[1:])
    assert found.to_html().count("<img") > 3
    report = SEMReport(
        psem, X, y, X_train=X, y_train=y, relevance=lambda p, X, prototypes: X
    )
    content = report.to_dict()
    assert content["picture_note"] == note != ""
    assert note in report.to_html()
    assert all(case["picture"] and case["relevance"] for case in content["cases"])
    assert PrototypeDisplay.from_estimator(psem, X, y).plot() is not None

"""Faithfulness against values worked out by hand, and what it does not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kmex import KMExClassifier
from sklearn_kmex.exceptions import KMExWarning
from sklearn_kmex.metrics import (
    average_drop_loss,
    average_increase_score,
    relevance_divergence_loss,
)

MAPS = arrays(np.float64, (4, 2, 3), elements=st.integers(-9, 9).map(float))
X = np.array([[3.0, 1.0], [2.0, 8.0]])


def total(X):
    return X.sum(axis=1)


def drop(relevance, score=total, X=X, **settings):
    return average_drop_loss(score, X, relevance, per_sample=True, **settings)


def contrast(psem, X, labels):
    """What each feature adds to the margin over the nearest prototype of the rest."""
    similar = psem.transform(X)
    own = psem.prototype_classes_ == np.asarray(labels)[:, np.newaxis]
    nearest = psem.prototypes_[np.where(own, similar, -np.inf).argmax(axis=1)]
    rival = psem.prototypes_[np.where(own, -np.inf, similar).argmax(axis=1)]
    return (X - rival) ** 2 - (X - nearest) ** 2


@pytest.fixture(scope="module")
def explained(digits):
    """Model, rows, their maps, and the mean image that stands for nothing."""
    X_train, X_test, y_train, _ = digits
    psem = KMExClassifier(5, random_state=0).fit(X_train, y_train)
    maps = contrast(psem, X_test, psem.predict(X_test))
    return psem, X_test, maps, X_train.mean(axis=0)


# Divergence


def test_divergence_by_hand():
    """Of (1/4, 1/4, 1/2) from (1/2, 1/4, 1/4): log(1/2) / 4 + log(2) / 2."""
    maps = [1.0, 1.0, 2.0], [0.0, 0.5, 0.5]
    others = [2.0, 1.0, 1.0], [0.0, -3.0, 3.0]
    expected = [np.log(2) / 4, 0]
    found = relevance_divergence_loss(maps, others, per_sample=True)
    assert_allclose(found, expected, atol=1e-7)
    loss = relevance_divergence_loss(maps, others)
    assert type(loss) is float
    assert_allclose(loss, np.mean(expected), atol=1e-7)
    # The black box comes first: of (3/4, 1/4) from (1/2, 1/2) is not the reverse.
    uneven, even = [[3.0, 1.0]], [[1.0, 1.0]]
    forward = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert_allclose(relevance_divergence_loss(uneven, even), forward, atol=1e-7)
    backward = 0.5 * np.log(2 / 3) + 0.5 * np.log(2)
    assert_allclose(relevance_divergence_loss(even, uneven), backward, atol=1e-7)


def test_divergence_extremes():
    """Relevance at a position where the other has none: the term 1e-8 bounds it."""
    apart = relevance_divergence_loss([[1.0, 0.0]], [[0.0, 1.0]])
    assert_allclose(apart, np.log(1 + 1e8), rtol=1e-6)
    assert apart <= np.log(1 + 1e8)
    # That is of the total: what is 1e-8 of it does not depend on how it is spread.
    spread = relevance_divergence_loss([[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]])
    assert_allclose(spread, np.log(1e8), rtol=1e-6)


def test_divergence_of_huge_and_tiny_maps():
    expected = relevance_divergence_loss([[1.0, 1.0, 0.0]], [[1.0, 0.5, 1.0]])
    for scale in (1e308, 1e-308):
        maps = [[scale, scale, 0.0]], [[scale, 0.5 * scale, scale]]
        assert_allclose(relevance_divergence_loss(*maps), expected)


def test_divergence_of_equal_maps_does_not_round_below_zero():
    maps = np.random.RandomState(0).normal(size=(1000, 30))
    found = relevance_divergence_loss(maps, maps / 3, per_sample=True)
    assert (found >= 0).all()
    assert_allclose(found, 0, atol=1e-12)


@pytest.mark.parametrize("axis", [None, 1])
def test_two_flat_maps_of_a_sample_have_no_divergence(axis):
    """They agree whatever the models do, so that 0 would be no praise."""
    some, flat = np.arange(4.0).reshape(1, 2, 2), np.ones((1, 2, 2), np.float32)
    rounded = flat + 1e-7 * some.astype(np.float32)
    first = np.concatenate([flat, some, 0 * flat, flat, some])
    second = np.concatenate([-3 * flat, some, 0 * flat, rounded, flat])
    with pytest.warns(KMExWarning, match=r"NaN for 3 of 5 samples \(rows 0, 2, 3\)"):
        found = relevance_divergence_loss(
            first, second, channel_axis=axis, per_sample=True
        )
    assert_array_equal(np.isnan(found), [True, False, True, True, False])
    assert found[1] == 0
    assert found[4] > 0.05
    with pytest.warns(KMExWarning, match="epsilon_plus"):
        mean = relevance_divergence_loss(first, second, channel_axis=axis)
    assert mean == pytest.approx(found[[1, 4]].mean())
    with pytest.warns(KMExWarning, match="NaN for 1 of 1 samples"):
        assert np.isnan(relevance_divergence_loss([[3.0]], [[-2.0]]))


def test_divergence_of_maps_of_zeros_is_that_of_uniform_ones():
    zeros, ones, other = np.zeros((2, 3)), np.ones((2, 3)), [[1.0, 2.0, 5.0]] * 2
    for first, second in ((zeros, other), (other, zeros)):
        uniform = [ones if maps is zeros else maps for maps in (first, second)]
        assert_allclose(
            relevance_divergence_loss(first, second),
            relevance_divergence_loss(*uniform),
            rtol=1e-12,
        )


def test_divergence_sums_over_channels_and_then_takes_absolute_values():
    """Channels (3, -1) and (-1, -1) are 2 and 2 in absolute value: uniform."""
    channels_first = np.array([[[3.0, -1.0], [-1.0, -1.0]]])
    other, thirds = np.array([[[1.0, 3.0], [1.0, 3.0]]]), [[1.0, 3.0]]
    for swap, axis in ((False, 1), (True, -1)):
        maps, others = (
            one.swapaxes(1, 2) if swap else one for one in (channels_first, other)
        )
        found = relevance_divergence_loss(maps, others, channel_axis=axis)
        expected = relevance_divergence_loss([[2.0, 2.0]], thirds)
        assert found == pytest.approx(expected, abs=1e-12)
        assert relevance_divergence_loss(maps, others) != pytest.approx(expected)


@pytest.mark.filterwarnings(
    "ignore:The divergence is NaN:sklearn_kmex.exceptions.KMExWarning"
)
@given(MAPS, MAPS, st.permutations(range(4)), st.floats(1e-300, 1e300))
def test_divergence_invariances(first, second, order, scale):
    found = relevance_divergence_loss(first, second, per_sample=True)
    flat = [np.ptp(abs(one).reshape(4, -1), axis=1) == 0 for one in (first, second)]
    assert_array_equal(np.isnan(found), flat[0] & flat[1])
    defined = found[~np.isnan(found)]
    assert (defined >= 0).all()
    assert (defined <= np.log(1 + 1e8)).all()
    same = relevance_divergence_loss(first, first, per_sample=True)
    assert_array_equal(same, np.where(flat[0], np.nan, 0))
    permuted = relevance_divergence_loss(first[order], second[order], per_sample=True)
    assert_array_equal(permuted, found[order])
    scaled = relevance_divergence_loss(-scale * first, second, per_sample=True)
    assert_allclose(scaled, found, rtol=1e-9, atol=1e-12)
    scaled = relevance_divergence_loss(first, scale * second, per_sample=True)
    assert_allclose(scaled, found, rtol=1e-9, atol=1e-12)


def test_divergence_of_float32_maps():
    first, second = np.random.RandomState(0).normal(size=(2, 20, 3, 8, 8))
    expected = relevance_divergence_loss(first, second, channel_axis=1)
    singles = first.astype(np.float32), second.astype(np.float32)
    found = relevance_divergence_loss(*singles, channel_axis=1)
    assert_allclose(found, expected, rtol=1e-5)


def test_maps_of_another_seed_are_nearer_than_those_of_other_samples(digits, explained):
    X_train, _, y_train, _ = digits
    psem, X, maps, _ = explained
    again = KMExClassifier(5, random_state=1).fit(X_train, y_train)
    others = contrast(again, X, psem.predict(X))
    same = relevance_divergence_loss(maps, others)
    shuffled = np.random.RandomState(0).permutation(others)
    assert 0 < same < 0.5 * relevance_divergence_loss(maps, shuffled)


@pytest.mark.parametrize(
    ("first", "second", "channel_axis", "message"),
    [
        ([[1.0]], [[1.0], [2.0]], None, r"the same shape; got \(1, 1\) and \(2, 1\)"),
        ([[np.nan]], [[1.0]], None, "relevance_black_box contains NaN"),
        ([[1.0]], [[np.inf]], None, "relevance_sem contains infinity"),
        ([1.0], [1.0], None, "Expected 2D array"),
        (np.ones((2, 0, 3)), np.ones((2, 0, 3)), None, "at least one value"),
        (np.ones((2, 3)), np.ones((2, 3)), 1, r"channel_axis=1 for shape \(2, 3\)"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4)), 0, "besides that of the samples"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4)), -3, "channel_axis=-3"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4)), 3, "channel_axis=3"),
        ([[1.0]], [[1.0]], "colors", "'channel_axis' parameter"),
    ],
)
def test_divergence_refusals(first, second, channel_axis, message):
    with pytest.raises(ValueError, match=message):
        relevance_divergence_loss(first, second, channel_axis=channel_axis)


# Drop and increase


def test_drop_by_hand():
    """Of 3 + 1, 3 is left; of 2 + 8, 8 is left."""
    assert_allclose(drop(X), [1 / 4, 2 / 10])
    assert_allclose(drop(-X), [3 / 4, 8 / 10])
    loss = average_drop_loss(total, X, X)
    assert type(loss) is float
    assert loss == pytest.approx(0.225)
    assert_allclose(drop(X, mask="remove"), [3 / 4, 8 / 10])
    assert_allclose(drop(X, baseline=1.0), [0, 1 / 10])
    assert_allclose(drop(X, baseline=[0.0, 0.5]), [0.5 / 4, 2 / 10])


def test_increase_by_hand():
    rows = np.array([[3.0, -1.0], [2.0, 8.0], [5.0, 0.0]])
    found = average_increase_score(total, rows, rows, per_sample=True)
    assert_array_equal(found, [1, 0, 0])  # an equal score is no increase
    share = average_increase_score(total, rows, rows)
    assert type(share) is float
    assert share == pytest.approx(1 / 3)
    assert average_increase_score(total, rows, rows, baseline=9.0) == 1
    removed = average_increase_score(total, rows, -rows, mask="remove", per_sample=True)
    assert_array_equal(removed, [1, 0, 0])


def test_the_drop_of_a_score_that_rises_is_none():
    assert_array_equal(drop([[1.0, 0.0]], X=np.array([[3.0, -1.0]])), 0)


def test_where_there_is_nothing_to_lose_the_drop_is_none():
    rows = np.array([[0.0, 0.0], [1.0, -1.0]])
    assert_array_equal(drop(rows, X=rows), 0)
    rises = average_increase_score(total, rows, rows, per_sample=True)
    assert_array_equal(rises, [0, 1])


@pytest.mark.parametrize(
    ("keep", "n_positions", "n_kept"),
    [
        (0.5, 5, 3),
        (0.07, 100, 7),
        (0.29, 100, 29),
        (1e-9, 3, 1),
        (1, 7, 7),
        (0.6, 5, 3),
    ],
)
def test_the_number_of_positions_kept_is_rounded_up(keep, n_positions, n_kept):
    ones = np.ones((1, n_positions))
    relevance = np.random.RandomState(0).permutation(n_positions)[np.newaxis]
    for mask, left in (("keep", n_kept), ("remove", n_positions - n_kept)):
        lost = drop(relevance, X=ones, keep=keep, mask=mask)
        assert_allclose(lost, 1 - left / n_positions, atol=1e-15)


def test_ties_go_by_the_order_of_positions():
    rows = np.array([[1.0, 2.0, 4.0, 8.0]])
    seen = []
    average_drop_loss(lambda X: seen.append(X) or total(X), rows, [[0.0, 5, 0, 0]])
    assert_array_equal(seen[1], [[1, 2, 0, 0]])


def test_keeping_all_changes_nothing():
    assert_array_equal(drop(X, keep=1), 0)
    assert average_increase_score(total, X, X, keep=1) == 0
    assert_array_equal(drop(X, keep=1, mask="remove"), 1)


def test_a_map_explains_a_column_of_the_scores_of_the_whole():
    """Columns are the features: the first is lost, the largest of each row stays."""
    rows = np.array([[3.0, 1.0], [8.0, 9.0]])

    def score(X):
        return X.tolist()

    assert_array_equal(drop(rows, score, rows), [0, 0])
    assert_array_equal(drop(rows, score, rows, score_columns=[1, 0]), [1, 1])
    assert_array_equal(drop(-rows, score, rows), [1, 1])
    assert_array_equal(drop(-rows, score, rows, score_columns=[1, 1]), [0, 1])


def test_relevance_of_channels_is_summed_to_that_of_their_position():
    """By sums, position 0 (1 + 1) leads position 1 (4 - 3), not by the largest."""
    images = np.array([[[10.0, 1.0], [20.0, 2.0]]])  # one sample, channels, positions
    relevance = np.array([[[1.0, 4.0], [1.0, -3.0]]])

    def score(X):
        return X.sum(axis=(1, 2))

    by_channel = drop(relevance, score, images, channel_axis=1)
    assert_allclose(by_channel, 3 / 33)
    assert_allclose(drop([[2.0, 1.0]], score, images, channel_axis=1), by_channel)
    assert_allclose(drop([[1.0, 2.0]], score, images, channel_axis=1), 30 / 33)
    last = images.swapaxes(1, 2), relevance.swapaxes(1, 2)
    assert_allclose(drop(last[1], score, last[0], channel_axis=-1), by_channel)
    assert_allclose(drop([[2.0, 1.0]], score, last[0], channel_axis=2), by_channel)
    # Without channels each value is a position, here the 1 and the 10.
    assert_allclose(drop(relevance, score, images), 22 / 33)


def test_the_model_sees_the_dtype_of_X_and_inputs_stay_as_they_are():
    for dtype in (np.float32, np.float64, np.uint8):
        seen = []

        def score(X, seen=seen):
            seen.append(X.dtype)
            return X.sum(axis=1)

        rows, relevance = X.astype(dtype), -X
        rows.setflags(write=False)
        relevance.setflags(write=False)
        assert_allclose(drop(relevance, score, rows, baseline=0.0), [0.75, 0.8])
        assert seen == [dtype, dtype]


def test_missing_values_may_be_input_and_baseline():
    rows = np.array([[np.nan, 2.0, 6.0, 3.0]])
    found = drop([[0.0, 1, 2, -1]], lambda X: np.nansum(X, axis=1), rows)
    assert_allclose(found, 3 / 11)
    settings = {"baseline": np.nan}
    found = drop([[0.0, 1, 2, -1]], lambda X: np.nansum(X, axis=1), rows, **settings)
    assert_allclose(found, 3 / 11)


@given(MAPS, MAPS.map(np.abs), st.permutations(range(4)), st.integers(1, 9))
def test_drop_invariances(maps, rows, order, scale):
    """Of maps as whole numbers: a scale that rounds may make ties, or break them."""

    def score(X):
        return X.reshape(len(X), -1) ** 2

    found = drop(maps, score, rows)
    assert ((found >= 0) & (found <= 1)).all()
    assert_array_equal(drop(maps[order], score, rows[order]), found[order])
    assert_array_equal(drop(scale * maps, score, rows), found)
    assert_array_equal(drop(maps + scale, score, rows), found)
    assert_array_equal(drop(maps[:1], score, rows[:1]), found[:1])


def test_faithful_maps_of_digits_beat_random_ones_and_these_the_reverse(explained):
    psem, X, maps, mean = explained
    noise = np.random.RandomState(0).normal(size=maps.shape)
    for score in (psem.predict_proba, psem.transform):
        drops = [
            average_drop_loss(score, X, relevance, baseline=mean)
            for relevance in (maps, noise, -maps)
        ]
        rises = [
            average_increase_score(score, X, relevance, baseline=mean)
            for relevance in (maps, noise, -maps)
        ]
        assert 0 <= drops[0] < 0.5 * drops[1] < 0.5 * drops[2] <= 0.5
        assert 1 >= rises[0] > 2 * rises[1] > 2 * rises[2] >= 0
        removed = [
            average_drop_loss(score, X, relevance, baseline=mean, mask="remove")
            for relevance in (maps, noise, -maps)
        ]
        assert removed[0] > removed[1] > removed[2]


@pytest.mark.parametrize("metric", [average_drop_loss, average_increase_score])
def test_float32_on_digits(explained, metric):
    """Of the same numbers: rounded, maps have other ties, and 1 - 1e-9 is 1."""
    psem, *numbers = explained
    X, maps, mean = (array.astype(np.float32) for array in numbers)
    settings = {"baseline": mean, "score_columns": psem.transform(X).argmax(axis=1)}
    found = metric(psem.transform, X, maps, per_sample=True, **settings)
    doubles = X.astype(np.float64), maps.astype(np.float64)
    expected = metric(psem.transform, *doubles, per_sample=True, **settings)
    assert psem.transform(X).dtype == np.float32
    assert found.dtype == np.float64
    assert_allclose(found, expected, atol=1e-5)
    assert 0 < expected.mean() < 1


BAD = np.array([[1.0, 1.0], [-3.0, 1.0], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "proba"}, "'score' parameter"),
        ({"score": lambda X: X[:1]}, r"got shape \(1, 2\) for 2 samples"),
        ({"score": lambda X: X[:, :, np.newaxis]}, r"got shape \(2, 2, 1\)"),
        ({"score": lambda X: X[:, :0]}, r"got shape \(2, 0\)"),
        ({"score": lambda X: -total(X)}, "got -4 for row 0 of X .*: 0, 1.. Use prob"),
        ({"X": BAD, "relevance": BAD[:1]}, r"shape of X, \(3, 2\); got \(1, 2\)"),
        ({"X": BAD, "relevance": np.ones((3, 2))}, r"-2 for row 1 of X \(2 .*: 1, 2"),
        ({"score": lambda X: X[:, 0] - 1}, "got -1 for row 1 of the masked X"),
        ({"X": np.ones((9, 1)), "relevance": np.ones((9, 1)), "score": lambda X: -X},
         r"9 such rows: 0, 1, 2, 3, 4, \.\.\.\)"),
        ({"relevance": [[1.0, np.nan], [1.0, 2.0]]}, "relevance contains NaN"),
        ({"relevance": np.ones((2, 3))}, "Set channel_axis if X has channels"),
        ({"X": np.ones((2, 3, 4)), "relevance": np.ones((2, 3)), "channel_axis": 1},
         r"it may also have shape \(2, 4\)"),
        ({"channel_axis": 1}, r"axis of X besides .* channel_axis=1"),
        ({"score_columns": [0]}, "one column number for each of 2 samples"),
        ({"score_columns": [0.0, 0.0]}, "dtype float64. From labels"),
        ({"score_columns": [0, 1]}, "from 0 to 0, as .* returns 1 columns; got 0 to 1"),
        ({"score_columns": [-1, 0]}, "got -1 to 0"),
        ({"keep": 0}, "'keep' parameter"),
        ({"keep": 1.5}, "'keep' parameter"),
        ({"mask": "drop"}, "'mask' parameter"),
        ({"baseline": [1.0, 2.0, 3.0]}, r"shape of a sample, \(2,\); got shape \(3,\)"),
        ({"baseline": X}, r"shape of a sample, \(2,\); got shape \(2, 2\)"),
        ({"X": X.astype(int), "baseline": [1.0, 0.5]}, "int64; got 0.5. Convert X"),
        ({"X": X.astype(np.uint8), "baseline": -1.0}, "uint8; got -1.0. Convert X"),
    ],
)  # fmt: skip
def test_refusals(settings, message):
    given = {"score": total, "X": X, "relevance": X} | settings
    for metric in (average_drop_loss, average_increase_score):
        with pytest.raises(ValueError, match=message):
            metric(**given)

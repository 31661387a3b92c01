"""Groups by hand, against fairlearn, and intervals that hold together."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sems import Prototypes
from sklearn.metrics import accuracy_score

from sklearn_kmex import KMExClassifier, RejectingClassifier
from sklearn_kmex.metrics import _group_estimates, group_scores
from sklearn_kmex.metrics._group_estimates import Measure, estimate
from sklearn_kmex.metrics._simultaneous import (
    Limits,
    joint_level,
    mid_p,
    share_limits,
)

MODEL = Prototypes([[0], [10]], ["a", "b"])


def cells(found, measure, label=None):
    """Return the values of a measure by group."""
    of = (found.scores.measure == measure) & [x == label for x in found.scores.label]
    return dict(zip(found.scores.group[of], found.scores.value[of], strict=True))


def by_hand(groups, **how):
    X = [[1], [2], [9], [8], [1], [9]]
    y = ["a", "a", "b", "a", "b", "b"]
    return group_scores(MODEL, X, y, groups, min_size=1, **how)


def test_by_hand():
    # Predicted: a a b b a b. Wrong: rows 3 and 4.
    found = by_hand({"sex": ["f", "f", "f", "m", "m", "m"]})
    names = ["all samples", "sex = f", "sex = m"]
    assert found.groups.group.tolist() == names
    assert_array_equal(found.groups.n_samples, [6, 3, 3])
    assert_allclose(found.groups.share, [1, 0.5, 0.5])
    assert_allclose(list(cells(found, "accuracy").values()), [4 / 6, 1, 1 / 3])
    assert_allclose(list(cells(found, "recall", "a").values()), [2 / 3, 1, 0])
    assert_allclose(list(cells(found, "precision", "b").values()), [2 / 3, 1, 1 / 2])
    ranks = cells(found, "similarity_rank")
    assert ranks["all samples"] == pytest.approx(0.5)
    # Similarities -1 -2 -1 | -2 -1 -1: mid-ranks 4.5 1.5 4.5 | 1.5 4.5 4.5 of 6.
    assert ranks["sex = f"] == pytest.approx((4 + 1 + 4) / 18)
    accuracy = found.scores.measure == "accuracy"
    assert_allclose(found.scores.difference[accuracy], [np.nan, 2 / 3, -2 / 3])
    assert not np.isin(["calibration", "refusal"], found.scores.measure).any()
    assert found.representation is None


def test_crossings_missing_values_and_small_groups():
    groups = {
        "sex": ["f", "m", None, "f", "m", "f"],
        "age": [1.0, np.nan, 2.0, 1.0, 10.0, 1.0],
    }
    X, y = [[0]] * 6, ["a", "b"] * 3
    found = group_scores(MODEL, X, y, groups, min_size=3)
    assert found.groups.group.tolist() == [
        "all samples", "sex = f", "age = 1.0", "sex = f and age = 1.0",
    ]  # fmt: skip
    small = dict(zip(found.too_small.group, found.too_small.n_samples, strict=True))
    assert small["sex = missing"] == small["age = missing"] == 1
    assert small["age = 10.0"] == 1
    assert small["sex = missing and age = 2.0"] == 1
    assert list(small).index("age = 2.0") < list(small).index("age = 10.0")
    alone = group_scores(MODEL, X, y, groups, min_size=3, crossings=1)
    assert not any("," in name for name in alone.groups.group)


def test_any_container_of_groups():
    pd = pytest.importorskip("pandas")
    values = ["f", "f", "f", "m", "m", "m"]
    expected = by_hand({"sex": values})
    ordered = pd.Categorical(values, categories=["x", "m", "f"])
    for groups in (
        pd.DataFrame({"sex": values}, index=[7] * 6),
        pd.Series(values, name="sex"),
        {"sex": np.array(values, dtype=object)},
    ):
        found = by_hand(groups)
        assert_array_equal(found.groups.group, expected.groups.group)
        assert_allclose(found.scores.low, expected.scores.low)
    assert by_hand(np.array(values)).groups.group[1] == "group = f"
    assert by_hand(np.array([values, values]).T).groups.group[1] == "group 0 = f"
    found = by_hand(pd.DataFrame({"sex": ordered}))
    assert found.groups.group.tolist()[1:] == ["sex = m", "sex = f"]
    found = by_hand(pd.Series(["f", pd.NA, "f", "m", "m", "m"], dtype="string"))
    assert "group = missing" in found.groups.group


def test_intervals_of_numbers_of_which_some_are_missing():
    pd = pytest.importorskip("pandas")
    ages = pd.cut(pd.Series([20, 70, np.nan, 40, 70, 20]), [0, 30, 100])
    expected = ["age = (0, 30]", "age = (30, 100]", "age = missing"]
    for groups in ({"age": ages}, {"age": ages.array}, pd.DataFrame({"age": ages})):
        found = by_hand(groups)
        assert found.groups.group.tolist()[1:] == expected
        assert found.groups.n_samples.tolist()[1:] == [2, 3, 1]


def test_polars():
    pl = pytest.importorskip("polars")
    found = by_hand(pl.DataFrame({"sex": ["f", "f", None, "m", "m", "m"]}))
    assert found.groups.group.tolist()[1:] == ["sex = f", "sex = m", "sex = missing"]


def test_weights_count():
    groups = ["f", "f", "f", "m", "m", "m"]
    found = by_hand({"sex": groups}, sample_weight=[1, 1, 1, 3, 1, 2])
    assert cells(found, "accuracy")["sex = m"] == pytest.approx(2 / 6)
    assert found.groups.share[2] == pytest.approx(6 / 9)
    alike = by_hand({"sex": groups}, sample_weight=[2] * 6)
    plain = by_hand({"sex": groups})
    assert_allclose(alike.scores.low, plain.scores.low, atol=1e-6)
    without = by_hand({"sex": groups}, sample_weight=[1, 1, 1, 0, 1, 1])
    assert cells(without, "accuracy")["sex = m"] == 0.5


def test_against_fairlearn(digits):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    X_train, X, y_train, y = digits
    psem = KMExClassifier(2, random_state=0).fit(X_train, y_train)
    groups = {"dark": X.mean(axis=1) > 5, "top": X[:, 2] > 3}
    found = cells(group_scores(psem, X, y, groups, crossings=1), "accuracy")
    for name, values in groups.items():
        theirs = fairlearn.MetricFrame(
            metrics=accuracy_score,
            y_true=y,
            y_pred=psem.predict(X),
            sensitive_features=values,
        )
        for value, expected in theirs.by_group.items():
            assert found[f"{name} = {value}"] == pytest.approx(expected)


def test_calibration_and_refusal(digits):
    X_train, X, y_train, y = digits
    psem = KMExClassifier(2, random_state=0)
    careful = RejectingClassifier(psem, quantile=0.2).fit(X_train, y_train)
    dark = X.mean(axis=1) > 5
    found = group_scores(careful, X, y, dark)
    own = np.where(dark)[0]
    proba = careful.predict_proba(X)[own].max(axis=1)
    correct = careful.estimator_.predict(X)[own] == y[own]
    key = "group = True"
    assert cells(found, "calibration")[key] == pytest.approx(
        proba.mean() - correct.mean()
    )
    assert cells(found, "refusal")[key] == pytest.approx(
        1 - careful.accept(X)[own].mean()
    )
    only = group_scores(careful, X, y, dark, measures=["calibration"])
    of = found.scores.measure == "calibration"
    assert_allclose(only.scores.value, found.scores.value[of])
    width = only.scores.high - only.scores.low
    assert (width < (found.scores.high - found.scores.low)[of]).all()


def test_representation():
    # Prototype 0 is nearest to a row of m, 1 and 2 to rows of f.
    X = np.array([[0.0], [0.1], [-3.0], [10.0], [10.2], [20.0], [21.0]])
    y = np.array([0, 0, 0, 1, 1, 1, 1])
    psem = KMExClassifier({0: 1, 1: 2}, random_state=0).fit(X, y)
    groups = ["f", "m", "f", "f", "m", "f", "x"]
    known = np.array(groups)[psem.prototype_indices_]
    found = group_scores(
        psem, X, y, groups, groups_train=groups, X_train=X, y_train=y, min_size=1
    )
    table = found.representation
    assert table.group.tolist() == ["group = f", "group = m", "group = x"]
    assert_allclose(table.row_share, [4 / 7, 2 / 7, 1 / 7])
    assert_array_equal(table.n_prototypes, [np.sum(known == one) for one in "fmx"])
    # Members: f m f | f m | f x, in three prototypes.
    assert_allclose(table.member_share, [(2 / 3 + 1 / 2 + 1 / 2) / 3, 5 / 18, 1 / 6])
    assert "group = x" in found.unrepresented or "x" in known
    few = group_scores(psem, X, y, groups, groups_train=groups, min_size=1)
    assert_array_equal(few.representation.n_prototypes, table.n_prototypes)
    assert np.isnan(few.representation.member_share).all()
    other = Prototypes(psem.prototypes_, psem.prototype_classes_)
    shown = group_scores(
        other, X, y, groups, groups_train=groups, X_train=X, y_train=y, min_size=1
    )
    assert_array_equal(shown.representation.n_prototypes, table.n_prototypes)
    with pytest.raises(ValueError, match="groups_train must be given for the training"):
        group_scores(other, X, y, groups, groups_train=groups)
    more = np.concatenate([groups, groups])
    with pytest.raises(ValueError, match=rf"got {len(more)} values, .* to {len(y)} sa"):
        group_scores(psem, X, y, groups, groups_train=more)
    with pytest.raises(ValueError, match="got 3 values"):
        group_scores(psem, X, y, groups, groups_train=groups[:3])


def test_errors_name_the_value_and_the_remedy():
    many = np.arange(60)
    X, y = [[0]] * 60, ["a", "b"] * 30
    with pytest.raises(ValueError, match=r"got 60 of 'age'.*pandas\.cut"):
        group_scores(MODEL, X, y, {"age": many})
    with pytest.raises(ValueError, match=r"each of the 60 samples.*\(3,\)"):
        group_scores(MODEL, X, y, {"age": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"got .*\(2,\).* not names of columns"):
        group_scores(MODEL, X, y, ["sex", "age"])
    with pytest.raises(ValueError, match=r"y must be among .*unknown: \[nan\]"):
        group_scores(MODEL, X, np.array([*y[:-1], np.nan], dtype=object), many % 2)
    with pytest.raises(ValueError, match="at least one attribute"):
        group_scores(MODEL, X, y, {})
    with pytest.raises(ValueError, match="got 'f1'"):
        group_scores(MODEL, X, y, many % 2, measures="f1")
    with pytest.raises(ValueError, match="no RejectingClassifier"):
        group_scores(MODEL, X, y, many % 2, measures=["refusal"])
    with pytest.raises(ValueError, match="unknown: \\['c'\\]"):
        group_scores(MODEL, X, ["c"] * 60, many % 2)


def test_frame():
    pytest.importorskip("pandas")
    found = by_hand({"sex": ["f", "f", "f", "m", "m", "m"]})
    table = found.frame()
    assert list(table) == [
        "group", "measure", "label", "n_samples", "value", "low", "high",
        "difference", "difference_low", "difference_high",
    ]  # fmt: skip
    assert len(table) == 3 * 6
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_limits_of_shares_are_mid_p(n, level):
    k = np.arange(n + 1.0)
    low, high = share_limits(k, np.full(n + 1, float(n)), level)
    assert low[0] == 0
    assert high[-1] == 1
    at = (binom.cdf(k[1:] - 1, n, low[1:]) + binom.cdf(k[1:], n, low[1:])) / 2
    assert_allclose(at, 1 - level / 2, rtol=1e-6)
    assert_allclose(low, 1 - high[::-1], atol=1e-9)
    assert_allclose(mid_p(k[:1], np.array([float(n)]), np.array([0.3])), 0.7**n / 2)


def test_the_joint_level_counts_correlation_and_small_counts():
    apart, unknown = np.eye(20), np.full(20, np.nan)
    level = joint_level(apart, unknown, unknown)
    assert level == pytest.approx(1 - 0.95 ** (1 / 20), rel=0.15)
    same = joint_level(np.ones((20, 20)), unknown, unknown)
    assert same == pytest.approx(0.05, rel=0.1)
    few = joint_level(apart, np.full(20, 19.0), np.full(20, 20.0))
    assert few > level


def simulate(rng, n_rows, rate):
    """Draw groups that overlap, hits of a rate, and confidences that know a little."""
    sex, age = rng.random(n_rows) < 0.5, rng.choice(3, n_rows, p=[0.7, 0.2, 0.1])
    chance = np.clip(rate - 0.04 * sex + rng.normal(0, 0.03, n_rows), 0, 1)
    hit = rng.random(n_rows) < chance
    members = [np.full(n_rows, True), sex, ~sex, *(age == k for k in range(3))]
    members += [(age == k) & sex for k in range(3)]
    everywhere = np.full(n_rows, True)
    measures = [
        Measure("accuracy", None, "share", hit.astype(float), everywhere),
        Measure("recall", 1, "share", hit.astype(float), rng.random(n_rows) < 0.4),
        Measure("calibration", None, "gap", chance - hit, everywhere, chance),
        Measure("similarity_rank", None, "mean", rng.random(n_rows), everywhere),
    ]
    return measures, np.stack(members, axis=1)


def means(measures, members):
    return np.array(
        [[one.values[of & one.counted].mean() for one in measures] for of in members.T]
    )


def inside(truth, limits):
    """Whether all known limits hold."""
    return not ((truth < limits.low) | (truth > limits.high)).any()


@pytest.mark.slow
@pytest.mark.parametrize(("n_rows", "rate"), [(400, 0.85), (400, 0.98), (3000, 0.9)])
def test_intervals_hold_together(n_rows, rate):
    measures, members = simulate(np.random.default_rng(0), 1_000_000, rate)
    truth = means(measures, members)
    rest = means(measures, ~members[:, 1:])
    held = []
    for seed in range(1000):
        measures, members = simulate(np.random.default_rng(seed + 1), n_rows, rate)
        found = estimate(measures, members, np.ones(n_rows))
        apart = found.difference_limits
        held.append(
            [
                inside(truth, found.limits),
                inside(truth[1:] - rest, Limits(apart.low[1:], apart.high[1:])),
            ]
        )
    shares = np.mean(held, axis=0)
    assert (shares >= 0.93).all(), shares
    assert (shares <= 0.97).all(), shares


def test_groups_that_do_not_fit_are_named():
    cells = np.empty(6, dtype=object)
    cells[:] = [("f", "g")] * 6
    with pytest.raises(ValueError, match=r"one value for each sample; got .* of 'sex'"):
        by_hand({"sex": cells})
    with pytest.raises(ValueError, match="attributes for each sample; got list with"):
        by_hand([["f"]] * 5 + [["f", "m"]])
    given = {"groups_train": {"race": ["a"]}, "X_train": [[0]]}
    with pytest.raises(ValueError, match=r"of groups, \['sex'\]; got \['race'\]"):
        by_hand({"sex": list("fffmmm")}, **given)


def test_bare_categories_keep_their_order():
    pandas = pytest.importorskip("pandas")
    sizes = pandas.Categorical(["small", "large"] * 3, ["small", "large", "none"])
    names = by_hand({"size": sizes}).groups.group.tolist()
    assert names == ["all samples", "size = small", "size = large"]


def test_rows_in_another_order_raise():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"x": [1, 2, 9, 8]}, index=list("pqrs"))
    y, sex = ["a", "a", "b", "b"], pandas.Series(list("fmfm"), X.index)

    def names(groups, **how):
        found = group_scores(MODEL, X, y, groups, min_size=1, **how)
        return found.groups.group.tolist()

    expected = names({"sex": sex.to_numpy()})
    assert names({"sex": sex}) == names(sex.to_frame("sex")) == expected
    assert names({"sex": sex.reset_index(drop=True)}) == expected
    said = r"same order; got the label 's' in the index of row 0, where {} has 'p'"
    for other in ({"sex": sex[::-1]}, sex[::-1].to_frame("sex"), sex[::-1]):
        with pytest.raises(ValueError, match=said.format("X")):
            names(other)
    assert names({"sex": sex[::-1].loc[X.index]}) == expected
    with pytest.raises(ValueError, match=r"y must have the rows of X in the same"):
        group_scores(MODEL, X, pandas.Series(y, X.index)[::-1], sex)
    with pytest.raises(ValueError, match=said.format("X_train")):
        names({"sex": sex}, groups_train={"sex": sex[::-1]}, X_train=X, y_train=y)
    index = pandas.MultiIndex.from_product([["u", "v"], [1, 2]])
    X, sex = X.set_axis(index), sex.set_axis(index)
    assert names({"sex": sex}) == expected
    with pytest.raises(ValueError, match=r"got the label .* in the index of row 0"):
        names({"sex": sex[::-1]})
    X = X.set_axis(pandas.date_range("2020", periods=4))  # says nothing of the order
    assert names({"sex": sex}) == expected


def test_many_classes_are_not_correlated(monkeypatch):
    groups = {"sex": list("ffmm") * 50}
    X, y = [[0]] * 200, ["a", "b"] * 100
    few = group_scores(MODEL, X, y, groups).scores
    monkeypatch.setattr(_group_estimates, "MOST_CORRELATED", 3)
    many = group_scores(MODEL, X, y, groups).scores
    n_known = np.count_nonzero(~np.isnan(few.value))
    place = list(many.measure).index("accuracy")
    n, k = many.n_samples[place], many.n_samples[place] * many.value[place]
    expected = share_limits(np.array(k), np.array(n), 0.05 / n_known)
    assert_allclose([many.low[place], many.high[place]], expected)
    assert many.low[place] < few.low[place]

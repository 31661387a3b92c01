"""The open questions of the study, on scikit-learn's digits."""

import numpy as np
import pytest

pytest.importorskip("skorch")
from study import (
    answers,
    approximation,
    counts,
    data,
    embedded,
    imbalance,
    subgroups,
)

pytestmark = pytest.mark.slow

HALF = "defect"


@pytest.fixture
def rows(digits, monkeypatch):
    """Give the questions 0 to 3, of which the darker half has a defect."""
    X, X_test, y, y_test = digits
    (X, y), (X_test, y_test) = (
        (of[labels < 4][:300], labels[labels < 4][:300])
        for of, labels in ((X, y), (X_test, y_test))
    )
    dark, dark_test = (
        (part.sum(axis=1) > np.median(part.sum(axis=1))).astype(int)
        for part in (X, X_test)
    )
    made = data.Data(
        *("made", X.astype(np.float32), y, X_test.astype(np.float32), y_test),
        *(list("0123"), {HALF: dark}, {HALF: dark_test}),
    )
    monkeypatch.setattr(data, "load", lambda name, quick=False: made)
    monkeypatch.setattr(embedded, "STEPS", 100)
    monkeypatch.setattr(counts, "COUNTS", (2, 5))
    monkeypatch.setattr(subgroups, "COUNTS", (2, 5))
    monkeypatch.setattr(approximation, "ROWS", {"made": ("made", approximation.pixels)})
    approximation.load.cache_clear()
    return made


def spoil_test_rows(rows, monkeypatch):
    """Exchange the test rows for others, all else staying as it is."""
    other = rows._replace(X_test=rows.X_test[::-1] / 2, y_test=rows.y_test)
    monkeypatch.setattr(data, "load", lambda name, quick=False: other)
    approximation.load.cache_clear()


def learned_by_counts():
    found = counts.compare("made", 0, True)
    picks = [*found["counts"], found["auto"]]
    return [
        (of["n_prototypes"], of["diversity"], of["ghosting, train"]) for of in picks
    ]


def learned_by_subgroups():
    found = subgroups.compare("made", 0, True)
    return [(of["ghosts"], of["majority"], of["by chance"]) for of in found["counts"]]


def learned_by_imbalance():
    found = imbalance.compare("made", 10, 0, True)["results"]
    return [of.get("n_prototypes") for of in found.values()]


def learned_by_approximation():
    found = approximation.compare("made", 2, 0, True)
    return [of["inertia"] for of in found["solvers"].values()]


@pytest.mark.parametrize(
    "learned",
    [
        learned_by_counts,
        learned_by_subgroups,
        learned_by_imbalance,
        learned_by_approximation,
    ],
)
def test_nothing_learned_depends_on_test_rows(rows, monkeypatch, learned):
    before = learned()
    spoil_test_rows(rows, monkeypatch)
    assert learned() == before


def test_what_is_judged_are_the_test_rows(rows, monkeypatch):
    before = counts.compare("made", 0, True)
    spoil_test_rows(rows, monkeypatch)
    after = counts.compare("made", 0, True)
    assert before["counts"][-1]["accuracy"] > 0.95 > after["counts"][-1]["accuracy"]


@pytest.mark.parametrize("ratio", [1, 10, 50])
def test_rare_classes_are_thinned_to_the_ratio(ratio):
    y = np.repeat(np.arange(4), 100)
    rare = imbalance.rare_classes(y)
    kept = imbalance.thinned(y, rare, ratio, 0)
    assert rare.tolist() == [1, 3]
    assert np.bincount(y[kept]).tolist() == [100, 100 // ratio] * 2


def test_common_rows_are_left_out_where_the_rare_class_is_too_rare():
    y = np.repeat([0, 1], [900, 50])
    kept = imbalance.thinned(y, imbalance.rare_classes(y), 10, 0)
    assert np.bincount(y[kept]).tolist() == [500, 50]


def test_undone_priors_give_recall_back_to_rare_classes(rows):
    found = imbalance.compare("made", 50, 0, True)
    plain, undone = (
        np.mean(imbalance.recalls([found], option, "rare"))
        for option in ("black box", "black box, priors undone")
    )
    assert plain < 0.9
    assert undone > plain + 0.05


def test_subgroup_is_shown_by_the_row_nearest_to_a_prototype():
    train = np.array(["a", "a", "b", "c", "c", "c"])
    owners = np.array([0, 0, 0, 1, 1, 1])
    found = subgroups.represented(train, np.array(["a", "b", "c"]), [0, 4], owners)
    assert found["shown"].tolist() == [True, False, True]
    assert found["largest share"].tolist() == [2 / 3, 1 / 3, 1]


def test_shuffled_subgroups_stay_in_their_class():
    y = np.repeat([0, 1], 50)
    train = np.where(y == 0, "a", np.where(np.arange(100) % 2, "b", "c"))
    mixed = subgroups.shuffle(train, y, np.random.default_rng(0))
    assert np.all(mixed[y == 0] == "a")
    assert sorted(mixed) == sorted(train)
    assert np.any(mixed != train)


def test_full_k_means_is_what_the_others_are_held_against(rows):
    found = [approximation.compare("made", 5, seed, True) for seed in range(2)]
    assert approximation.gains(found, approximation.FULL).tolist() == [0, 0]
    built_in, few = (
        approximation.losses(found, f"built-in{rows}").mean()
        for rows in ("", ", 1 start")
    )
    assert built_in < 0.005
    assert few > built_in


def test_interval_is_that_of_student():
    assert answers.interval([1, 2, 3]) == pytest.approx((2, 4.30265 / np.sqrt(3)))
    assert answers.stated([0.5, 0.5], ".0f", 100) == "50 ± 0"
    assert answers.stated([0.5], ".0f", 100) == "50"
    assert answers.span([-0.004, 0.012], "+.1f", 100) == "-0.4 to +1.2"
    assert answers.span([-1e-9, 1e-9], "+.2f") == "0.00"


def test_tables_hold_what_main_wrote(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(answers.TITLES, "made", "Made")
    counts.main(["made"], [0, 1], quick=True, folder=tmp_path)
    found = [of for _, of in answers.cells("counts", tmp_path)]
    curve = [of["counts"][1]["accuracy"] for of in found]
    assert answers.percent(curve) in counts.tables(tmp_path)
    assert answers.percent(curve) in counts.summary(tmp_path)


def test_text_of_the_pages_finds_its_numbers(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(answers.TITLES, "made", "Made")
    monkeypatch.setattr(subgroups, "NAMES", ("made",))
    subgroups.main(["made"], [0], quick=True, folder=tmp_path)
    (found,) = (of for _, of in answers.cells("subgroups", tmp_path))
    ghosts = 100 * found["counts"][0]["ghosts"]
    expected = f".. |made 2 ghosts| replace:: {ghosts:.0f}\n"
    assert expected in subgroups.numbers(tmp_path)


def test_picture_is_drawn_the_same_each_time(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(approximation, "COUNTS", (2,))
    monkeypatch.setattr(approximation, "has_celeba", lambda: False)
    approximation.main(["made"], [0], quick=True, folder=tmp_path)
    drawn = approximation.figures(tmp_path)
    assert "aria-label" in drawn
    assert drawn == approximation.figures(tmp_path)

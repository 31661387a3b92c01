"""Copies planted in test rows, and tables in which people are equal by chance."""

import io

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from sems import Prototypes
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.metrics import find_leaks
from sklearn_kmex.metrics._leak_chance import chances, claim, without_copies


def flat(X):
    return np.asarray(X, dtype=float).reshape(len(X), -1)


@pytest.fixture(scope="module")
def images():
    """Digits of 32 x 32 pixels: training images and labels, and test images."""
    X, y = load_digits(return_X_y=True)
    X = np.kron(X.reshape(-1, 8, 8), np.ones((4, 4)))
    X += np.random.RandomState(0).normal(0, 0.7, X.shape)
    X = np.clip(X * 15, 0, 255).astype(np.uint8)
    return X[:700], y[:700], X[700:1000]


@pytest.fixture(scope="module")
def psem(images):
    steps = FunctionTransformer(flat), PCA(30, random_state=0)
    return make_pipeline(*steps, KMExClassifier(3, random_state=0)).fit(*images[:2])


def jpeg(image):
    Image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def shift(image):
    return np.roll(image, 2, axis=1)


@pytest.mark.parametrize("change", [np.array, jpeg, shift])
@pytest.mark.parametrize("n_copies", [1, 40])
def test_copies_of_images(images, psem, change, n_copies):
    X, _, X_test = images
    planted = X_test.copy()
    planted[:n_copies] = [change(one) for one in X[100 : 100 + n_copies]]
    found = find_leaks(psem, X, planted)
    named = dict(zip(found.pairs.test_row, found.pairs.train_row, strict=True))
    assert np.mean([named.get(i) == 100 + i for i in range(n_copies)]) >= 0.99
    assert sum(row >= n_copies for row in named) <= 0.01 * len(X_test)
    kind = "equal" if change is np.array else "near"
    assert found.pairs.kind[0] == kind
    assert (
        find_leaks(psem, flat(X), flat(planted), image_shape=(32, 32)).pairs.kind[0]
        == kind
    )


def cut(image, share, shift=(0.5, 0.5)):
    """Cut a share of each side out, where `shift` says, and scale back."""
    size = np.array(image.shape)
    corner = (1 - share) * size * shift + share / 2 - 0.5
    return affine_transform(image.astype(float), share * np.eye(2), corner, order=1)


def mirror(image):
    return image[:, ::-1]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cut(image, 0.9),
        lambda image: cut(image, 0.84, (0.1, 0.7)),
        mirror,
        lambda image: mirror(cut(image, 0.9)),
    ],
)
def test_crops_and_mirrored_images(images, psem, change):
    X, _, X_test = images
    some = np.arange(40)
    copies = np.array([change(one) for one in X[100:140]])
    planted, cropped = X_test.astype(float), X.astype(float)
    planted[:40] = copies
    cropped[100:140] = copies
    whole = np.concatenate([X[100:140], X_test[40:]]).astype(float)
    for training, test in ((X, planted), (cropped, whole)):
        found = find_leaks(psem, training, test)
        named = dict(zip(found.pairs.test_row, found.pairs.train_row, strict=True))
        assert np.mean([named.get(i) == 100 + i for i in some]) >= 0.97
        assert sum(row >= 40 for row in named) <= 0.01 * len(X_test)
        assert "crop" in found.pairs.found_by
        assert found.equal.test_share == 0


def test_one_mirrored_image(images, psem):
    X, _, X_test = images
    found = find_leaks(psem, X, np.concatenate([X_test, X[7:8, :, ::-1]]))
    assert found.pairs.test_row.tolist() == [len(X_test)]
    assert found.pairs.train_row.tolist() == [7]
    assert found.pairs.kind.tolist() == ["near"]


def test_images_too_small_to_be_cropped_are_compared_otherwise():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6, 7))
    psem = make_pipeline(FunctionTransformer(flat), KMExClassifier(2, random_state=0))
    psem.fit(X[:80], np.arange(80) % 2)
    found = find_leaks(psem, X[:80], np.concatenate([X[80:], X[3:4], X[4:5, :, ::-1]]))
    assert found.pairs.train_row.tolist() == [3]


@pytest.mark.parametrize("times", [2, 3])
def test_every_training_row_occurs_more_than_once(images, psem, times):
    X, _, X_test = images
    repeated = np.concatenate([X] * times)
    assert len(find_leaks(psem, repeated, X_test).pairs.test_row) == 0
    planted = np.concatenate([[jpeg(one) for one in X[:3]], X_test])
    found = find_leaks(psem, repeated, planted)
    assert sorted(found.pairs.test_row) == [0, 1, 2]
    assert sorted(found.pairs.train_row % len(X)) == [0, 1, 2]
    assert found.equal.train_share == 1


def test_rows_that_were_doubled_before_the_split():
    rng = np.random.default_rng(3)
    X = np.repeat(rng.normal(size=(1500, 5)), 2, axis=0)
    X = X[rng.permutation(3000)]
    psem = KMExClassifier(2, random_state=0).fit(X[:2000], np.arange(2000) % 2)
    found = find_leaks(psem, X[:2000], X[2000:])
    assert len(found.pairs.test_row) == round(found.equal.test_share * 1000)
    assert found.equal.test_share == pytest.approx(found.equal.train_share, abs=0.04)
    assert found.equal.test_share > 0.6


def test_equal_people_of_a_doubled_coarse_table_are_no_leak():
    rng = np.random.default_rng(0)
    table = people(rng, 3000, fine=False)
    doubled = table[:2000].loc[np.repeat(np.arange(2000), 2)]
    found = find_leaks(Anyone(), doubled, table[2000:])
    assert len(found.pairs.test_row) == 0
    assert found.equal.train_share == 1


def test_no_leaks_in_other_images(images, psem):
    X, _, X_test = images
    found = find_leaks(psem, X, X_test)
    assert len(found.pairs.test_row) == found.n_expected == 0
    assert found.equal.test_share == found.equal.train_share == 0


def people(rng, n_rows, fine=True):
    """Draw ages, priors and sexes; and an amount that tells people apart."""
    pd = pytest.importorskip("pandas")
    table = {
        "age": rng.integers(18, 60, n_rows),
        "priors": rng.poisson(1.0, n_rows),
        "sex": rng.choice(["f", "m"], n_rows),
        "from": rng.choice(["here", "there", None], n_rows),
    }
    if fine:
        table["amount"] = rng.lognormal(9, 1, n_rows)
        table["score"] = np.where(
            rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows)
        )
    return pd.DataFrame(table)


class Anyone(Prototypes):
    """Takes any frame, and compares ages."""

    def __init__(self):
        super().__init__([[30], [50]], [0, 1])

    def transform(self, X):
        return super().transform(np.asarray(X["age"], dtype=float)[:, np.newaxis])


def test_equal_people_of_a_coarse_table_are_no_leak():
    rng = np.random.default_rng(0)
    table = people(rng, 3000, fine=False)
    found = find_leaks(Anyone(), table[:2000], table[2000:])
    assert len(found.pairs.test_row) == 0
    assert found.equal.test_share == pytest.approx(found.equal.train_share, abs=0.05)
    assert found.equal.test_share > 0.5


def test_one_changed_column():
    rng = np.random.default_rng(1)
    table = people(rng, 3000)
    X, X_test = table[:2000], table[2000:].reset_index(drop=True)
    copies = X[500:600].reset_index(drop=True)
    copies["amount"] *= 1.01
    X_test.iloc[:100] = copies
    found = find_leaks(Anyone(), X, X_test)
    assert np.isin(np.arange(100), found.pairs.test_row).mean() >= 0.99
    assert np.sum(found.pairs.test_row >= 100) <= 9
    first = found.pairs.test_row < 100
    assert (found.pairs.train_row - found.pairs.test_row == 500)[first].mean() > 0.98
    assert len(find_leaks(Anyone(), X, table[2000:]).pairs.test_row) == 0


def test_many_equal_rows_beyond_chance_are_named():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 12, size=(3000, 4)).astype(float)
    psem = KMExClassifier(2, random_state=0).fit(values[:2000], np.arange(2000) % 2)
    X_test = values[2000:].copy()
    assert len(find_leaks(psem, values[:2000], X_test).pairs.test_row) == 0
    X_test[:600] = values[:600]
    found = find_leaks(psem, values[:2000], X_test)
    assert np.isin(np.arange(600), found.pairs.test_row).all()
    assert found.n_expected > 10
    assert found.equal.test_share > 2 * found.equal.train_share


def test_trees_give_many_equal_embeddings(digits):
    X, X_test, y, _ = digits
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, y)
    psem = make_kmex(forest, n_prototypes=2, random_state=0).fit(X, y)
    assert len(find_leaks(psem, X, X_test).pairs.test_row) == 0
    planted = np.concatenate([X_test, X[3:5]])
    found = find_leaks(psem, X, planted)
    assert sorted(found.pairs.train_row) == [3, 4]
    assert (found.pairs.kind == "equal").all()


def test_texts_are_compared_by_embedding():
    feature_extraction = pytest.importorskip("sklearn.feature_extraction.text")
    rng = np.random.RandomState(0)
    words = np.array([f"word{i}" for i in range(200)])
    texts = [" ".join(rng.choice(words, 12)) for _ in range(300)]
    psem = make_pipeline(
        feature_extraction.TfidfVectorizer(), KMExClassifier(2, random_state=0)
    ).fit(texts[:200], np.arange(200) % 2)
    found = find_leaks(psem, texts[:200], [*texts[200:], texts[7] + " ", texts[9]])
    assert sorted(found.pairs.train_row) == [7, 9]
    assert set(found.pairs.found_by) == {"embedding"}


def test_chances_by_hand():
    known = np.arange(1, 1001) / 1000.0
    assert chances(np.array([0.5]), known) == pytest.approx(0.5)
    # Uniform distances are those of one dimension: their number falls linearly.
    many = np.arange(1, 100_001) / 100_000
    assert 1e-6 < chances(np.array([1e-6]), many)[0] < 3e-6
    assert chances(np.array([0.0]), known) == 0
    equal = np.concatenate([np.zeros(50), known])
    assert chances(np.array([0.0]), equal) == pytest.approx(50 / 1050)
    nothing = claim(known[:100] + 0.4, known, chances(known[:100] + 0.4, known))
    assert len(nothing.rows) == 0


def test_copies_among_training_rows_by_hand():
    rng = np.random.default_rng(0)
    # In a plane, numbers of neighbours are those of a Poisson distribution.
    by_chance = np.sqrt(np.cumsum(rng.exponential(size=(2000, 4)), axis=1))
    assert np.array_equal(without_copies(by_chance), by_chance[:, 0])
    twins = np.column_stack([rng.random(2000) * 1e-3, by_chance[:, :3]])
    assert np.array_equal(without_copies(twins), by_chance[:, 0])
    some = np.where(np.arange(2000)[:, np.newaxis] < 600, twins, by_chance)
    assert np.mean(without_copies(some) == by_chance[:, 0]) > 0.98
    # Rows of coarse tables have no, one or several equals.
    numbers = rng.poisson(rng.exponential(size=2000))
    coarse = (np.arange(4) >= numbers[:, np.newaxis]).astype(float)
    assert np.array_equal(without_copies(coarse), coarse[:, 0])
    assert without_copies(np.zeros((2000, 4))).max() == 0


def test_few_copies_among_training_rows_do_not_hide_others():
    known = np.concatenate([np.linspace(1e-4, 1e-3, 30), np.linspace(1, 9, 1970)])
    clean = np.concatenate([np.linspace(1e-4, 1e-3, 7), np.linspace(1.1, 9, 493)])
    assert len(claim(clean, known, chances(clean, known)).rows) == 0
    leaked = np.concatenate([clean, np.full(40, 0.01)])
    found = claim(leaked, known, chances(leaked, known))
    assert found.rows.tolist() == [*range(7), *range(500, 540)]
    assert found.n_expected == pytest.approx(540 * 31 / 2000)


def test_few_rows_and_frame(psem, images):
    with pytest.raises(ValueError, match="at least 20 training samples"):
        find_leaks(psem, images[0][:10], images[2])
    with pytest.raises(ValueError, match="must be numbers, images or tables"):
        find_leaks(Prototypes([[0], [1]], [0, 1]), ["a"] * 30, ["b"])
    pytest.importorskip("pandas")
    table = find_leaks(psem, images[0], images[0][:1]).frame()
    assert list(table) == [
        "test_row", "train_row", "kind", "found_by", "distance", "chance",
    ]  # fmt: skip
    assert table["train_row"].tolist() == [0]


def test_tables_of_other_columns_are_refused():
    X = np.random.RandomState(0).normal(size=(60, 4))
    psem = KMExClassifier(1).fit(X, np.arange(60) % 2)
    with pytest.raises(ValueError, match="columns of X_train; got 3 instead of 4"):
        find_leaks(psem, X, X[:, :3])

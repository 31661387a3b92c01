"""The table of an Explanation: pictures where there are some, described in words."""

import re

import numpy as np
import pytest

from sklearn_kmex import KMExClassifier, make_kmex
from sklearn_kmex.explain import counterfactuals, explain

pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def pictures(digits):
    """Digits as pictures, and a model that takes them."""
    X, X_test, y, _ = digits
    X, X_test = X.reshape(-1, 8, 8), X_test.reshape(-1, 8, 8)
    psem = make_kmex(lambda X: X.reshape(len(X), -1), n_prototypes=2, random_state=0)
    names = np.array([f"<digit {i}>" for i in range(10)])
    return psem.fit(X, names[y]), X, X_test[:3]


def test_pictures_are_described_by_their_numbers(pictures):
    psem, X, samples = pictures
    explanation = explain(psem, samples, X_train=X, n_members=0)
    html = explanation._repr_html_()
    images = re.findall(
        r'<img src="(data:image/png;base64,[\w+/=]+)" alt="(.*?)">', html
    )
    assert html.count("<img") == len(images) == 3 + 3 * 3
    (_, sample), (_, example), *_ = images
    label = explanation.predictions[0].strip("<>")
    assert sample == (
        f"sample 0, predicted, &lt;{label}&gt;, p = {explanation.probability[0]:.3g}"
    )
    assert example == (
        f"training row {explanation.training_rows[0, 0]}, class &lt;{label}&gt;, "
        f"similarity {explanation.similarities[0, 0]:.4g}"
    )
    assert f"<bdi>&lt;{label}&gt;</bdi> (predicted)" in html
    assert "<digit" not in html


def test_the_same_example_is_the_same_picture(pictures):
    psem, X, samples = pictures
    html = explain(psem, samples[[0, 0]], X_train=X, n_members=0)._repr_html_()
    sources = re.findall('src="(.*?)"', html)
    assert sources[:4] == sources[4:]
    assert len(set(sources)) == 4


def test_members_are_below_the_prototypes(pictures):
    psem, X, samples = pictures
    found = explain(psem, samples, X_train=X, n_members=2)
    html = found._repr_html_()
    assert html.count("members of the predicted prototype most like it:") == 3
    described = re.findall(r'alt="(training row \d+, likeness .*?)"', html)
    pairs = zip(found.members.ravel(), found.member_likeness.ravel(), strict=True)
    assert described == [
        f"training row {row}, likeness {likeness:.3f}" for row, likeness in pairs
    ]
    assert html.count("<img") == 3 + 3 * 3 + 3 * 2
    cell = found.to_markdown().splitlines()[4].split(" | ")[2]
    assert cell.endswith("<br>".join(["prototype most like it:", *described[:2]]))


def test_few_members_in_a_table():
    X = np.array([[0.0, 1], [0.1, 1], [9, 0], [9, 0.1], [8, 0]])
    psem = KMExClassifier(1, random_state=0).fit(X, [0, 0, 1, 1, 1])
    found = explain(psem, X[[0, 2]], X_train=X, y_train=[0, 0, 1, 1, 1])
    cells = [line.split(" | ")[2] for line in found.to_markdown().splitlines()[4:]]
    assert [cell.count("likeness") for cell in cells] == [2, 3]
    assert "prototype most like it: training row 0, likeness 1.000; tr" in cells[0]
    none = explain(psem, X[:1], X_train=X, y_train=[1, 1, 1, 1, 1])
    assert "members" not in none.to_markdown()


def test_samples_alone(pictures):
    psem, _, samples = pictures
    explanation = explain(psem, samples)
    html = explanation._repr_html_()
    assert html.count("<img") == 3
    assert f"training row {explanation.training_rows[0, 0]}: " in html


def test_flat_rows_have_pictures_where_their_shape_is_given(digits, tmp_path):
    X, X_test, y, _ = digits
    psem = KMExClassifier(1, random_state=0).fit(X, y)
    explanation = explain(psem, X_test[:2], X_train=X)
    others = counterfactuals(psem, X_test[:2], X_train=X, y_train=y)
    for found, n_pictures in ((explanation, 2 + 2 * 3 + 2 * 3), (others, 2 + 2)):
        assert "<img" not in found._repr_html_()
        assert "<img" not in found.to_html()
        page = found.to_html(image_shape=(8, 8))
        assert page.count("<img") == n_pictures
        found.write_html(tmp_path / "page.html", image_shape=(8, 8))
        assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
        with pytest.raises(ValueError, match=r"have the 64 values .* got \(3, 3\)"):
            found.to_html(image_shape=(3, 3))
        with pytest.raises(ValueError, match=r"image_shape must be a tuple .* got 'a'"):
            found.to_html(image_shape="a")

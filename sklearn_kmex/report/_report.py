"""SEMReport: a report about a model, for its reviewers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d

from sklearn_kmex._data.samples import len_of
from sklearn_kmex._draw.figures import class_texts
from sklearn_kmex._draw.terminal import paragraphs, text_of
from sklearn_kmex._model.protocol import find_sem, of_one_state
from sklearn_kmex.report._card import make_card
from sklearn_kmex.report._collect import check_arguments, collect
from sklearn_kmex.report._groups import Attributes
from sklearn_kmex.report._pictures import check_image_arguments, check_samples
from sklearn_kmex.report._render import render_html, render_markdown
from sklearn_kmex.report._review import Review, check_pairs
from sklearn_kmex.report._text import as_name

if TYPE_CHECKING:
    from skops.card import Card

HEIGHT = 640  # pixels in a notebook
LONGEST = 1_000  # characters of a sentence in a terminal


class SEMReport:
    """Report about a self-explainable model, for those who decide about its use.

    The model is evaluated on samples that it was not fitted to. The report gives, in
    sentences and numbers, its accuracy, also for each class and compared to its black
    box; the training samples behind its prototypes, with warnings; the calibration of
    its probabilities; samples that are unlike the training samples; and the evidence
    for some decisions. The page is a single file that loads nothing and works without
    scripts.

    The model is evaluated when the report is first used, and only once. Until then, the
    report holds the model and the data, which must not be changed.

    Read more in the :ref:`User Guide <report>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: any estimator with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline`, a fitted search or a
        :class:`~sklearn_kmex.RejectingClassifier` with such a model inside. The report
        says which share of samples a `RejectingClassifier` rejects; all other figures
        are those of the model inside.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, as `psem` takes them, preferably of a set that it was not fitted to.

    y : array-like of shape (n_samples,)
        Their labels, each a class of `psem`.

    black_box : {"embedder"}, fitted model or None, default="embedder"
        Model to compare with: "embedder" is the whole model that was passed to
        `make_kmex`. Any other model must have a `predict` that takes the same X. None
        compares nothing. A black box whose outputs or labels do not fit the classes is
        left out, and a warning in the report says why.

    classes : array-like of shape (n_outputs,), default=None
        Label of each output of the black box, in their order. None takes the labels
        that it has, and otherwise the classes of `psem` in their order, which is
        checked.

    images : array-like of shape (n_samples, h, w[, channels]) or callable, default=None
        Images to show instead of X, or a function that takes samples and returns such
        images. None shows X if it consists of images.

    image_shape : tuple of int, default=None
        Shape of the image in a flat row of X and `X_train`: (h, w), (h, w, 1),
        (h, w, 3), (h, w, 4), (1, h, w) or (3, h, w). To be given without `images`.

    feature_names : sequence of str, default=None
        Names of the columns of a table. None takes those of X, or of the model.

    columns : sequence of str or int, default=None
        Columns of a table, by name or number, that are shown in any case and first,
        such as age or sex. Of all others, those that contribute most to the decisions
        shown follow, up to twelve columns.

    title : str, default=None
        Title of the report. None names the model.

    class_names : sequence of str, default=None
        Names of the classes, in the order of `classes_`. None takes the labels.

    X_train : array-like, frame, list or Dataset, default=None
        The samples that `psem` was fitted to, in the same order: prototypes are then
        shown by their nearest training sample, decisions also by the members of the
        winning prototype that are most like the sample, and samples are compared with
        training samples. Without them, prototypes are shown by the most similar
        samples.

    y_train : array-like of shape (n_train,), default=None
        Labels of the training samples: those that may be wrong are then listed, the
        likeness of the training samples shown is measured, and the training samples
        that support and oppose each decision most are shown, as
        :func:`~sklearn_kmex.explain.influence`.

    train_images : array-like of shape (n_train, h, w[, channels]) or callable, \
            default=None
        Images to show instead of `X_train`. None takes `images` if that is a function.

    relevance : True, str or callable, default=None
        Relevance maps over the images of the decisions shown, as in
        :func:`~sklearn_kmex.explain.explain`. None shows none.

    groups : frame, dict of array-like, Series or array-like, default=None
        Attributes of the samples, such as sex and age group, matched by position. The
        page then shows how the model does for each group, as
        :func:`~sklearn_kmex.metrics.group_scores`.

    groups_train : frame, dict of array-like, Series or array-like, default=None
        The same attributes of the training samples. The page then shows which groups
        the prototypes stand for. To be given with `X_train`.

    X_new : array-like of shape (n_new, n_features) or (n_new, ...), default=None
        New samples, without labels. The page then shows whether they differ from X, as
        :func:`~sklearn_kmex.metrics.drift`.

    Raises
    ------
    TypeError
        If `psem` is not a prototypical self-explainable model, `black_box` has no
        `predict`, or X cannot be counted.

    ValueError
        If a label is not a class of `psem`, or samples, names or images do not fit.

    MissingDependencyError
        If there are images and pillow is not installed. Methods raise it if jinja2 is
        not installed.

    See Also
    --------
    sklearn_kmex.inspection.PrototypeDisplay : The prototypes as a figure.
    sklearn_kmex.metrics.audit : Suspect labels and prototypes.
    sklearn_kmex.metrics.example_likeness_score : Likeness of what is shown.
    sklearn_kmex.explain.explain : The evidence for the decision on each sample.
    sklearn_kmex.explain.influence : Training samples behind the decision on each.

    Notes
    -----
    Each sample is embedded once, and those explained once more. Embeddings of training
    samples are kept until the report is computed. Confidence intervals of
    shares are those of Wilson, that of the difference to the black box is that of
    Agresti and Min (2005), at 95 %. Images are reduced in size until all fit into
    3.2 MB.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.report import SEMReport
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    >>> report = SEMReport(psem, X[1::2], y[1::2], X_train=X[::2], y_train=y[::2])
    >>> content = report.to_dict()
    >>> round(content["performance"]["accuracy"]["value"], 3)
    0.973
    """

    def __init__(
        self,
        psem: Any,
        X: Any,
        y: ArrayLike,
        *,
        black_box: Any | Literal["embedder"] = "embedder",
        classes: ArrayLike | None = None,
        images: Any = None,
        image_shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        columns: Sequence[str | int] | None = None,
        title: str | None = None,
        class_names: Iterable[Any] | None = None,
        X_train: Any = None,
        y_train: ArrayLike | None = None,
        train_images: Any = None,
        relevance: Any = None,
        groups: Any = None,
        groups_train: Any = None,
        X_new: Any = None,
    ) -> None:
        check_image_arguments(images, image_shape)
        check_pairs((X, y), (X_train, y_train), groups, groups_train)
        samples, training = check_samples(X, column_or_1d(y), images, image_shape), None
        if X_train is not None:
            if train_images is None and callable(images):
                train_images = images
            training = check_samples(
                X_train, y_train, train_images, image_shape, "_train"
            )
        new = None
        if X_new is not None:
            made = images if callable(images) else None
            new = check_samples(X_new, None, made, image_shape, "_new")
        review = Review(Attributes(groups, groups_train), new)
        review.check(samples, training)
        psem = of_one_state(psem)  # a later fit does not change the report
        names = class_texts(np.asarray(find_sem(psem).classes_), class_names)
        settings: dict[str, Any] = {
            "black_box": black_box,
            "classes": classes,
            "relevance": relevance,
            "feature_names": feature_names,
            "columns": columns,
        }
        check_arguments(psem, samples, training, **settings)
        settings |= {"class_names": names, "title": title, "review": review}
        self._name, self._n_samples = as_name(type(psem).__name__), len_of(samples.X)
        self._computed: dict[str, Any] | None = None
        self._compute: Any = partial(collect, psem, samples, training, **settings)

    @property
    def _content(self) -> dict[str, Any]:
        """Compute the content at the first use, and release model and data then."""
        if self._computed is None:
            self._computed, self._compute = self._compute(), None
        return self._computed

    def __getstate__(self) -> dict[str, Any]:
        """Return the computed content, without model and data."""
        content = self._content
        return {**vars(self), "_computed": content}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the report as plain data.

        Returns
        -------
        dict
            Strings, numbers, lists, dicts and None, according to the schema in the
            :ref:`documentation <report_schema>`.
        """
        return copy.deepcopy(self._content)

    def to_json(self) -> str:
        """Return the content of the report as JSON.

        Returns
        -------
        str
            A strict JSON object with the content of `to_dict`.
        """
        return json.dumps(self._content, allow_nan=False)

    def to_html(self) -> str:
        """Return the report as a page.

        Returns
        -------
        str
            An HTML document that loads nothing else.

        Raises
        ------
        MissingDependencyError
            If jinja2 is not installed.
        """
        return render_html(self._content)

    def write_html(self, path: Any) -> None:
        """Write the page to a file.

        Parameters
        ----------
        path : str or path-like
            File to write; an existing file is replaced.

        Raises
        ------
        MissingDependencyError
            If jinja2 is not installed.
        """
        Path(path).write_text(self.to_html(), encoding="utf-8")

    def to_markdown(self) -> str:
        """Return the report as Markdown, without images.

        Returns
        -------
        str
            Text in Markdown.

        Raises
        ------
        MissingDependencyError
            If jinja2 is not installed.
        """
        return render_markdown(self._content)

    def to_card(self, path: Any = "psem.safetensors") -> Card:
        """Return the report as a model card of skops, to be completed and saved.

        Sections are those of skops: a description of the model, with warnings and
        prototypes; parameters, data and manual edits; results, with confidence
        intervals; and the code that loads the model. Intended uses, authors and contact
        are left open: `card.add(**{"Model Card Authors": "..."})` fills them in, and
        `card.save("README.md")` writes the card.

        Parameters
        ----------
        path : str or path-like, default="psem.safetensors"
            File of the model, for the code that loads it: by `skops.io` if the name
            ends in ".skops", otherwise by
            :func:`~sklearn_kmex.persistence.load_psem`.

        Returns
        -------
        skops.card.Card
            The card. Its `model` is None: set it to the fitted model for methods of
            skops that need one, such as `add_model_plot`.

        Raises
        ------
        MissingDependencyError
            If skops or jinja2 is not installed.
        """
        return make_card(self._content, path)

    def __repr__(self) -> str:
        return f"SEMReport({self._name}, n_samples={self._n_samples})"

    def __str__(self) -> str:
        content = self._content
        warnings = [f"- {one['text']}" for one in content["warnings"]]
        blocks = [[content["title"], *content["summary"]]]
        blocks += [["To look into", *warnings]] if warnings else []
        return paragraphs([[text_of(one, LONGEST) for one in some] for some in blocks])

    def _repr_html_(self) -> str:
        # In an iframe, so that neither page can change the other.
        page, title = escape(self.to_html()), escape(self._content["title"])
        return (
            f'<iframe srcdoc="{page}" title="{title}" sandbox="allow-scripts" '
            f'style="width: 100%; height: {HEIGHT}px; border: 1px solid gray"></iframe>'
        )

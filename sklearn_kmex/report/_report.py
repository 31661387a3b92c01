"""SEMReport: what a reviewer reads about a model."""

import copy
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d

from sklearn_kmex._draw.figures import class_texts
from sklearn_kmex._model.protocol import find_sem
from sklearn_kmex.report._card import make_card
from sklearn_kmex.report._collect import collect
from sklearn_kmex.report._pictures import check_rows, is_shape
from sklearn_kmex.report._render import render_html, render_markdown

if TYPE_CHECKING:
    from skops.card import Card

HEIGHT = 640  # pixels in a notebook


class SEMReport:
    """A report about a self-explainable model, for those who decide about its use.

    It asks the model about samples that it was not fitted on, and says in plain words
    and numbers how often it is right, beside its black box and for each class, what
    its prototypes stand for and which of them are to be doubted, how far its
    probabilities can be believed, which samples are unlike anything it knows, and why
    it decided as it did. The page is one file that needs no network, and no script.

    Read more in the :ref:`User Guide <report>`.

    Parameters
    ----------
    psem : estimator
        Fitted prototypical self-explainable model: anything with `classes_`,
        `prototypes_`, `prototype_classes_` and `transform`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples, as `psem` takes them, best of a set that it was not fitted on.

    y : array-like of shape (n_samples,)
        Their labels, each a class of `psem`.

    black_box : fitted model, default=None
        What `psem` is compared to, with a `predict` that takes the same X. None is
        the model behind its embedder, where there is one that gives an output for
        each class.

    images : tuple of int, array-like or callable, default=None
        How to look at rows that are no pictures: the shape of a picture that a flat
        row holds, (h, w), (h, w, 1), (h, w, 3), (h, w, 4), (1, h, w) or (3, h, w);
        pictures of the rows of X, of shape (n_samples, h, w[, channels]); or a
        function that takes rows and returns such pictures. None takes the rows
        themselves if they are pictures.

    feature_names : sequence of str, default=None
        Names of the columns of a table. None takes those of X, or of the model.

    title : str, default=None
        Title of the report. None names the model.

    class_names : sequence of str, default=None
        Names in the order of `classes_`. None takes the labels.

    X_train : array-like, frame, list or Dataset, default=None
        The rows that `psem` was fitted on, in their order: then prototypes are shown
        by the training rows they stand for, and samples are held against them. None
        shows the most similar samples.

    y_train : array-like of shape (n_train,), default=None
        Their labels: then labels that may be wrong are listed.

    train_images : array-like of shape (n_train, h, w[, channels]), default=None
        Pictures of the training rows, where `images` are those of X. None takes
        `images` if that is a shape or a function.

    relevance : True, str or callable, default=None
        Relevance maps over the pictures of the decisions shown, as in
        :func:`~sklearn_kmex.explain.explain`. None is no maps.

    Raises
    ------
    TypeError
        If `psem` is no prototypical self-explainable model, `black_box` has no
        `predict`, or X cannot be counted.

    ValueError
        If a label is no class of `psem`, or rows, names or pictures do not fit.

    MissingDependencyError
        If a picture is given and pillow is not installed; of the methods, if
        jinja2 is not.

    See Also
    --------
    sklearn_kmex.inspection.PrototypeDisplay : The prototypes as a figure.
    sklearn_kmex.metrics.audit : What is wrong with prototypes and labels.
    sklearn_kmex.explain.explain : The decision on each sample.

    Notes
    -----
    Each sample is embedded once, but for those explained. Intervals of shares are
    Wilson's, of the difference to the black box that of Agresti and Min (2005), at
    95 %. In the file, pictures are made smaller until they fit into 3.2 MB.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_kmex import KMExClassifier
    >>> from sklearn_kmex.report import SEMReport
    >>> X, y = load_iris(return_X_y=True)
    >>> psem = KMExClassifier(2, random_state=0).fit(X[::2], y[::2])
    >>> report = SEMReport(psem, X[1::2], y[1::2], X_train=X[::2], y_train=y[::2])
    >>> report.dict()["summary"][1]
    'On 75 samples it is right for 97.3 % (95 % interval 90.8 % to 99.3 %).'
    """

    def __init__(
        self,
        psem: Any,
        X: Any,
        y: ArrayLike,
        *,
        black_box: Any = None,
        images: Any = None,
        feature_names: Sequence[str] | None = None,
        title: str | None = None,
        class_names: Iterable[Any] | None = None,
        X_train: Any = None,
        y_train: ArrayLike | None = None,
        train_images: Any = None,
        relevance: Any = None,
    ) -> None:
        if train_images is None and (callable(images) or is_shape(images)):
            train_images = images
        train = None
        if X_train is not None:
            train = check_rows(X_train, y_train, train_images, "_train")
        self._content = collect(
            psem,
            check_rows(X, column_or_1d(y), images),
            train,
            black_box=black_box,
            class_names=class_texts(np.asarray(find_sem(psem).classes_), class_names),
            feature_names=feature_names,
            relevance=relevance,
            title=title,
        )

    def dict(self) -> dict[str, Any]:
        """Return all that the report says, as plain data.

        Returns
        -------
        dict
            Strings, numbers, lists, dicts and Nones, by a schema that the
            :ref:`documentation <report_schema>` gives.
        """
        return copy.deepcopy(self._content)

    def json(self) -> str:
        """Write the content of `dict` as JSON.

        Returns
        -------
        str
            A strict JSON object.
        """
        return json.dumps(self._content, allow_nan=False)

    def html(self) -> str:
        """Write the report as a page.

        Returns
        -------
        str
            An HTML document that refers to nothing outside itself.

        Raises
        ------
        MissingDependencyError
            If jinja2 is not installed.
        """
        return render_html(self._content)

    def write_html(self, path: Any) -> None:
        """Write the page into a file.

        Parameters
        ----------
        path : str or path-like
            Where to write; a file that is there is replaced.

        Raises
        ------
        MissingDependencyError
            If jinja2 is not installed.
        """
        Path(path).write_text(self.html(), encoding="utf-8")

    def to_markdown(self) -> str:
        """Write the report as a model card, without pictures.

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

    def to_card(self, path: Any = "psem.safetensors") -> "Card":
        """Write the report as a model card of skops, to be completed and saved.

        Sections are those of skops's own cards: what the model is, with what to look
        into, and its prototypes; its parameters, data, and edits by people; how often
        it is right, with intervals; and how to load it. Intended uses, authors and
        contact are left open: `card.add(**{"Model Card Authors": "..."})` fills them
        in, and `card.save("README.md")` writes the card.

        Parameters
        ----------
        path : str or path-like, default="psem.safetensors"
            File of the model, as the card says how to load it: by `skops.io` if its
            name ends in ".skops", else by
            :func:`~sklearn_kmex.persistence.load_psem`.

        Returns
        -------
        skops.card.Card
            The card. Its `model` is None: set it to the fitted model where a method of
            skops asks for one, such as `add_model_plot`.

        Raises
        ------
        MissingDependencyError
            If skops or jinja2 is not installed.
        """
        return make_card(self._content, path)

    def __repr__(self) -> str:
        n_samples = self._content["data"]["samples"]["n_samples"]
        return f"SEMReport({self._content['model']['type']}, n_samples={n_samples})"

    def _repr_html_(self) -> str:
        # A frame of its own: pages that hold it cannot change it, nor it them.
        page, title = escape(self.html()), escape(self._content["title"])
        return (
            f'<iframe srcdoc="{page}" title="{title}" sandbox="allow-scripts" '
            f'style="width: 100%; height: {HEIGHT}px; border: 1px solid gray"></iframe>'
        )

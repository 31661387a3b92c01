"""EmbeddingPipeline: frozen steps followed by an embedder."""

from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline


class EmbeddingPipeline(Pipeline):
    """Pipeline of frozen steps and an embedder, with the output of the whole model."""

    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Compute the output of the whole model for X, including the first steps."""
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        return self.steps[-1][1].black_box_output(X)

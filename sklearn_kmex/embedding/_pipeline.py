"""EmbeddingPipeline: the steps before a frozen model, and its embedder."""

from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline


class EmbeddingPipeline(Pipeline):
    """Frozen steps and an embedder, which say what their model says."""

    def black_box_output(self, X: ArrayLike) -> NDArray:
        """Run the whole model on X, after the steps before it."""
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        return self.steps[-1][1].black_box_output(X)

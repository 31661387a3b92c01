"""
How many samples of a large class are enough
============================================

`max_samples` clusters only some samples of a large class. Counts, nearest samples and
inertia are still computed on all samples, and the inertia shows what is lost.
"""

# %%
# Generate five classes of 4,000 samples, each with eight overlapping modes.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_kmex import KMExClassifier

rng = np.random.default_rng(0)
y = np.repeat(np.arange(5), 4_000)
modes = rng.normal(size=(5, 8, 30))
X = modes[y, rng.integers(8, size=len(y))] + rng.normal(size=(len(y), 30))
X = X.astype(np.float32)


def inertia(max_samples, seed):
    psem = KMExClassifier(
        8, max_samples=max_samples, temperature=1.0, n_init=3, random_state=seed
    )
    return psem.fit(X, y).inertia_.sum()


# %%
# Plot the excess inertia over clustering all samples, as mean and standard deviation
# over five seeds. A hundred samples for each of the eight prototypes are nearly as good
# as all of them.

sizes = [50, 100, 200, 400, 800, 1600]
whole = np.array([inertia(None, seed) for seed in range(5)])
lost = np.array([[inertia(n, s) / whole[s] - 1 for s in range(5)] for n in sizes])

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.errorbar(sizes, 100 * lost.mean(axis=1), 100 * lost.std(axis=1), marker="o")
axes.axhline(0, color="0.6", linewidth=1)
axes.set(
    xscale="log",
    xlabel="samples of each class that are clustered, of 4,000",
    ylabel="excess inertia, in %",
)
plt.show()

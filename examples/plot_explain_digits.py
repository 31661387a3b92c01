"""
Explanations as data, and as pictures
=====================================

`explain` puts together what a model decided and what it found a sample to look like: as
arrays, as a table, as JSON, and as a picture. No network is involved: the pixels are
the embedding.
"""

# %%
# A model of handwritten digits, and an explanation of all test images at once.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import Explanation, counterfactuals, explain

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
psem = KMExClassifier(n_prototypes=5, random_state=0).fit(X_train, y_train)
explanation = explain(psem, X_test, X_train=X_train)

# %%
# A clear decision, a close one, and a wrong one. Left, the image; then the training
# images behind its nearest prototypes, most similar first, with their similarities.
wrong = np.flatnonzero(explanation.predictions != y_test)
ranking = np.argsort(explanation.margin)
chosen = [ranking[-1], ranking[0], wrong[0]]
explanation[chosen].plot(image_shape=(8, 8))
plt.show()

# %%
# The same as a table.
print(explanation[chosen].frame().round(4).to_string(index=False))

# %%
# And as JSON, which comes back as it was.
document = explanation[chosen].to_json()
print(document[:72], "...")
again = Explanation.from_json(document)
print(np.array_equal(again.similarities, explanation[chosen].similarities))

# %%
# What would have to be otherwise: the training image of the runner-up that is nearest,
# and the fewest prototypes to remove for another decision.
otherwise = counterfactuals(psem, X_test, X_train=X_train, y_train=y_train)
print(otherwise[chosen].frame().round(2).to_string(index=False))

# %%
# Small margins are where the mistakes are: how many decisions are right, from the
# closest tenth to the clearest.
right = (explanation.predictions == y_test)[ranking]
shares = [part.mean() for part in np.array_split(right, 10)]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.bar(range(1, 11), shares, color="#3f90da")
ax.set(xlabel="tenth of the test images, by margin", ylabel="share decided rightly")
ax.set_xticks(range(1, 11))
plt.show()

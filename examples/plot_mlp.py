"""
Explaining a scikit-learn network by similar cases
==================================================

An `MLPClassifier` behind a `StandardScaler` distinguishes three kinds of wine by their
chemistry. `make_kmex` keeps both unchanged, and adds prototypes after the last hidden
layer. Decisions are then explained by wines of the training set, in the columns of the
table.
"""

# %%
# Fit the black box, a Pipeline.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kmex import make_kmex
from sklearn_kmex.inspection import PrototypeDisplay
from sklearn_kmex.metrics import accuracy_gap, fidelity_score

wine = load_wine()
X_train, X_test, y_train, y_test = train_test_split(
    wine.data, wine.target, test_size=0.5, stratify=wine.target, random_state=0
)
model = make_pipeline(
    StandardScaler(), MLPClassifier((32, 16), max_iter=1000, random_state=0)
).fit(X_train, y_train)

# %%
# Convert it. The scaler and the hidden layers become the step "embed", and are not
# fitted again. The step "kmex" holds the prototypes, in the 16 dimensions of the last
# hidden layer.
psem = make_kmex(model, n_prototypes=2, random_state=0).fit(X_train, y_train)
kmex = psem[-1]
print(" -> ".join(psem.named_steps), "   prototypes:", kmex.prototypes_.shape)

# %%
# Plot the training wines nearest to the prototypes. The color shows how large a value
# is among the wines of its class.
PrototypeDisplay.from_estimator(
    psem,
    X_train,
    y_train,
    class_names=wine.target_names,
    feature_names=wine.feature_names,
    max_features=13,
)
plt.show()

# %%
# Compare both models on test wines.
by_mlp, by_psem = model.predict(X_test), psem.predict(X_test)
print(f"{'accuracy of the network':24}{np.mean(by_mlp == y_test):7.3f}")
print(f"{'accuracy of the PSEM':24}{np.mean(by_psem == y_test):7.3f}")
print(f"{'accuracy gap':24}{accuracy_gap(y_test, by_mlp, by_psem):7.3f}")
print(f"{'fidelity':24}{fidelity_score(by_mlp, by_psem):7.3f}")

# %%
# Explain the least certain decision. The table shows the wine beside the training wines
# of the two most similar prototypes. The larger similarity decides.
unsure = psem.predict_proba(X_test).max(axis=1).argmin()
similarity, prototype = kmex.nearest_prototypes(
    psem[:-1].transform(X_test[[unsure]]), n=2
)
like = kmex.prototype_indices_[prototype[0]]
by_psem_name, true_name = wine.target_names[[by_psem[unsure], y_test[unsure]]]
print(f"predicted: {by_psem_name}, true: {true_name}\n")
print(f"{'':30}{'this wine':>12}{f'row {like[0]}':>12}{f'row {like[1]}':>12}")
for name, *values in zip(
    wine.feature_names, X_test[unsure], *X_train[like], strict=True
):
    print(f"{name:30}" + "".join(f"{value:12.2f}" for value in values))
first, second = wine.target_names[y_train[like]]
print(f"{'class':30}{true_name:>12}{first:>12}{second:>12}")
print(f"{'similarity':42}" + "".join(f"{value:12.4f}" for value in similarity[0]))

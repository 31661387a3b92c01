"""
Explaining a decision by the columns of a table
===============================================

`contrast` splits the margin between the two nearest prototypes exactly over the
columns. It traces the contributions through the steps of a pipeline, back to the
columns of the input.
"""

# %%
# The data are wines of three growers. Two measurements are binned into categories, the
# others are scaled. The classifier therefore sees 19 columns that the user does not
# know.
import matplotlib.pyplot as plt
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from sklearn_kmex import KMExClassifier
from sklearn_kmex.explain import contrast

X, y = load_wine(return_X_y=True, as_frame=True)
X = X.rename(columns={"od280/od315_of_diluted_wines": "od280/od315"})
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
bins = KBinsDiscretizer(4, strategy="uniform")
columns = ColumnTransformer(
    [("bins", bins, ["hue", "magnesium"])], remainder=StandardScaler()
)
psem = make_pipeline(columns, KMExClassifier(3, random_state=0)).fit(X_train, y_train)
print(f"{psem[0].transform(X_test).shape[1]} columns behind the ColumnTransformer")
print(f"{psem.score(X_test, y_test):.1%} of the test wines are correctly classified")

# %%
# The contributions refer to the columns of the table, and sum to the margin.
split = contrast(psem, X_test)
print(split.space, split.contributions.shape)
print(abs(split.contributions.sum(axis=1) - split.margin).max() < 1e-9)

# %%
# The closest decision, with the values of both prototypes. For a binned column, the
# value is the middle of the bin that most wines of the prototype are in.
close = split[split.margin.argsort()[:2]]
print(close[0].frame().head(8).round(2).to_string(index=False))

# %%
# The contributions for and against the predicted class, in the two closest decisions.
close.plot(n_features=7)
plt.show()

# %%
# Contributions are also traced through a projection on three components.
rotated = make_pipeline(StandardScaler(), PCA(3), KMExClassifier(3, random_state=0))
rotated.fit(X_train, y_train)
contrast(rotated, X_test)[close.sample_indices[:1]].plot(n_features=7)
plt.show()

"""Explanations: nearest prototypes, relevance maps, contrasts and counterfactuals."""

from sklearn_kmex.explain._concepts import concept_maps
from sklearn_kmex.explain._contrast import contrast
from sklearn_kmex.explain._contributions import Contrast
from sklearn_kmex.explain._counterfactuals import Counterfactuals, counterfactuals
from sklearn_kmex.explain._explain import explain
from sklearn_kmex.explain._explanation import Explanation
from sklearn_kmex.explain._faithfulness import faithfulness, robustness
from sklearn_kmex.explain._influence import influence
from sklearn_kmex.explain._influential_rows import Influence
from sklearn_kmex.explain._relevance import black_box_relevance, relevance
from sklearn_kmex.explain._token_table import TokenTable, token_table
from sklearn_kmex.explain._word_records import Words
from sklearn_kmex.explain._words import words

__all__ = [
    "Contrast",
    "Counterfactuals",
    "Explanation",
    "Influence",
    "TokenTable",
    "Words",
    "black_box_relevance",
    "concept_maps",
    "contrast",
    "counterfactuals",
    "explain",
    "faithfulness",
    "influence",
    "relevance",
    "robustness",
    "token_table",
    "words",
]

"""The API reference as data: sections of public names, checked by a test."""

API_REFERENCE = {
    "sklearn_kmex": {
        "title": "Self-explainable models",
        "description": "The classifiers, and the conversion of a trained model.",
        "names": [
            "KMExClassifier",
            "KMExClassifierCV",
            "RejectingClassifier",
            "make_kmex",
            "show_versions",
        ],
    },
    "sklearn_kmex.embedding": {
        "title": "Embedders",
        "description": "Transformers that compute embeddings with a frozen model.",
        "names": [
            "CachedEmbedder",
            "MLPEmbedder",
            "ScoreEmbedder",
            "SkorchEmbedder",
            "TextEmbedder",
            "TorchEmbedder",
            "TreeEmbedder",
            "embed_to_file",
        ],
    },
    "sklearn_kmex.explain": {
        "title": "Explanations",
        "description": (
            "The training examples, the columns, the words and the regions that led to "
            "a decision."
        ),
        "names": [
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
        ],
    },
    "sklearn_kmex.edit": {
        "title": "Edits",
        "description": "Changes to the prototypes of a fitted model, kept in a log.",
        "names": [
            "add_prototypes",
            "drop_prototypes",
            "forget_rows",
            "merge_prototypes",
            "relabel_prototypes",
            "rename",
        ],
    },
    "sklearn_kmex.inspection": {
        "title": "Displays",
        "description": "Plots of models, with the data behind them.",
        "names": [
            "CoverageDisplay",
            "EmbeddingDisplay",
            "ExplanationDisplay",
            "PrototypeCountDisplay",
            "PrototypeDisplay",
            "SearchDisplay",
            "UsageDisplay",
        ],
    },
    "sklearn_kmex.persistence": {
        "title": "Files",
        "description": "Save a fitted model to one file, without pickle.",
        "names": ["load_psem", "save_psem"],
    },
    "sklearn_kmex.export": {
        "title": "Export",
        "description": "Export a fitted model to ONNX or torch.",
        "names": ["to_onnx", "to_torch"],
    },
    "sklearn_kmex.report": {
        "title": "Reports",
        "description": "All a reviewer needs to know about a model, on one page.",
        "names": ["SEMReport"],
    },
    "sklearn_kmex.metrics": {
        "title": "Metrics",
        "description": (
            "Measures of transparency, diversity, likeness and trustworthiness. Higher "
            "is better for names that end in `_score`; lower is better for `_rate`, "
            "`_loss` and `_error`. An `accuracy_gap` of 0 means equal accuracy."
        ),
        "names": [
            "accuracy_gap",
            "accuracy_gap_scorer",
            "audit",
            "average_drop_loss",
            "average_increase_score",
            "coverage_curve",
            "distinct_examples_score",
            "distinct_examples_scorer",
            "diversity_score",
            "diversity_scorer",
            "drift",
            "example_likeness_score",
            "fidelity_score",
            "fidelity_scorer",
            "find_leaks",
            "ghosting_rate",
            "group_scores",
            "local_lipschitz_error",
            "make_example_likeness_scorer",
            "make_faithfulness_scorer",
            "make_robustness_scorer",
            "prototype_usage",
            "relevance_divergence_loss",
            "sem_scorers",
            "transparency_score",
            "transparency_scorer",
            "usage_entropy_score",
        ],
    },
    "sklearn_kmex.exceptions": {
        "title": "Warnings and errors",
        "description": "Warnings and errors that the package raises.",
        "names": ["KMExWarning", "MissingDependencyError", "ModelFileError"],
    },
    "sklearn_kmex.utils": {
        "title": "Utilities",
        "description": "For packages that build on this one.",
        "names": ["check_dependency"],
    },
}

TASKS = {
    "Start": "Fit a model, and choose its settings.",
    "Explain": "Explain the decisions of the model.",
    "Judge": "Measure how good the model is, and correct its prototypes.",
    "Serve": "Save and export the model, and refuse uncertain samples.",
    "Scale": "Fit large data sets.",
    "Other": "Warnings, errors and utilities.",
}

# The task of each module, and of those names that serve another one than their module.
TASK_OF = {
    "sklearn_kmex": "Start",
    "sklearn_kmex.RejectingClassifier": "Serve",
    "sklearn_kmex.show_versions": "Other",
    "sklearn_kmex.edit": "Judge",
    "sklearn_kmex.embedding": "Start",
    "sklearn_kmex.embedding.CachedEmbedder": "Scale",
    "sklearn_kmex.embedding.embed_to_file": "Scale",
    "sklearn_kmex.exceptions": "Other",
    "sklearn_kmex.explain": "Explain",
    "sklearn_kmex.explain.faithfulness": "Judge",
    "sklearn_kmex.explain.robustness": "Judge",
    "sklearn_kmex.export": "Serve",
    "sklearn_kmex.inspection": "Explain",
    "sklearn_kmex.inspection.CoverageDisplay": "Serve",
    "sklearn_kmex.inspection.PrototypeCountDisplay": "Start",
    "sklearn_kmex.inspection.SearchDisplay": "Start",
    "sklearn_kmex.inspection.UsageDisplay": "Judge",
    "sklearn_kmex.metrics": "Judge",
    "sklearn_kmex.metrics.coverage_curve": "Serve",
    "sklearn_kmex.persistence": "Serve",
    "sklearn_kmex.report": "Judge",
    "sklearn_kmex.utils": "Other",
}

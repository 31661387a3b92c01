"""The API reference as data: sections of public names, checked by a test."""

API_REFERENCE = {
    "sklearn_kmex": {
        "title": "Self-explainable models",
        "description": "The classifier, and the way from a trained model to it.",
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
        "description": "Transformers that run a frozen model up to one of its layers.",
        "names": [
            "CachedEmbedder",
            "MLPEmbedder",
            "SkorchEmbedder",
            "TorchEmbedder",
            "TreeEmbedder",
            "embed_to_file",
        ],
    },
    "sklearn_kmex.explain": {
        "title": "Explanations",
        "description": (
            "What a sample looks like, where, and why this class and not that one."
        ),
        "names": [
            "Contrast",
            "Counterfactuals",
            "Explanation",
            "black_box_relevance",
            "concept_maps",
            "contrast",
            "counterfactuals",
            "explain",
            "faithfulness",
            "relevance",
            "robustness",
        ],
    },
    "sklearn_kmex.edit": {
        "title": "Edits",
        "description": "What people change in a fitted model, with a trail.",
        "names": [
            "add_prototypes",
            "drop_prototypes",
            "merge_prototypes",
            "relabel_prototypes",
            "rename",
        ],
    },
    "sklearn_kmex.inspection": {
        "title": "Displays",
        "description": "Pictures of models, with the data behind them.",
        "names": [
            "CoverageDisplay",
            "EmbeddingDisplay",
            "ExplanationDisplay",
            "PrototypeCountDisplay",
            "PrototypeDisplay",
            "UsageDisplay",
        ],
    },
    "sklearn_kmex.persistence": {
        "title": "Files",
        "description": "A fitted model in one file, loaded without running it.",
        "names": ["load_psem", "save_psem"],
    },
    "sklearn_kmex.export": {
        "title": "Export",
        "description": "A fitted model as a graph that answers with its reasons.",
        "names": ["to_onnx", "to_torch"],
    },
    "sklearn_kmex.report": {
        "title": "Reports",
        "description": "What a reviewer reads about a model, in one file.",
        "names": ["SEMReport"],
    },
    "sklearn_kmex.metrics": {
        "title": "Metrics",
        "description": (
            "The predicates of self-explainable models: transparency, diversity, "
            "trustworthiness. Names in `_score` are better when higher, names in "
            "`_rate`, `_loss` and `_error` when lower; 0 is parity for the gap."
        ),
        "names": [
            "accuracy_gap",
            "accuracy_gap_scorer",
            "audit",
            "average_drop_loss",
            "average_increase_score",
            "coverage_curve",
            "diversity_score",
            "diversity_scorer",
            "fidelity_score",
            "fidelity_scorer",
            "ghosting_rate",
            "local_lipschitz_error",
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
        "description": "What to catch.",
        "names": ["KMExWarning", "MissingDependencyError", "ModelFileError"],
    },
    "sklearn_kmex.utils": {
        "title": "Utilities",
        "description": "For those who build on the package.",
        "names": ["check_dependency"],
    },
}

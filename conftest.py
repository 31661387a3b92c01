"""Leave out what needs torch where torch is not installed."""

import importlib.util

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore = [
        "sklearn_kmex/_attribution_backend.py",
        "sklearn_kmex/_concepts_backend.py",
        "sklearn_kmex/_encoder_backend.py",
        "sklearn_kmex/_gradients_backend.py",
        "sklearn_kmex/_layers_backend.py",
        "sklearn_kmex/_lrp_backend.py",
        "sklearn_kmex/_questions_backend.py",
        "sklearn_kmex/_speed_backend.py",
        "sklearn_kmex/_torch_backend.py",
        "sklearn_kmex/embedding/_skorch.py",
        "sklearn_kmex/embedding/_torch.py",
        "sklearn_kmex/explain/_concepts.py",
        "sklearn_kmex/explain/_faithfulness.py",
        "sklearn_kmex/explain/_relevance.py",
        "tests/networks.py",
        "tests/torch_modules.py",
    ]

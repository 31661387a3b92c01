"""Metadata of rows, passed to a splitter and to the estimator inside another."""

from collections.abc import Mapping
from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)


def is_routed() -> bool:
    """Return whether metadata routing is enabled in scikit-learn."""
    return bool(get_config()["enable_metadata_routing"])


def router_of(owner: Any, **estimators: Any) -> MetadataRouter:
    """Return what an estimator takes itself, for its `cv`, and for those inside it."""
    router = MetadataRouter(owner=type(owner).__name__).add_self_request(owner)
    fits, splits = MethodMapping(), MethodMapping()
    router.add(
        splitter=owner.cv, method_mapping=splits.add(caller="fit", callee="split")
    )
    if estimators:
        router.add(**estimators, method_mapping=fits.add(caller="fit", callee="fit"))
    return router


def routed_params(
    owner: Any, params: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of `split`, and those of `fit` of the estimator inside.

    Without metadata routing, `groups` is that of the splitter.
    """
    if params and is_routed():
        routed = process_routing(owner, "fit", **params)
        return routed["splitter"]["split"], routed.get("estimator", {}).get("fit", {})
    others = {name: value for name, value in params.items() if name != "groups"}
    groups = params.get("groups")
    return ({} if groups is None else {"groups": groups}), others

"""The package that a model comes from, found without importing the package."""

from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from bambi import Model as BambiModel
else:
    # Neither package need be installed when this module is imported.
    BambiModel = object


def is_model_of(model: object, package: str) -> bool:
    """Whether the object is an instance of a class ``Model`` of the package."""
    return any(
        base.__name__ == "Model" and base.__module__.split(".")[0] == package
        for base in type(model).__mro__
    )


def is_bambi(model: object) -> TypeGuard[BambiModel]:
    """Whether the object is a Bambi model."""
    return is_model_of(model, "bambi")

"""The package that a model comes from, found without importing the package."""


def is_model_of(model: object, package: str) -> bool:
    """Whether the object is an instance of a class ``Model`` of the package."""
    return any(
        base.__name__ == "Model" and base.__module__.split(".")[0] == package
        for base in type(model).__mro__
    )


def is_bambi(model: object) -> bool:
    """Whether the object is a Bambi model."""
    return is_model_of(model, "bambi")

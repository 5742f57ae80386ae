"""Errors for unknown keyword arguments, with the argument that was probably meant."""

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, ParamSpec, TypeVar

from isogmm.errors import KeywordError
from isogmm.model.checks.keyword_hints import hint_for

P = ParamSpec("P")
R = TypeVar("R")

#: Names that a message lists; the functions of this library have at most 30 arguments.
MAX_LISTED = 30
#: Similarity of two names above which one is taken for the other misspelt; that of ``refresh`` and
#: ``refine`` is 0.62, that of ``draw`` and ``draws`` 0.89.
MIN_SIMILARITY = 0.7
#: Attribute of a function: the options that it passes on.
_PASSED_ON = "isogmm_passed_on"


class _PassedOn(NamedTuple):
    """Names of the options that ``**options`` of a function may have; all or some of them."""

    names: tuple[str, ...] = ()
    is_complete: bool = False


def explains_keywords(
    function: Callable[P, R], *, also: Iterable[Callable[..., object]] = ()
) -> Callable[P, R]:
    """A decorator: the error for an unknown keyword argument says what was probably meant.

    The signature that ``help`` and editors show is that of the function.

    Parameters
    ----------
    function
        A public function with a parameter ``model``.
    also
        Functions that take the keyword arguments which ``function`` passes on.  If a call has the
        argument ``fit``, a function, this one takes them.

    Raises
    ------
    KeywordError
        At a call with a keyword argument that none of the functions has.
    """
    own = names_of(function)
    position = list(inspect.signature(function).parameters).index("model")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if any(name not in own for name in kwargs):
            model = args[position] if len(args) > position else kwargs.get("model")
            fit = kwargs.get("fit")
            takers = [fit] if callable(fit) else list(also)
            if not any(map(_takes_any, takers)):  # such a function checks them itself
                known = dict.fromkeys([*own, *names_of(*takers)])
                check_keywords(getattr(function, "__name__", ""), kwargs, known, model)
        return function(*args, **kwargs)

    return checked


def passes_on(
    names: Iterable[str], *, is_complete: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: ``**options`` of the function may have these names.

    Parameters
    ----------
    names
        The names.
    is_complete
        Whether other names are errors.
    """

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, _PASSED_ON, _PassedOn(tuple(names), is_complete))
        return function

    return decorator


def names_of(*functions: Callable[..., object]) -> list[str]:
    """Names of the keyword arguments of functions, with those that they pass on."""
    names: list[str] = []
    for function in functions:
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                names += [name] if name != "self" else []
        names.extend(_passed_on(function).names)
    return names


def check_options(
    name: str,
    method: Callable[..., object],
    options: Iterable[str],
    known: Iterable[str],
    model: object,
) -> None:
    """Check the names of the options with which a method will be called.

    Parameters
    ----------
    name
        Name of the public function, for the message.
    method
        The function that takes the options, as keyword-only arguments.  If it passes on options
        whose names are not all known, only parameters of the model and names of other libraries
        are errors.
    options
        What the user passed.
    known
        The arguments of the public function.
    model
        The model.

    Raises
    ------
    KeywordError
        If a name is not known.
    """
    parameters = inspect.signature(method).parameters.values()
    own = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    valid = dict.fromkeys([*known, *own, *_passed_on(method).names])
    if _takes_any(method):
        foreign = parameters_of(model)[0]
        options = [one for one in options if one in foreign or hint_for(one, valid)]
    check_keywords(name, options, valid, model)


def check_keywords(name: str, given: Iterable[str], known: Collection[str], model: object) -> None:
    """Check names of keyword arguments.

    Parameters
    ----------
    name
        Name of the public function, for the message.
    given, known
        The names in a call, and those that are valid.
    model
        The model.

    Raises
    ------
    KeywordError
        If a name is not known.
    """
    unknown = [each for each in given if each not in known]
    if not unknown:
        return
    listed = ", ".join(map(repr, unknown))
    which = "unexpected keyword arguments" if len(unknown) > 1 else "an unexpected keyword argument"
    message = f"{name}() got {which} {listed}."
    parameters, takes_any = parameters_of(model)
    of_model = [each for each in unknown if each in parameters]
    if of_model:
        entries = ", ".join(f"{each!r}: ..." for each in of_model)
        are = "is a parameter" if len(of_model) == 1 else "are parameters"
        message += (
            f" {', '.join(map(repr, of_model))} {are} of the model: pass "
            f"model_kwargs={{{entries}}}."
        )
    for each in unknown:
        if each not in of_model:
            message += _hint(each, known, takes_any)
    raise KeywordError(message)


def _hint(unknown: str, known: Collection[str], model_takes_any: bool) -> str:
    """A sentence about one unknown keyword argument, with a leading blank."""
    hint = hint_for(unknown, known)
    if hint is not None:
        return f" For {unknown!r}: {hint}"
    close = difflib.get_close_matches(unknown.lower(), known, n=1, cutoff=MIN_SIMILARITY)
    if close:
        return f" Did you mean {close[0]!r}?"
    if model_takes_any:
        return f" Pass it to the model as model_kwargs={{{unknown!r}: ...}}."
    names = [name for name in known if name != "model"]
    listed = ", ".join(names[:MAX_LISTED]) + (" and others" if len(names) > MAX_LISTED else "")
    return (
        f" The keyword arguments are {listed}; arguments of the model are passed as "
        "model_kwargs={...}."
    )


def parameters_of(model: object) -> tuple[list[str], bool]:
    """Names of the parameters of a model function, and whether it takes any keyword argument."""
    if not callable(model):
        return [], False
    try:
        parameters = inspect.signature(model).parameters
    except (TypeError, ValueError):  # built-in callables can lack a signature
        return [], False
    names = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return names, any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _passed_on(function: Callable[..., object]) -> _PassedOn:
    """The options that a function passes on."""
    found = getattr(function, _PASSED_ON, None)
    return found if isinstance(found, _PassedOn) else _PassedOn()


def _takes_any(function: Callable[..., object]) -> bool:
    """Whether a function takes keyword arguments whose names are not known."""
    return not _passed_on(function).is_complete and any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in inspect.signature(function).parameters.values()
    )

"""The warning at the end of a study."""

from collections import Counter
from collections.abc import Iterable

from isogmm.errors import warn_user
from isogmm.results.groups import attributes
from isogmm.results.labeling.labels import Verdict
from isogmm.studies.work import FailedFit, Outcome

#: Names of data sets, and messages, that a warning shows.
MAX_SHOWN = 5
#: Characters of an error that a warning shows.
MAX_CHARACTERS = 300


def warn_of_problems(outcomes: dict[str | int, Outcome]) -> None:
    """One warning about the failed and the unreliable fits of a study.

    Parameters
    ----------
    outcomes
        What became of each data set, by name.
    """
    failed = {
        name: each.result for name, each in outcomes.items() if isinstance(each.result, FailedFit)
    }
    unreliable = [
        name
        for name, each in outcomes.items()
        if not isinstance(each.result, FailedFit)
        and attributes(each.result).get("verdict") == Verdict.UNRELIABLE.value
    ]
    sentences = []
    if failed:
        first = next(iter(failed.values()))
        text = f"{type(first.error).__name__}: {first.error}"[:MAX_CHARACTERS]
        sentences.append(
            f"{len(failed)} of {len(outcomes)} data sets could not be fitted ({_names(failed)}); "
            f"the error of {first.dataset!r}: {text}"
        )
    if unreliable:
        sentences.append(
            f"the verdict of {len(unreliable)} of {len(outcomes)} fits is unreliable "
            f"({_names(unreliable)}); isogmm.report(result) shows the reason"
        )
    others = Counter(
        message
        for name, each in outcomes.items()
        if name not in unreliable
        for message in each.messages
    )
    sentences += [
        f"in {count} fits: {message[:MAX_CHARACTERS]}"
        for message, count in others.most_common(MAX_SHOWN)
    ]
    if sentences:
        warn_user("isogmm.fit_many: " + ". ".join(sentences))


def _names(names: Iterable[str | int]) -> str:
    listed = [repr(name) for name in names]
    rest = ", ..." if len(listed) > MAX_SHOWN else ""
    return ", ".join(listed[:MAX_SHOWN]) + rest

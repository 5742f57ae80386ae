"""A change of one place in the sources that tests must detect."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A text in a file, the text that replaces it, and the tests that must fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, source: str) -> str:
        """The source with the fault; the old text must occur exactly once."""
        if source.count(self.old) != 1:
            count = source.count(self.old)
            raise ValueError(f"{self.name}: {self.file} has the text {count} times, not once")
        return source.replace(self.old, self.new)

"""Names that a person could take for another (typosquatting). Pure; warns, never refuses."""

from collections.abc import Iterable

__all__ = ["names_near"]

# What looks alike in common fonts, longest first.
_ALIKE = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
SHORT = 4  # names of at most so many letters differ by one from half the dictionary
LONG = 8  # from here on two slips count as near


def names_near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known names, other than `name` itself, that it could be mistaken for."""
    return tuple(other for other in sorted(set(known)) if other != name and _near(name, other))


def _near(one: str, other: str) -> bool:
    left, right = _skeleton(one), _skeleton(other)
    if left == right:
        return True
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < SHORT else 1 if shorter < LONG else 2
    return _distance(one, other) <= allowed


def _skeleton(name: str) -> str:
    plain = name.replace("-", "").replace("_", "").replace(".", "").lower()
    for seen, meant in _ALIKE:
        plain = plain.replace(seen, meant)
    return plain


def _distance(one: str, other: str) -> int:
    """Edits from one to the other: insert, delete, replace, swap two neighbours."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            swapped = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted
            row.append(min(best, last[j - 2] + 1) if swapped else best)
    return row[-1]

"""Text with something to learn in it."""

from collections.abc import Sequence

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def sums(numbers: Sequence[int]) -> list[str]:
    """ "three and four make seven. " and so on: text with something to learn in it."""
    return [
        "".join(f"{WORDS[n % 5]} and {WORDS[k]} make {WORDS[n % 5 + k]}. " for k in range(1 + n % 5)) for n in numbers
    ]

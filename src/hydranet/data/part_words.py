"""Words that say what an image is for, in columns, names of folders and names of lists."""

TRAIN = ("train", "training", "trn")
VALIDATION = ("val", "valid", "validation", "eval", "dev")
TEST = ("test", "testing", "tst", "holdout")
USUAL = {word: words[0] for words in (TRAIN, VALIDATION, TEST) for word in words}
"""The usual word for the part that each of them means."""


def state_a_split(words: set[str]) -> bool:
    """Whether words, in lower case, are names of parts of a data set and of nothing else, one of them to train on."""
    return words <= {*TRAIN, *VALIDATION, *TEST} and bool(words & {*TRAIN}) and bool(words - {*TRAIN})


def held_out(words: set[str]) -> tuple[str, ...]:
    """Which of the words of a split name what is scored: those of validation, or of test where there is none."""
    kind = VALIDATION if words & {*VALIDATION} else TEST
    return tuple(word for word in kind if word in words)


def unused(words: set[str], count: int) -> str:
    """What a split leaves aside, as the end of a sentence: images of test beside validation, and those of no part.

    count: of such images; none, and there is nothing to say.
    """
    test = ", ".join(word for word in TEST if word in words) if words & {*VALIDATION} else ""
    return f"; {count} other{'s' * (count > 1)}{test and f' ({test})'} not used" if count else ""

"""What all our errors share, and the one of recipes."""


class UserError(Exception):
    """An error whose message is a sentence for the user: what was given, what was expected, the cure."""


class SpecError(UserError, ValueError):
    """A recipe that cannot be understood: what was given, what was expected, the cure."""


MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What it ends in to use values of a file, such as JSON, as something that they are not. UserErrors are among them."""

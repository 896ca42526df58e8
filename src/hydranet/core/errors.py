"""The one thing all our errors share."""


class UserError(Exception):
    """An error whose message is a sentence for the user: what was given, what was expected, the cure."""

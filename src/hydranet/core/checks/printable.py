"""Names and messages of others on a terminal: no letter of them commands it, and none is taken for markup."""


def printable(text: str) -> str:
    """Text whose control characters are question marks; line ends and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)


def cell(text: object) -> str:
    """Text for a cell, a title or a head of a rich table, shown letter by letter: "[bold]" is no markup."""
    from rich.markup import escape

    return escape(printable(str(text)).replace("\n", " "))

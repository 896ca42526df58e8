"""hydranet licenses"""

from hydranet.cli.terminal import say


def licenses() -> None:
    """List the packages that are installed with hydranet and their licenses; ends with 1 where one is AGPL."""
    import typer

    from hydranet.reporting.licenses import binding, installed

    rows = installed()
    width = max(len(row.package) for row in rows)
    for row in rows:
        remark = f"  ({row.remark})" if row.remark else ""
        say(f"{row.package:{width}}  {row.version:14}  {row.license}{remark}")
    bound = binding(rows)
    names = ", ".join(row.package for row in bound) or "none"
    say(f"{len(rows)} packages; under AGPL or the like: {names}")
    if bound:
        raise typer.Exit(1)

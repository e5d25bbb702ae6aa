"""`formats`: what can be read here."""

from __future__ import annotations

import typer

from stylesearch.cli.app import JsonOption, app, examples, print_json, print_table


@app.command(epilog=examples("stylesearch formats", "stylesearch formats --json"))
def formats(as_json: JsonOption = False) -> None:
    """Show which formats are read, which extra brings each, and whether it is installed.

    The content of a file decides its format; extensions, in any case, only say which files are looked at first.
    """
    from stylesearch.formats import TABLE

    rows = [
        {
            "format": row.name,
            "extensions": list(row.extensions),
            "decoded": row.decoder is not None,
            "extra": row.package.extra if row.package else None,
            "installed": row.installed,
            "parts": row.parts,
        }
        for row in TABLE
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("Format", "Extensions", "Extra", "Installed", "Parts"),
        [
            (
                row.name,
                " ".join(row.extensions),
                row.package.extra if row.package else "-",
                "yes" if row.installed else "no" if row.decoder else "never",
                row.parts or "-",
            )
            for row in TABLE
        ],
    )
    if missing := sorted({row.package.extra for row in TABLE if row.package and not row.installed}):
        typer.echo(f"Install what is missing with: pip install 'stylesearch[{','.join(missing)}]'", err=True)

"""What a speed benchmark finds: plain values, their JSON, and the tables that a person reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Row:
    """One side of a comparison.

    Attributes:
        side: what was measured.
        values: by a name that ends with its unit, such as "p50 ms".
    """

    side: str
    values: dict[str, float]


@dataclass(frozen=True)
class Part:
    """One question, and its answers.

    Attributes:
        name: as `benchmarks.speed.PARTS` has it.
        setting: what was measured on what, in a sentence.
        rows: empty where it could not be measured.
        absent: sentences: which sides are not there, and why.
    """

    name: str
    setting: str
    rows: tuple[Row, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """Everything that a run found.

    Attributes:
        machine, versions, commit: see `benchmarks.machine`.
        parts: in the order of the run.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    commit: str
    parts: tuple[Part, ...]

    def to_json(self) -> str:
        """Keys in the order of the fields, two spaces a level, a new line at the end."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def print(self, console: Console) -> None:
        """One table for each part; what is missing is said below it."""
        console.print(Text("  ".join(self.machine.values())))
        console.print(Text("  ".join(f"{name} {version}" for name, version in self.versions.items())))
        if self.commit:
            console.print(Text(f"commit {self.commit}"))
        for part in self.parts:
            console.print(_rendered(part))


def _rendered(part: Part) -> RenderableType:
    lines: list[RenderableType] = [Text(f"\n{part.name}: {part.setting}")]
    if part.rows:
        columns = list(dict.fromkeys(name for row in part.rows for name in row.values))
        table = Table("")
        for name in columns:
            table.add_column(name, justify="right")
        for row in part.rows:
            table.add_row(Text(row.side), *(_number(row.values.get(name)) for name in columns))
        lines.append(table)
    return Group(*lines, *(Text(f"Not measured: {sentence}") for sentence in part.absent))


def _number(value: float | None) -> str:
    """Three digits that count, as far as they are digits."""
    if value is None:
        return ""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{places}f}"

"""What prose says in numbers: pages of the book name a number or a table, and the build puts it there.

In: book/numbers.yml, and tables that commands of this repository wrote (data/results, benchmarks/results). Out: text in Markdown, one
for each name; a page has {{ name }} in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .analysis.comparison import CHROMATIN_BASELINES, OTHERS
from .baselines import PEERS
from .config import KEPT, ROOT, InputError, Task, first_fault
from .evaluation import FIRST_METRIC, METRIC_NAMES
from .files import write_whole
from .profile import load_profile, profile_names
from .studies import OURS

NUMBERS = ROOT / "book" / "numbers.yml"
# Kinds of models that stand beside ours: how their names begin.
BEFORE = tuple(spec.title for spec in PEERS.values() if spec.window_bp)  # GC-MERGE predicts other genes
SIMPLE = tuple(name.rstrip(", ") for name in CHROMATIN_BASELINES)
SCORES: dict[Task, str] = {"clf": "ROC-AUC", "reg": "r, level", "diff": "r, fold change"}  # FIRST_METRIC in words
README_TASKS: tuple[Task, ...] = ("clf", "diff")  # rows of which the README has
BOARD = ("profile", "genes", "score", OURS, "best before it", "best simple", "other cells")
SIMULATED = ", simulated"
BEST_BEFORE, BEST_SIMPLE = "Best network before it", "Best simple model"  # as the figure of the scoreboard names them
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Number(BaseModel):
    """One cell of a table, or value [low, high] of one row."""

    model_config = _STRICT

    table: str                    # path from the repository's root, without .csv
    where: dict[str, str | int | float]
    show: str | None = None       # the column; None: value, low and high
    digits: int = 3               # behind the point
    interval: bool = True         # also of a column that holds text such as "0.949 [0.946, 0.952]"


class Columns(BaseModel):
    """Some columns of a table, and of another one with the same rows beside them."""

    model_config = _STRICT

    table: str
    columns: tuple[str, ...]
    names: dict[str, str] = {}    # column -> its heading
    where: dict[str, str | int | float] = {}
    digits: int = 3
    beside: Columns | None = None


def substitutions(path: Path = NUMBERS) -> dict[str, str]:
    """Every name that a page may use -> its text.

    Raises
    ------
    InputError
        An entry that is wrong, or that does not name one row; the message says which.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    texts = {name: _in_text(name, _checked(name, Number, entry)) for name, entry in entries["numbers"].items()}
    texts |= {name: markdown(_in_table(name, _checked(name, Columns, entry))) for name, entry in entries["tables"].items()}
    return texts | {f"scoreboard_{task}": markdown(scoreboard([task]).drop(columns=["score"])) for task in SCORES}


def scoreboard(tasks: Sequence[Task] = ("clf", "reg", "diff")) -> pd.DataFrame:
    """Notebook 3 of every profile whose tables are kept, in a row per task, profile and cell type: the columns BOARD.

    Real profiles come first, within them the one with most genes. The best of several was picked by these scores; its interval is
    in the tables of notebook 3. Other cells: their mean expression.
    """
    rows = [_row(name, cells, SCORES[task], n_genes, scores) for task, name, cells, n_genes, scores in _kept(tasks)]
    table = pd.DataFrame(rows, columns=list(BOARD)).sort_values("genes", ascending=False, kind="stable")
    return table.sort_values(["profile", "score"], key=_place, kind="stable", ignore_index=True)


def points() -> pd.DataFrame:
    """The scoreboard of all tasks as points, in the columns of `plots.plot_intervals`: row, model, metric, value, low, high, simulated.

    Rows stand as in `scoreboard`, levels before fold changes. Of models of a kind there is the best, under the name of the kind.
    """
    rows = []
    for task, name, cells, n_genes, scores in _kept(SCORES):
        is_change = task == "diff"
        about = {"row": f"{name}\n{cells}{', fold change' * is_change}", "simulated": load_profile(name).simulated, "genes": n_genes, "is_change": is_change}
        kinds = {OURS: OURS, BEST_BEFORE: _best(scores, BEFORE), BEST_SIMPLE: _best(scores, SIMPLE), OTHERS: OTHERS}
        for kind, model in kinds.items():
            found = re.findall(r"-?\d+\.\d+", scores.get(model, ""))
            if found:
                value, low, high = [*map(float, found), *[float("nan")] * 2][:3]
                rows.append(about | {"model": kind, "metric": FIRST_METRIC[task], "value": value, "low": low, "high": high})
    columns = ["row", "model", "metric", "value", "low", "high", "simulated"]
    table = pd.DataFrame(rows, columns=[*columns, "genes", "is_change"])
    return table.sort_values(["is_change", "simulated", "genes"], ascending=[True, True, False], ignore_index=True)[columns]


def update(readme: Path = ROOT / "README.md") -> None:
    """Put today's scoreboard and times of training into the README, which no build fills in, where such stand."""
    new = markdown(scoreboard(README_TASKS))
    head = re.escape(new.partition("\n")[0])
    text = re.sub(rf"^{head}\n(\|.*\n)*", lambda _: f"{new}\n", readme.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for name, time in times().items():
        text = re.sub(rf"^(\| `{name}`.* \| )\d[\d.]* min \|$", rf"\g<1>{time} |", text, flags=re.MULTILINE)
    write_whole(readme, lambda path: path.write_text(text, encoding="utf-8"))


def times() -> dict[str, str]:
    """Profile -> what all trainings of notebook 3 took, added up, as it was kept."""
    tables = {path.parent.name: pd.read_csv(path) for path in sorted(KEPT.glob("*/03_costs.csv"))}
    return {name: f"{(table['minutes'] * table['runs']).sum():.1f} min" for name, table in tables.items()}


def markdown(table: pd.DataFrame) -> str:
    """A table of text and whole numbers."""
    lines = [list(table.columns), ["---"] * table.shape[1], *([_cell(value) for value in row] for row in table.itertuples(index=False))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _kept(tasks: Iterable[Task]) -> Iterator[tuple[Task, str, str, int, pd.Series]]:
    """Task, profile, cell types, genes, and by model the first metric as text, of notebook 3 of every profile whose tables are kept."""
    for task in tasks:
        for name in profile_names():
            path = KEPT / name / f"03_metrics_{task}.csv"
            for cells, part in pd.read_csv(path).groupby("cell_type", sort=False) if path.exists() else ():
                yield task, name, cells, int(part["n"].max()), part.set_index("model")[FIRST_METRIC[task]]


def _row(name: str, cells: str, score: str, n_genes: int, scores: pd.Series) -> tuple:
    about = f"`{name}` {cells}" + (SIMULATED if load_profile(name).simulated else "")
    best = [f"{scores[model].partition(' ')[0]} {model}" if (model := _best(scores, kind)) else "–" for kind in (BEFORE, SIMPLE)]
    return (about, n_genes, score, _tidy(scores.get(OURS, "–")), *best, scores.get(OTHERS, "–").partition(" ")[0])


def _place(column: pd.Series) -> pd.Series:
    """Real before simulated profiles, and scores in the order of SCORES."""
    return column.str.endswith(SIMULATED) if column.name == "profile" else column.map(list(SCORES.values()).index)


def _tidy(score: str) -> str:
    return score.replace("[nan, nan]", "[–]")  # an interval that means nothing


def _best(scores: pd.Series, kind: tuple[str, ...]) -> str:
    """The model of a kind that has the highest score, "" where none has any."""
    own = scores[scores.index.str.startswith(kind) & (scores != "–")]
    return "" if own.empty else own.str.partition(" ")[0].astype(float).idxmax()


def _checked(name: str, kind: type[BaseModel], entry: Any) -> Any:
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        raise InputError(f"book/numbers.yml: {name}: {first_fault(error)}; correct it") from None


def _rows(name: str, table: str, where: Mapping[str, str | int | float], columns: Sequence[str]) -> pd.DataFrame:
    path = ROOT / f"{table}.csv"
    if not path.is_file():
        raise InputError(f"book/numbers.yml: {name}: {table}.csv does not exist; correct it, or keep that table")
    found = pd.read_csv(path)
    if absent := [column for column in (*where, *columns) if column not in found]:
        raise InputError(f"book/numbers.yml: {name}: {table} has no column {absent[0]!r}, expected one of {', '.join(found)}")
    for column, value in where.items():
        found = found[found[column] == value]
    return found


def _in_text(name: str, entry: Number) -> str:
    columns = [entry.show] if entry.show else ["value", "low", "high"]
    rows = _rows(name, entry.table, entry.where, columns)
    if len(rows) != 1:
        raise InputError(f"book/numbers.yml: {name}: {len(rows)} rows of {entry.table} where {entry.where}, expected one; add or correct columns")
    cells = [rows.iloc[0][column] for column in columns]
    if isinstance(cells[0], str):
        return _tidy(cells[0]) if entry.interval else cells[0].partition(" ")[0]
    texts = [f"{value:,.{entry.digits}f}" for value in cells]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if not entry.show and entry.interval else texts[0]


def _in_table(name: str, entry: Columns) -> pd.DataFrame:
    table = _rows(name, entry.table, entry.where, entry.columns)[list(entry.columns)].reset_index(drop=True)
    table = table.apply(lambda column: column.map(lambda value: _cell(value, entry.digits)))
    if entry.beside:
        key = entry.columns[0]
        other = _in_table(name, entry.beside.model_copy(update={"columns": (key, *entry.beside.columns)}))
        table = table.merge(other, on=key, how="left", validate="1:1").fillna("–")
    return table.rename(columns=METRIC_NAMES | entry.names)


def _cell(value: object, digits: int = 3) -> str:
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:,.0f}" if value.is_integer() else f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else _tidy(str(value)).replace("|", "\\|")

"""A figure in which a reader chooses the gene: tracks, contacts, attention and scores of its pCREs.

In: tables of analysis.portraits. Out: HTML with its data and its script inside, which asks no server for anything.
"""

from __future__ import annotations

import html
import json
from importlib import resources

import pandas as pd

from ..analysis.portraits import BIN_BP, Portraits
from ..files import write_whole
from ..profile import Profile
from .learned import SIGN_COLOURS
from .style import MARK_COLOURS, OTHER, csv_link, origin

DIGITS = 4  # of depth and attention: more cannot be seen
FORM = """<figure class="choose-gene">
<p><label>Gene <select>{options}</select></label></p>
<p aria-live="polite"></p>
<div class="drawn"></div>
<noscript>This figure is drawn by a script, which this browser does not run; its tables are below.</noscript>
<table class="dataframe"><thead><tr><th>score</th><th>distance (kb)</th><th>contact</th><th>pCRE</th></tr></thead><tbody></tbody></table>
<figcaption>{caption}</figcaption>
<script type="application/json">{data}</script>
<script>{script}</script>
</figure>"""


class Chooser:
    """The figure as a notebook and the book show it."""

    def __init__(self, page: str, caption: str) -> None:
        self.page, self.caption = page, caption

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return f"Figure: {self.caption}"


def choose_gene(shown: Portraits, *, profile: Profile, name: str, cell_type: str, unit: str, caption: str) -> Chooser:
    """Save the tables of portraits as results/<name>_<table>.csv, and return a figure of one gene with a list to choose from."""
    for table_name, table in shown._asdict().items():
        write_whole(profile.work_dir / "results" / f"{name}_{table_name}.csv", lambda path, table=table: table.to_csv(path, index=False))
    caption = f"{caption} {origin(profile)}"
    links = ", ".join(csv_link(f"{name}_{table_name}") for table_name in shown._fields)
    genes = [_of_gene(shown, gene) for gene in shown.genes.to_dict("records")]
    marks = list(shown.tracks["mark"].unique())
    data = {
        "cell_type": cell_type, "unit": unit, "marks": marks, "step": BIN_BP, "bin_bp": sorted(map(int, shown.attention["bin_bp"].unique()), reverse=True),
        "colours": {mark: MARK_COLOURS.get(mark, OTHER) for mark in marks}, "sign_colours": [SIGN_COLOURS[False], SIGN_COLOURS[True]], "genes": genes,
    }  # fmt: skip
    page = FORM.format(
        options="".join(f"<option>{html.escape(gene['symbol'])}, {'on' if gene['label'] else 'off'}</option>" for gene in genes),
        caption=f"{html.escape(caption)} {links}",
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c"),  # which would end the script
        script=resources.files(__package__).joinpath("genes.js").read_text(encoding="utf-8"),
    )
    return Chooser(page, caption)


def _of_gene(shown: Portraits, gene: dict) -> dict:
    """What the script reads of one gene: numbers and texts of JSON, null where there is no number."""
    regions, tracks, attention = (table[table["gene_id"] == gene["gene_id"]] for table in (shown.regions, shown.tracks, shown.attention))
    depth = {region: {mark: _rounded(rows["depth"]) for mark, rows in part.groupby("mark", sort=False)} for region, part in tracks.groupby("region", sort=False)}
    columns = ["what", "region", "distance", "contact", "contribution", "x_start", "x_end"]
    symbol = gene["symbol"] if isinstance(gene["symbol"], str) and gene["symbol"] else gene["gene_id"]
    return _plain(gene) | {
        "symbol": symbol,
        "regions": [_plain(row) | {"depth": depth[row["region"]]} for row in regions[columns].to_dict("records")],
        "top": {mark: max(rows["depth"].max(), 1.0) for mark, rows in tracks.groupby("mark", sort=False)},
        "attention": [_rounded(rows["attention"]) for _, rows in sorted(attention.groupby("bin_bp"), reverse=True)],
    }


def _plain(row: dict) -> dict:
    return {key: None if pd.isna(value) else value.item() if hasattr(value, "item") else value for key, value in row.items()}


def _rounded(values: pd.Series) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]

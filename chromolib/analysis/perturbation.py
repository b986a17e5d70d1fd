"""What a network says of a gene whose input is edited: marks set, scaled or removed, pCREs cut.

In: a dataset and a table of edits; depth in what the store holds (reads per bp), positions in bp. Out: one row per edit, the
predicted change in the unit of the score: logit of being on (clf) or log2(RPKM + 1) (reg).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..answers import networks
from ..checkpoints import Network
from ..config import InputError
from ..dataset import GENE_COLUMNS, GeneDataset
from ..genome import Region
from ..pooling import bp_on_chromosome
from ..profile import Profile
from ..runs import Run
from ..train import predict, score_of
from . import pcres

PROMOTER, ALL = "promoter", "all"
OPERATIONS = ("set", "scale", "remove", "cut")
REQUIRED = ("gene_id", "edit", "region", "operation")
CHUNK = 1024  # edits at a time, to bound memory: some 100 MB with the paper's windows
KEYS = ["gene_id", "edit"]


class Place(NamedTuple):
    """Narrow bins of a region, in genome order: what one edit changes some of."""

    depth: np.ndarray       # (l, m)  a view, changed in place
    start: np.ndarray       # (l,)    bp from the first of the region
    covered_bp: np.ndarray  # (l,)    of each bin that lie on the chromosome
    width_bp: np.ndarray    # (l,)    by which the bin's reads are divided


# Edits


def checked(data: GeneDataset, edits: pd.DataFrame) -> pd.DataFrame:
    """Edits with all columns, each row found in the dataset.

    Parameters
    ----------
    edits : DataFrame
        gene_id; edit: a name, unique for its gene, shared by rows that are done together, in their order; region: "promoter" or
        the name of one of the gene's pCREs; operation:
            set      depth becomes `value`
            scale    depth is multiplied by `value`
            remove   depth becomes 0
            cut      the pCRE is no longer there: no signal, no contact. No other pCRE takes its place
        mark (default "all"), value, start and end (default: the whole region), bp: of a promoter from the TSS in the direction
        of transcription, of a pCRE from its first bp in the direction of the genome. `from_genome` takes positions of a genome.
        A narrow bin that is edited in part counts by the share of its bp, as if its reads lay evenly.

    Returns
    -------
    DataFrame
        The same with gene (position in `data.genes`) and rank (of the pCRE among the gene's, 0 the strongest; -1: promoter).

    Raises
    ------
    InputError
        Columns missing; a gene, pCRE, mark or operation that is not there; a value or position that does not fit. The message
        names the first row that is wrong.
    """
    if absent := [name for name in REQUIRED if name not in edits]:
        raise InputError(f"edits: no column {absent[0]!r}, found {', '.join(map(str, edits))}; expected {', '.join(REQUIRED)}")
    rows = edits.reset_index(drop=True).reindex(columns=[*REQUIRED, "mark", "value", "start", "end"])
    rows["mark"] = rows["mark"].astype(object).where(rows["mark"].notna(), ALL)
    rows[["value", "start", "end"]] = rows[["value", "start", "end"]].astype(float)
    rows["gene"] = pd.Index(data.genes["gene_id"]).get_indexer(rows["gene_id"])
    rows["rank"] = _ranks(data, rows)
    is_promoter, operation = rows["region"] == PROMOTER, rows["operation"]
    needs_value = operation.isin(["set", "scale"])
    is_part = rows["mark"].ne(ALL) | rows["start"].notna() | rows["end"].notna()
    for wrong, column, expected in (
        (rows["gene"] < 0, "gene_id", f"one of the {len(data):,} of {data.cell_type}"),
        (~operation.isin(OPERATIONS), "operation", f"one of {', '.join(OPERATIONS)}"),
        (~is_promoter & (rows["rank"] < 0), "region", "promoter or a pCRE of the gene; pcres.pairs lists them"),
        (~rows["mark"].isin([ALL, *data.marks]), "mark", f"all or one of {', '.join(data.marks)}"),
        (operation.eq("cut") & (is_promoter | is_part), "operation", "cut of a whole pCRE; `remove` takes marks or parts"),
        (needs_value & ~(np.isfinite(rows["value"]) & (rows["value"] >= 0)), "value", f"0 or more, since its operation is {' or '.join(OPERATIONS[:2])}"),
        (rows["end"] <= rows["start"], "end", "a position behind start"),
    ):  # fmt: skip
        _refuse(rows, wrong, column, expected)
    return rows


def from_genome(data: GeneDataset, edits: pd.DataFrame) -> pd.DataFrame:
    """Edits whose start and end are positions of the genome, with those that `changes` takes."""
    genes = data.genes.set_index("gene_id").reindex(edits["gene_id"])
    is_promoter, is_minus = (edits["region"] == PROMOTER).to_numpy(), (genes["strand"] == "-").to_numpy()
    origin = genes["tss"].to_numpy(float)
    origin[~is_promoter] = [Region.parse(name).start for name in edits.loc[~is_promoter, "region"]]
    start, end = edits["start"].to_numpy(float) - origin, edits["end"].to_numpy(float) - origin
    is_turned = is_promoter & is_minus
    return edits.assign(start=np.where(is_turned, -end, start), end=np.where(is_turned, -start, end))


def _ranks(data: GeneDataset, rows: pd.DataFrame) -> np.ndarray:
    """Rank of each row's region among the pCREs of its gene, -1 where it is none of them."""
    gene_pcre, _ = data.touching()
    gene, rank = np.nonzero(gene_pcre >= 0)
    names = data.store["region"].values[gene_pcre[gene, rank]]
    known = pd.Series(rank, index=pd.MultiIndex.from_arrays([data.genes["gene_id"].to_numpy()[gene], names]), dtype=np.int64)
    return known.reindex(pd.MultiIndex.from_frame(rows[["gene_id", "region"]]), fill_value=-1).to_numpy()


def _refuse(rows: pd.DataFrame, wrong: pd.Series, column: str, expected: str) -> None:
    if wrong.any():
        row = rows.loc[wrong.idxmax()]
        raise InputError(f"edit {row['edit']} of {row['gene_id']}: {column} is {row[column]}, expected {expected}; correct the edit")


# The edited input


def edited(data: GeneDataset, edits: pd.DataFrame) -> GeneDataset:
    """A dataset that has a gene for each edit, in the order in which edits appear first.

    Depth is edited in the narrow bins of the store, and goes the way of any other from there: pooled over each bin width, then
    its logarithm. So an edit is the same at all bin widths, and to edit equals to rebuild the features with edited depth.
    `edits` as in `checked`.
    """
    rows = checked(data, edits)
    each = rows.drop_duplicates(KEYS)
    rows["number"] = rows.groupby(KEYS, sort=False).ngroup()
    store, base_bp = data.store, int(data.store.attrs["base_bp"])
    at = store.indexes["gene_id"].get_indexer(each["gene_id"])
    marks = [store["mark"].values.tolist().index(mark) for mark in data.marks]
    gene_pcre, contact = (values[each["gene"].to_numpy()] for values in data.touching())     # (edit, rank), copies
    cut = rows[rows["operation"] == "cut"]
    gene_pcre[cut["number"], cut["rank"]], contact[cut["number"], cut["rank"]] = -1, 0
    promoter = store["promoter"].values[at][..., marks]
    source = _own_pcres(rows, gene_pcre)
    row = store["pcre_row"].values
    n_rows = row[source + 1] - row[source]
    pcre_row = np.concatenate([[0], np.cumsum(n_rows)])
    taken = np.arange(pcre_row[-1]) + np.repeat(row[source] - pcre_row[:-1], n_rows)
    pcre_depth = store["pcre_depth"].values[taken][:, marks]
    region = store["region"].values[source]
    for edit in rows[rows["operation"] != "cut"].itertuples():
        if edit.rank < 0:
            place = _window(store, promoter[edit.number], at[edit.number], base_bp)
        elif (pcre := gene_pcre[edit.number, edit.rank]) >= 0:                               # else it is cut already
            place = _pcre(pcre_depth[pcre_row[pcre] : pcre_row[pcre + 1]], Region.parse(region[pcre]).width, base_bp)
        else:
            continue
        is_turned = edit.rank < 0 and store["strand"].values[at[edit.number]] == "-"
        _apply(edit, place, data, is_turned)
    part = store[[*GENE_COLUMNS, "chrom_bp", "gene_id"]].isel(gene=at)
    part = part.drop_dims([name for name in part.dims if name != "gene"]).assign(
        promoter=(("gene", "bin", "mark"), promoter), pcre_depth=(("row", "mark"), pcre_depth), pcre_row=("edge", pcre_row),
        gene_pcre=(("gene", "rank"), gene_pcre), contact=(("gene", "rank"), contact),
    )  # fmt: skip
    part = part.assign_coords(mark=list(data.marks), region=("pcre", region)).assign_attrs(store.attrs)
    made = GeneDataset(part, task=data.task, marks=data.marks, bin_bp=data.bin_bp, window_bp=data.window_bp, log_base=data.log_base)
    made.contacts = data.contacts  # they are chosen already
    return made.to(data.device, data.dtype)


def _own_pcres(rows: pd.DataFrame, gene_pcre: np.ndarray) -> np.ndarray:
    """Number the pCREs anew in `gene_pcre`, with a copy for each that an edit changes; which of the store each is, (p,)."""
    used, number = np.unique(gene_pcre, return_inverse=True)
    used, number = (used[1:], number - 1) if len(used) and used[0] < 0 else (used, number)
    original = gene_pcre.copy()
    gene_pcre[:] = number.reshape(gene_pcre.shape)
    changed = rows.loc[(rows["operation"] != "cut") & (rows["rank"] >= 0), ["number", "rank"]].drop_duplicates().to_numpy()
    changed = changed[gene_pcre[changed[:, 0], changed[:, 1]] >= 0]
    gene_pcre[changed[:, 0], changed[:, 1]] = len(used) + np.arange(len(changed))
    return np.concatenate([used, original[changed[:, 0], changed[:, 1]]]).astype(np.int64)


def _window(store, depth: np.ndarray, gene: int, base_bp: int) -> Place:
    start = base_bp * np.arange(len(depth))
    first = store["tss"].values[gene] - len(depth) * base_bp // 2
    covered_bp = bp_on_chromosome(first + start, base_bp, store["chrom_bp"].values[gene])
    # Reads of a bin that crosses an end of its chromosome are divided by its whole width; see features.build.
    return Place(depth, np.maximum(start, -first), covered_bp, np.full(len(depth), base_bp))


def _pcre(depth: np.ndarray, width_bp: int, base_bp: int) -> Place:
    start = base_bp * np.arange(len(depth))
    own_bp = np.minimum(start + base_bp, width_bp) - start
    return Place(depth, start, own_bp, own_bp)


def _apply(edit, place: Place, data: GeneDataset, is_turned: bool) -> None:
    """Change the depth of a place as an edit says, in the bins that it touches."""
    low, high = -np.inf if np.isnan(edit.start) else edit.start, np.inf if np.isnan(edit.end) else edit.end
    if is_turned:
        low, high = -high, -low
    if edit.rank < 0:
        half = data.frame_bp // 2
        low, high = low + half, high + half
    touched_bp = np.minimum(high, place.start + place.covered_bp) - np.maximum(low, place.start)
    share = np.clip(touched_bp, 0, None) / np.maximum(place.covered_bp, 1)                   # (l,)
    mark = slice(None) if edit.mark == ALL else [data.marks.index(edit.mark)]
    factor = 1 - share if edit.operation != "scale" else 1 + share * (edit.value - 1)
    place.depth[:, mark] *= factor[:, None].astype(np.float32)
    if edit.operation == "set":
        place.depth[:, mark] += (edit.value * share * place.covered_bp / place.width_bp)[:, None].astype(np.float32)


# What networks say


def changes(model: Network, data: GeneDataset, edits: pd.DataFrame) -> pd.DataFrame:
    """Predicted effect of each edit: gene_id, edit, before, after, change (after minus before).

    before and after are scores as in `answers.scores`: clf, the logit of being on; reg, log2(RPKM + 1). The network must not
    have seen the genes in training for the numbers to mean anything; `of_runs` sees to that. `edits` as in `checked`.

    Raises
    ------
    InputError
        As `checked`, or a network of fold changes, which reads two cell types.
    """
    if model.config.task == "diff":
        raise InputError("edits: the network predicts fold changes of two cell types, expected a classifier or regressor; take one of these")
    rows = checked(data, edits)
    each = rows.drop_duplicates(KEYS)[KEYS].reset_index(drop=True)
    if each.empty:
        return each.assign(before=0.0, after=0.0, change=0.0)
    before = _scores(model, data.select(genes=each["gene_id"].unique().tolist()))
    after = pd.concat([_scores(model, edited(data, part)) for part in _chunks(rows)], ignore_index=True)
    each = each.assign(before=each["gene_id"].map(before.set_index("gene_id")["score"]), after=after["score"])
    return each.assign(change=each["after"] - each["before"])


def _chunks(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Rows of some edits at a time, edits in the order of their first rows."""
    number = rows.groupby(KEYS, sort=False).ngroup().to_numpy() // CHUNK
    for chunk in range(number.max() + 1):
        yield rows[number == chunk]


def _scores(model: Network, data: GeneDataset) -> pd.DataFrame:
    table = predict(model, data)
    return table[["gene_id"]].assign(score=score_of(table, model.config.task).astype(float))


def of_runs(runs: Iterable[Run], make: Callable[[GeneDataset], pd.DataFrame], n_genes: int | None = None) -> pd.DataFrame:
    """`changes` by each run's network, of genes that it did not see: cell_type, task, fold, seed, then as `changes`.

    `make` is given the held-out genes of a run, all or `n_genes` of them drawn at random, and returns edits, such as `removals`.
    """
    tables = []
    for run, model, held_out in networks(runs):
        held_out = drawn(held_out, n_genes)
        table = changes(model, held_out, make(held_out))
        tables.append(table.assign(cell_type=run.cell_type, task=run.task, fold=run.fold, seed=run.seed))
    table = pd.concat(tables, ignore_index=True)
    return table[["cell_type", "task", "fold", "seed", *KEYS, "before", "after", "change"]]


def drawn(data: GeneDataset, n_genes: int | None, seed: int = 0) -> GeneDataset:
    """A dataset with at most so many genes, drawn at random, in their order; None: all of them."""
    if n_genes is None or len(data) <= n_genes:
        return data
    chosen = np.sort(np.random.default_rng(seed).choice(len(data), n_genes, replace=False))
    return data.select(genes=data.genes["gene_id"].iloc[chosen].tolist())


# Edits that questions need


def removals(data: GeneDataset) -> pd.DataFrame:
    """Each pCRE of each gene cut, one at a time; an edit goes by the name of its region."""
    table = pcres.pairs(data)[["gene_id", "region"]]
    return table.assign(edit=table["region"], operation="cut")


def silencings(data: GeneDataset) -> pd.DataFrame:
    """All marks removed from each pCRE of each gene, one at a time, its contact as it was: what CRISPRi does to active regions."""
    return removals(data).assign(operation="remove")


def all_cut(data: GeneDataset) -> pd.DataFrame:
    """All pCREs of each gene cut at once."""
    return removals(data).assign(edit="all pCREs")


def mark_removals(data: GeneDataset) -> pd.DataFrame:
    """Each mark removed, in the promoter window and in all pCREs of a gene: edits "<mark>, promoter" and "<mark>, pCREs"."""
    promoter = data.genes[["gene_id"]].assign(region=PROMOTER, where="promoter")
    regions = pd.concat([promoter, pcres.pairs(data)[["gene_id", "region"]].assign(where="pCREs")], ignore_index=True)
    tables = [regions.assign(mark=mark, edit=f"{mark}, " + regions["where"]) for mark in data.marks]
    return pd.concat(tables, ignore_index=True).drop(columns="where").assign(operation="remove")


def scan(data: GeneDataset, width_bp: int, mark: str = ALL) -> pd.DataFrame:
    """A mark, or all, removed in one stretch of the promoter window after the other; an edit goes by the start of its stretch."""
    half = data.window_bp // 2
    parts = [
        data.genes[["gene_id"]].assign(edit=str(start), region=PROMOTER, operation="remove", mark=mark, start=start, end=start + width_bp)
        for start in range(-half, half, width_bp)
    ]
    return pd.concat(parts, ignore_index=True)


# Over genes


def by_mark(table: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Mean change of `mark_removals` over genes that are on and off: mark, where (promoter, pCREs), label, mean, low, high (95 %
    interval of the mean), n. `labels`: 1 or 0 by gene id."""
    parts = table["edit"].str.extract(r"^(?P<mark>.*), (?P<where>promoter|pCREs)$")
    return _means(table.join(parts), ["where", "mark"], labels)


def along_promoter(table: pd.DataFrame, labels: pd.Series, width_bp: int) -> pd.DataFrame:
    """Mean change of `scan` over genes that are on and off: offset (middle of the stretch, bp from the TSS), label, mean, low, high,
    n."""
    found = _means(table.assign(offset=table["edit"].astype(int) + width_bp // 2), ["offset"], labels)
    return found.sort_values(["label", "offset"], ascending=[False, True], ignore_index=True)


def _means(table: pd.DataFrame, keys: list[str], labels: pd.Series) -> pd.DataFrame:
    table = table.assign(label=table["gene_id"].map(labels).map({1: "on", 0: "off"}))
    table = table.sort_values("label", ascending=False, kind="stable")                       # on before off
    found = table.groupby([*keys, "label"], sort=False)["change"].agg(["mean", "sem", "size"]).reset_index()
    half = 1.96 * found.pop("sem")
    return found.assign(low=found["mean"] - half, high=found["mean"] + half).rename(columns={"size": "n"})


def left_out(profile: Profile, data: GeneDataset, folds: Sequence[int]) -> pd.DataFrame:
    """What of these questions the data of a profile's cell type cannot answer: what, why."""
    rows = []
    if not data.has_pcres:
        rows += [("rankings of pCREs, a CRISPRi screen, links", f"no contacts of {data.cell_type}")]
    if not profile.simulated:
        rows += [("rankings against the truth, a CRISPRi screen of what was planted", "real data, of which nobody knows the truth")]
    rows += [(f"{mark}: {what}", f"no such mark of {data.cell_type}") for mark, what in (("H3K27ac", "its rankings"), ("H3K36me3", "the body of genes")) if mark not in data.marks]
    if len(folds) < 2:
        rows += [("intervals from errors on another fold", "one fold is held out")]
    return pd.DataFrame(rows, columns=["what", "why"])


def for_claims(table: pd.DataFrame, planted: pd.Series) -> pd.DataFrame:
    """What `claims.evaluate` takes of `all_cut`: the predicted fall as score, what all pCREs of the gene contribute together
    (`planted`, by gene id, from `rankings.planted_together`) as target, as model "all pCREs cut"; genes of which that is not known
    are left out."""
    known = table[table["gene_id"].isin(planted.index)]
    return known[["cell_type", "task", "gene_id", "fold"]].assign(model="all pCREs cut", score=-known["change"], target=known["gene_id"].map(planted).astype(float))

"""In which cell types pCREs move a gene: PCRI across cell types, genes in which it varies, and what two cell types differ in.

In: PCRI of genes held out in several cell types (`pcri.of_runs`). Out: tidy tables. Each network has its own scale, so PCRI is
compared as column pcri_scaled: less its mean over its SD, both over the genes held out from one network. That of a gene without
pCREs means nothing, so genes are compared that have some in every cell type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy

from .. import answers, resampling
from ..config import InputError
from ..dataset import GeneDataset
from ..profile import Profile
from ..simulate import read_truth
from . import enrichment, marks, pcres, pcri

PAPER_VARIABLE = 1000   # of the paper's genes
LEAST_VARIABLE = 60     # where there are few genes, so that clusters have members
MIN_CELL_TYPES = 3      # for z-scores over them that say more than a sign
RANKINGS = {
    "pcri": "PCRI", "own": "PCRI beyond others' pCREs", "predicted": "predicted expression", "own_change": "change beyond others' pCREs", "marks": "marks at the TSS",
    "pcre_marks": "marks at pCREs", "measured": "measured expression",
}  # fmt: skip


# Across cell types


def across(table: pd.DataFrame) -> pd.DataFrame:
    """PCRI of each gene in each cell type, gene_id x cell type, of genes scored and with pCREs in all of them."""
    wide = table[table["n_pcres"] > 0].pivot(index="gene_id", columns="cell_type", values="pcri_scaled")
    return wide.reindex(columns=table["cell_type"].unique()).dropna().rename_axis(columns=None)


def n_variable(n_genes: int) -> int:
    """How many genes are shown as the most variable of so many: the paper's share, and LEAST_VARIABLE at least."""
    return min(n_genes, max(LEAST_VARIABLE, round(PAPER_VARIABLE / pcri.PAPER_GENES * n_genes)))


def clusters(wide: pd.DataFrame) -> pd.DataFrame:
    """The genes whose PCRI varies most over cell types, z-scored over them, in as many clusters (figure 6a).

    Average linkage on correlation distance. With three cell types a gene's z-scores have one degree of freedom: they lie on a
    circle, and clusters are its sectors. With two they are a sign.

    Parameters
    ----------
    wide : DataFrame
        From `across`.

    Returns
    -------
    DataFrame
        gene_id, cell_type, z, cluster (1 for that of the first gene), order (of the gene from top to bottom); no rows with fewer
        cell types than MIN_CELL_TYPES.
    """
    if wide.shape[1] < MIN_CELL_TYPES or len(wide) < 2:
        return pd.DataFrame(columns=["gene_id", "cell_type", "z", "cluster", "order"])
    chosen = wide.loc[wide.std(axis=1, ddof=0).nlargest(n_variable(len(wide))).index]
    z = chosen.sub(chosen.mean(axis=1), axis=0).div(chosen.std(axis=1, ddof=0), axis=0)
    tree = hierarchy.linkage(z, "average", metric="correlation", optimal_ordering=True)
    leaves = hierarchy.leaves_list(tree)
    member = hierarchy.fcluster(tree, wide.shape[1], "maxclust")[leaves]
    number = {name: i for i, name in enumerate(dict.fromkeys(member), 1)}
    table = z.iloc[leaves].reset_index(names="gene_id").assign(cluster=[number[name] for name in member], order=range(len(z)))
    return table.melt(["gene_id", "cluster", "order"], var_name="cell_type", value_name="z")[["gene_id", "cell_type", "z", "cluster", "order"]]


def members(table: pd.DataFrame) -> pd.DataFrame:
    """Clusters of `clusters` in words: cluster, n (genes), highest, lowest (cell type by mean z), and its mean z there."""
    rows = []
    for cluster, part in table.groupby("cluster", sort=True):
        mean = part.groupby("cell_type", sort=False)["z"].mean()
        rows.append((cluster, part["gene_id"].nunique(), mean.idxmax(), mean.max(), mean.idxmin(), mean.min()))
    return pd.DataFrame(rows, columns=["cluster", "n", "highest", "z_highest", "lowest", "z_lowest"])


def terms(table: pd.DataFrame, wide: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Sets that a cluster's genes are in more often than all genes of `across`: cluster, then as `enrichment.enrich`."""
    tables = [
        enrichment.enrich(part["gene_id"].unique(), wide.index, sets).assign(cluster=cluster)
        for cluster, part in table.groupby("cluster")
    ]
    columns = ["cluster", *enrichment.COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


# Two cell types


def differences(table: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """How far genes with pCREs in both differ between two cell types, those of `data`, by PCRI and by plainer measures (figure S13).

    Returns
    -------
    DataFrame
        gene_id, symbol, fold; of the second less the first: pcri, own (scaled), predicted, own_change, measured (expression); and without
        sign: marks (Euclidean distance of their mean signal within 2 kb of the TSS, each in SDs over genes and cell types),
        pcre_marks (the same of their mean over pCREs). No rows of one cell type.
    """
    if len(data) > 2:
        raise InputError(f"differences: data of {len(data)} cell types, expected two; choose them")
    if len(data) < 2:
        return pd.DataFrame(columns=["gene_id", "symbol", "fold", *RANKINGS])
    keys = ["gene_id", "symbol", "fold"]
    columns = {"pcri_scaled": "pcri", "own_scaled": "own", "predicted": "predicted", "own_change": "own_change", "measured": "measured"}
    connected = table[table["n_pcres"] > 0]
    first, second = (connected[connected["cell_type"] == name].set_index(keys)[list(columns)].rename(columns=columns) for name in data)
    found = (second - first).dropna()
    ids = found.index.get_level_values("gene_id")
    near = [marks.window_signal(genes.select(genes=ids.tolist()), -2000, 2000) for genes in data.values()]
    at_pcres = [pcres.marks_at_pcres(genes).set_index("gene_id").reindex(ids).to_numpy() for genes in data.values()]
    return found.assign(marks=_apart(*near), pcre_marks=_apart(*at_pcres)).reset_index()[[*keys, *RANKINGS]]


def aberrant(
    profile: Profile, pair: Sequence[str], table: pd.DataFrame, *, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """How well the size of each difference finds the genes of a simulated cell type that were made unlike the first one.

    Parameters
    ----------
    pair : sequence of str
        The two cell types; genes were planted in the second.
    table : DataFrame
        From `differences`.

    Returns
    -------
    DataFrame
        ranking, metric (roc_auc, average_precision), value, low, high (95 % bootstrap interval over genes; NaN where so few are
        aberrant that many resamples hold none), aberrant (how many of the n genes are), n; no rows for a real profile, or where none of these genes is aberrant.
    """
    columns = ["ranking", "metric", "value", "low", "high", "aberrant", "n"]
    is_aberrant = np.zeros(len(table), bool)
    if profile.simulated and len(table):
        is_aberrant = planted(profile, pair[1]).reindex(table["gene_id"]).to_numpy()
    rows = []
    for name, ranking in RANKINGS.items() if is_aberrant.any() else ():
        scores = pd.DataFrame({"score": table[name].abs().to_numpy(), "target": is_aberrant.astype(int)}, index=table["gene_id"])
        for metric in ("roc_auc", "average_precision"):
            draws = resampling.of_parts([[scores]], metric, n_resamples, seed)[0][:, 0, 0]
            rows.append((ranking, metric, *resampling.interval(draws), int(is_aberrant.sum()), len(table)))
    return pd.DataFrame(rows, columns=columns)


def planted(profile: Profile, cell_type: str) -> pd.Series:
    """Whether a gene of a simulated cell type was made unlike the cell type it is derived from, by gene_id."""
    return read_truth(profile, "genes", cell_type).set_index("gene_id")["is_aberrant"].astype(bool)


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distance of rows, each column in its SD over both; 0 where one of the two is not known."""
    sd = np.nanstd(np.concatenate([first, second]), axis=0)
    return np.nan_to_num(np.linalg.norm((second - first) / np.where(sd > 0, sd, 1.0), axis=1))


# Claims


def for_claims(table: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """Scores of genes as `claims.evaluate` takes them, of what claims on figures 6 and S13 name.

    Returns
    -------
    DataFrame
        cell_type, task ("reg"), gene_id, fold, score, target, and model: "change beyond others' pCREs, less its mean over cell
        types", of genes that have one in every cell type, with measured expression less its mean as target; "difference of PCRI"
        of two cell types, which stands the same in each, with that of measured expression as target.
    """
    numbers = ["own_change", "measured"]
    known = table[["cell_type", "gene_id", "fold", *numbers]].dropna()
    n = known["cell_type"].nunique()
    known = known[known.groupby("gene_id")["gene_id"].transform("size") == n] if n > 1 else known.iloc[:0]
    centred = (known[numbers] - known.groupby("gene_id")[numbers].transform("mean")).set_axis(["score", "target"], axis=1)
    parts = [known.join(centred).assign(model=f"change {pcri.BEYOND}, less its mean over cell types")]
    for cell_type in table["cell_type"].unique() if len(differences) else ():
        rows = differences[["gene_id", "fold"]].assign(score=differences["pcri"], target=differences["measured"])
        parts.append(rows.assign(cell_type=cell_type, model="difference of PCRI"))
    return pd.concat(parts, ignore_index=True).assign(task="reg")[answers.SCORES]

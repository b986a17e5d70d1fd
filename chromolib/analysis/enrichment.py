"""Which sets of genes are found among chosen genes more often than by chance.

In: genes by id, those that could have been chosen, and sets of them; or datasets, for their ids. Out: one row per set with a
chosen gene; p of a one-sided Fisher's exact test, q by Benjamini and Hochberg over all sets with a gene that could have been chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ..config import InputError
from ..dataset import GeneDataset
from ..readers.annotation import without_version

COLUMNS = ["term", "overlap", "size", "n", "background", "odds_ratio", "p", "q", "genes"]


def by_id(sets: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Sets of a file, which have symbols or ids, with the ids of a profile's genes.

    Parameters
    ----------
    sets : DataFrame
        term, gene.
    genes : DataFrame
        gene_id, symbol. Of ids and symbols, those count that more rows of the sets have; versions of ids, here or in the sets,
        do not.

    Returns
    -------
    DataFrame
        term, gene: an id of `genes`. attrs["dropped"] counts rows of the sets whose gene is none of them; attrs["why"] says why
        there are no rows though there are sets, else "".
    """
    names = {column: without_version(genes[column].astype(str)) for column in ("gene_id", "symbol")}
    sets = sets.assign(gene=without_version(sets["gene"].astype(str)))
    name = max(names, key=lambda column: sets["gene"].isin(names[column]).sum())
    known = pd.DataFrame({"gene": names[name].to_numpy(), "gene_id": genes["gene_id"].to_numpy()})
    found = sets.merge(known, on="gene")
    table = found[["term", "gene_id"]].rename(columns={"gene_id": "gene"})
    n = int((~sets["gene"].isin(known["gene"])).sum())
    table.attrs = {"dropped": {"not among the genes": n} if n else {}, "why": ""}
    if len(sets) and len(genes) and found.empty:
        table.attrs["why"] = (
            f"found {sets['gene'].iloc[0]}, ..., expected symbols or ids of the profile's genes such as "
            f"{names['symbol'].iloc[0]} or {names['gene_id'].iloc[0]}"
        )
    return table


def of_datasets(sets: pd.DataFrame, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """As `by_id`, with the ids of all genes of some datasets, by cell type; no rows where there is no dataset."""
    genes = pd.concat([part.genes for part in data.values()]) if data else pd.DataFrame(columns=["gene_id", "symbol"], dtype="str")
    return by_id(sets, genes.drop_duplicates("gene_id"))


def enrich(genes: Collection[str], background: Collection[str], sets: pd.DataFrame) -> pd.DataFrame:
    """Test each set for more of the chosen genes than a draw from the background would have.

    Parameters
    ----------
    genes : collection of str
        The chosen genes, all of them in the background.
    background : collection of str
        The genes that could have been chosen: with other genes, each set of what is expressed or measured would look enriched.
    sets : DataFrame
        term, gene. Of a set only the part in the background counts.

    Returns
    -------
    DataFrame
        term; overlap: chosen genes in the set; size: of the set; n: chosen genes; background: genes; odds_ratio: of the four
        numbers, inf where no other gene is in the set; p: of at least this overlap (hypergeometric tail, which is Fisher's
        exact test to one side); q: adjusted over all sets with a gene in the background, so that how many tests there are does
        not depend on the genes chosen; genes: those of the overlap, behind commas. Least p first. Sets without a chosen gene
        have no row: p and q of them are 1.

    Raises
    ------
    InputError
        A chosen gene is not in the background.

    Source: paper, Methods, "GO enrichment": Fisher's exact test, Benjamini-Hochberg below 0.05.
    # Deviates: the paper used Enrichr, whose background is fixed and the same for all data, and which adjusts over sets with a
    # chosen gene.
    """
    chosen, known = set(genes), set(background)
    if strange := chosen - known:
        raise InputError(f"enrichment: {len(strange):,} of {len(chosen):,} genes, such as {min(strange)}, are not in the background of {len(known):,}, expected all; add them to it")
    inside = sets[sets["gene"].isin(known)].drop_duplicates(["term", "gene"])
    hits = inside[inside["gene"].isin(chosen)]
    table = hits.groupby("term")["gene"].agg(overlap="size", genes=lambda found: ", ".join(sorted(found))).reset_index()
    k = table["overlap"].to_numpy(np.int64)
    size = table["term"].map(inside["term"].value_counts()).to_numpy(np.int64)
    n, m = len(chosen), len(known)
    with np.errstate(divide="ignore", invalid="ignore"):  # all of the background chosen, or in the set: inf or NaN
        odds_ratio = k * (m - n - size + k) / ((n - k) * (size - k)).astype(float)
    p = stats.hypergeom.sf(k - 1, m, size, n)
    all_p = np.append(p, np.ones(inside["term"].nunique() - len(p)))
    q = multipletests(all_p, method="fdr_bh")[1][: len(p)] if len(p) else p
    table = table.assign(size=size, n=n, background=m, odds_ratio=odds_ratio, p=p, q=q)
    return table.sort_values(["p", "term"], ignore_index=True)[COLUMNS]

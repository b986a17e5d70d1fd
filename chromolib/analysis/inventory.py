"""What the features of a profile are made from, and what is missing in them: bins and windows without signal, genes without pCREs, marks.

In: a profile and its datasets. Out: tidy tables, one row per cell type and mark; shares from 0 to 1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import features, inputs
from ..config import MARKS
from ..dataset import GeneDataset, load_dataset
from ..pooling import bp_on_chromosome
from ..profile import Profile
from ..sections import OwnInputs, RawInputs

COLUMNS = ["cell_type", "mark", "genes", "mean", "empty_bins", "empty_pcre_bins", "empty_genes", "cut_genes", "off_chromosome", "lone_genes"]


def gaps(data: GeneDataset) -> pd.DataFrame:
    """What one cell type lacks, mark by mark.

    Returns
    -------
    DataFrame
        cell_type, mark: those of the dataset, then those of the paper that it does not have, with NaN
        genes
        mean: of what the store holds (see `data.held`), over bins of promoters on their chromosome
        empty_bins, empty_pcre_bins: share of narrow bins without any signal, of promoters and of pCREs
        empty_genes: share of genes without signal in their whole window
        The same for all marks: cut_genes, share of genes whose window ends beyond the chromosome; off_chromosome, share of
        the positions of all windows that lie there; lone_genes, share of genes without a pCRE.
    """
    store = data.store.sel(gene_id=data.genes["gene_id"].tolist(), mark=list(data.marks))
    base_bp = int(store.attrs["base_bp"])
    start = store["tss"].values[:, None] - data.frame_bp // 2 + base_bp * np.arange(store.sizes["bin"])
    on_bp = bp_on_chromosome(start, base_bp, store["chrom_bp"].values[:, None])                # (g, l)
    promoter, pcre = store["promoter"].values, store["pcre_depth"].values
    is_on = on_bp > 0
    table = pd.DataFrame(
        {
            "mark": list(data.marks),
            "mean": promoter[is_on].mean(0, dtype=np.float64),
            "empty_bins": (promoter[is_on] == 0).mean(0),
            "empty_pcre_bins": (pcre == 0).mean(0) if len(pcre) else np.nan,
            "empty_genes": (promoter == 0).all(1).mean(0),
        }
    )
    table = pd.concat([table, pd.DataFrame({"mark": [mark for mark in MARKS if mark not in data.marks]})], ignore_index=True)
    return table.assign(
        cell_type=data.cell_type, genes=len(data), cut_genes=(on_bp < base_bp).any(1).mean(),
        off_chromosome=1 - on_bp.sum() / (on_bp.size * base_bp), lone_genes=1 - (data.touching()[1] > 0).any(1).mean(),
    )[COLUMNS]  # fmt: skip


def of_profile(profile: Profile, data: GeneDataset) -> pd.DataFrame:
    """`gaps` of all cell types of a profile that are `at_hand`, in its order; `data` is the one that is loaded already."""
    shown = [name for name in profile.cell_types if name == data.cell_type or name in at_hand(profile)]
    datasets = (data if name == data.cell_type else load_dataset(profile, name) for name in shown)
    return pd.concat([gaps(one) for one in datasets], ignore_index=True)


def libraries(profile: Profile, table: pd.DataFrame) -> pd.DataFrame:
    """What the signal was made from, beside what came of it.

    Parameters
    ----------
    table : DataFrame
        `gaps` of some cell types, whose features are there.

    Returns
    -------
    DataFrame
        cell_type, mark, kind, reads and duplicates as `inputs.libraries` has them; of `table` genes, mean, empty_bins: NaN of extra
        tracks, which it does not have; files, which are the widest.
    """
    found = pd.concat([inputs.libraries(profile, name).assign(cell_type=name) for name in table["cell_type"].unique()], ignore_index=True)
    found = found.merge(table[["cell_type", "mark", "genes", "mean", "empty_bins"]], on=["cell_type", "mark"], how="left")
    return found[["cell_type", "mark", "kind", "reads", "duplicates", "genes", "mean", "empty_bins", "files"]]


def at_hand(profile: Profile) -> list[str]:
    """Cell types whose features are stored, or made in seconds from what others have binned."""
    is_quick = not isinstance(profile.inputs, (RawInputs, OwnInputs))
    return [name for name in profile.cell_types if is_quick or features.path_of(profile, name).is_dir()]


def statement(profile: Profile, table: pd.DataFrame) -> str:
    """One line: which cell types a table of `gaps` has, where it is thinnest, which marks and cell types it lacks and why."""
    shown = list(table["cell_type"].unique())
    missing = list(table.loc[table["empty_bins"].isna(), "mark"].unique())
    absent = [name for name in profile.cell_types if name not in shown]
    text, thin = f"cell types: {', '.join(shown)}", table.loc[table["empty_bins"].idxmax()]
    if thin["empty_bins"]:
        text += f"; fewest promoter bins have signal in {thin['mark']} of {thin['cell_type']} ({1 - thin['empty_bins']:.0%})"
    text += f"; marks of the paper that are missing: {', '.join(missing) or 'none'}"
    if absent:
        text += f"; not shown, since their features are not made yet (`chromolib preprocess {profile.name}`): {', '.join(absent)}"
    return text

"""Contacts of promoters with other regions of the genome.

In: transcripts and interaction tables. Out: each gene's pCREs, ranked by normalised contact frequency (no unit).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pybedtools

from .config import InputError
from .genome import spans


def all_tss(
    transcripts: pd.DataFrame, gene_info: pd.DataFrame | None, gene_ids: Iterable[str], *, is_listed: bool = False
) -> pd.DataFrame:
    """TSSs of each gene: the first is that of its promoter, all of them have contacts.

    Parameters
    ----------
    transcripts : DataFrame
        chrom, strand, tss, symbol, and unless they are listed start, end and transcript, as `readers.read_transcripts` gives
        them; with gene_id where there is no `gene_info`.
    gene_info : DataFrame, optional
        As `readers.read_gene_info` gives it. Transcripts are given to genes by symbol; a symbol that names several of
        `gene_ids` names none.
    gene_ids : iterable of str
        Genes with expression.
    is_listed : bool
        Whether the rows of a gene are in order already.

    Returns
    -------
    DataFrame
        gene_id, symbol, chrom, tss, strand, order: each distinct TSS of a gene once, that of its longest transcript
        first, ties by name of the transcript; chrX goes before chrY, and all are on the chromosome of the first.
        attrs["dropped"] counts genes without a TSS, and transcripts elsewhere.

    Source: the release orders the transcripts of mouse genes so; its order of human ones is not published.
    """
    wanted, counts = set(gene_ids), {}
    if gene_info is None:
        found = transcripts[transcripts["gene_id"].isin(wanted)]
        n_unique = len(wanted)
    else:
        named = gene_info[gene_info["gene_id"].isin(wanted)]
        is_shared = named["symbol"].duplicated(keep=False)
        found = named.loc[~is_shared, ["gene_id", "symbol"]].merge(transcripts, on="symbol")
        n_unique = int((~is_shared).sum())
        counts = {"no symbol": len(wanted) - named["gene_id"].nunique(), "symbol of several genes": len(named) - n_unique}
    if is_listed:
        found = found.sort_values("gene_id", kind="stable")
    else:
        found = found.assign(length=found["end"] - found["start"], on_y=found["chrom"] == "chrY")
        found = found.sort_values(["gene_id", "on_y", "length", "transcript"], ascending=[True, True, False, True])
    # Deviates: the release takes the contacts of all TSSs; one on another chromosome would carry signal of a gene's
    # training fold into its held-out fold.
    is_home = found["chrom"] == found.groupby("gene_id")["chrom"].transform("first")
    found = found[is_home]
    tss = found.drop_duplicates(["gene_id", "chrom", "tss", "strand"])[["gene_id", "symbol", "chrom", "tss", "strand"]]
    tss = tss.assign(order=tss.groupby("gene_id").cumcount()).reset_index(drop=True)
    n_found = tss["gene_id"].nunique()
    counts |= {
        "no transcript": n_unique - n_found,
        "transcripts on another chromosome than the gene's first": (~is_home).sum(),
    }
    tss.attrs = {"kept": n_found, "dropped": {reason: int(count) for reason, count in counts.items() if count}}
    return tss


def bait_fragments(contacts: pd.DataFrame) -> list[str]:
    """Fragments that were captured: every first one, and both of a promoter-promoter contact."""
    both = contacts["kind"] == "pp"
    return sorted(set(contacts["frag1"].unique()) | set(contacts.loc[both, "frag2"].unique()))


def fragments_of_tss(tss: pd.DataFrame, fragments: Iterable[str], *, is_closed: bool = True) -> pd.DataFrame:
    """All fragments that hold each TSS: row (the place of a TSS in `tss`, which holds chrom and tss) and fragment, in order.

    `is_closed`: whether the end of a fragment belongs to it, as in capture Hi-C.
    """
    spans = pd.Series(sorted(fragments), dtype="str").str.extract(r"^(?P<chrom>[^:]+):(?P<start>\d+)-(?P<last>\d+)$")
    spans.insert(2, "end", spans["last"].astype("int64") + is_closed)
    points = pd.DataFrame({"chrom": tss["chrom"], "start": tss["tss"], "end": tss["tss"] + 1, "row": range(len(tss))})
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / f"{name}.bed") for name in ("points", "spans", "hits")}
        for name, table in (("points", points), ("spans", spans)):
            table.to_csv(paths[name], sep="\t", header=False, index=False)
        try:
            hits = pybedtools.BedTool(paths["points"]).intersect(paths["spans"], wa=True, wb=True, output=paths["hits"])
        except NotImplementedError:
            raise InputError(
                "bedtools: not found on PATH, expected it there; install it (apt or conda: bedtools)"
            ) from None
        rows = [(int(hit[3]), f"{hit[4]}:{hit[5]}-{hit[7]}") for hit in hits]
    return pd.DataFrame(sorted(rows), columns=["row", "fragment"]).astype({"row": "int64", "fragment": "str"})


def neighbours(contacts: pd.DataFrame, min_frequency: float) -> pd.DataFrame:
    """What each fragment touches more often than `min_frequency`: fragment, region, contact, each pair once.

    Promoter-promoter contacts count in both directions; of several values for one pair the largest counts.
    """
    frequent = contacts[contacts["frequency"] > min_frequency].astype({"frag1": "str", "frag2": "str"})
    forward = frequent.rename(columns={"frag1": "fragment", "frag2": "region"})
    backward = frequent[frequent["kind"] == "pp"].rename(columns={"frag2": "fragment", "frag1": "region"})
    both = pd.concat([forward, backward]).groupby(["fragment", "region"], as_index=False)["frequency"].max()
    return both.rename(columns={"frequency": "contact"})


def pairs_of_genes(
    tss: pd.DataFrame, fragments: pd.Series, near: pd.DataFrame, *, repeated: Literal["first", "strongest"] = "first"
) -> pd.DataFrame:
    """Regions that each gene touches: gene_id, region, contact, each gene and region once.

    Parameters
    ----------
    tss : DataFrame
        gene_id and order, as `all_tss` gives them; a TSS that lies in several fragments has a row for each.
    fragments : Series
        A fragment, of `fragments_of_tss`, of each row of `tss`; missing where there is none.
    near : DataFrame
        As `neighbours` gives it.
    repeated : str
        Which contact a region has that several TSSs reach: that of the first of them, as in the release, or the strongest. Of
        one TSS it is the strongest.
    """
    reached = tss.assign(fragment=fragments).dropna(subset="fragment").merge(near, on="fragment")
    by, ascending = (["order", "contact"], [True, False]) if repeated == "first" else (["contact"], [False])
    reached = reached.sort_values(["gene_id", *by], ascending=[True, *ascending], kind="stable")
    return reached.drop_duplicates(["gene_id", "region"])[["gene_id", "region", "contact"]].reset_index(drop=True)


def domain_of(chrom: Sequence[str], position: Sequence[int], domains: pd.DataFrame) -> np.ndarray:
    """Which domain holds each position: its place in `domains` (chrom, start, end; they do not overlap), -1 for none."""
    chrom, position = np.asarray(chrom, object), np.asarray(position, np.int64)
    found = np.full(len(chrom), -1)
    for name, rows in domains.reset_index(drop=True).sort_values("start").groupby("chrom"):
        here = np.flatnonzero(chrom == name)
        last = np.searchsorted(rows["start"], position[here], side="right") - 1
        is_inside = (last >= 0) & (position[here] < rows["end"].to_numpy()[last])
        found[here[is_inside]] = rows.index.to_numpy()[last[is_inside]]
    return found


def within_domains(pairs: pd.DataFrame, genes: pd.DataFrame, domains: pd.DataFrame) -> pd.Series:
    """Whether a gene and its pCRE lie in one domain (TAD): a promoter is where its TSS is, a region where its middle is.

    Parameters
    ----------
    pairs : DataFrame
        gene_id, region.
    genes : DataFrame
        gene_id, chrom, tss (0-based).
    domains : DataFrame
        chrom, start, end, as `readers.read_tads` gives them.

    Returns
    -------
    Series of bool, in the order of `pairs`. What lies in no domain shares none; `attrs["dropped"]` counts such pairs.
    """
    ends = spans(pairs["region"])
    of_pcre = domain_of(ends["chrom"], (ends["start"] + ends["end"]) // 2, domains)
    of_gene = pairs["gene_id"].map(pd.Series(domain_of(genes["chrom"], genes["tss"], domains), genes["gene_id"])).to_numpy()
    is_outside = (of_pcre < 0) | (of_gene < 0)
    is_within = pd.Series((of_pcre == of_gene) & ~is_outside, pairs.index, dtype=bool)
    n = int(is_outside.sum())
    is_within.attrs = {"dropped": {"pCRE or promoter in no domain, taken for inter-TAD": n} if n else {}}
    return is_within


def strongest(pairs: pd.DataFrame, *, max_width_bp: int, max_pcres: int) -> pd.DataFrame:
    """Rank each gene's pCREs by contact, ties by region text, and keep the first `max_pcres`.

    Parameters
    ----------
    pairs : DataFrame
        gene_id, region ("chrom:start-end"), contact; each gene and region at most once.

    Returns
    -------
    DataFrame
        gene_id, region, contact, rank (from 0), sorted by gene_id and rank. `attrs["dropped"]` counts the pairs that
        are wider than `max_width_bp` or beyond rank `max_pcres`.
    """
    ends = spans(pairs["region"])
    fits = ends["end"] - ends["start"] <= max_width_bp
    ranked = pairs.loc[fits, ["gene_id", "region", "contact"]]
    ranked = ranked.sort_values(["contact", "region"], ascending=[False, True])
    ranked["rank"] = ranked.groupby("gene_id", sort=False).cumcount()
    kept = ranked[ranked["rank"] < max_pcres]
    kept = kept.sort_values(["gene_id", "rank"], ignore_index=True)
    counts = {
        f"wider than {max_width_bp:,} bp": int((~fits).sum()),
        f"beyond the {max_pcres} strongest": len(ranked) - len(kept),
    }
    kept.attrs = {"kept": len(kept), "dropped": {reason: count for reason, count in counts.items() if count}}
    return kept

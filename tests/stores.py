"""Feature stores made in the test: random depth over regions of bp that can be counted."""

import numpy as np
import xarray as xr

from chromolib import features
from chromolib.config import MARKS
from chromolib.dataset import GeneDataset

FRAME_BP, BASE_BP = 800, 100  # of the store by hand


def random_store(
    n_genes: int = 12,
    *,
    n_pcres: int = 20,
    max_pcres: int = 8,
    base_bp: int = 100,
    frame_bp: int = 40_000,
    marks: tuple[str, ...] = MARKS,
    seed: int = 0,
    chrom_bp: int = 10**8,
) -> xr.Dataset:
    """Genes with 0 to `max_pcres` pCREs, both strands, on chromosomes of folds 1 to 4."""
    rng = np.random.default_rng(seed)
    n_bins = frame_bp // base_bp
    width = rng.integers(base_bp // 2, frame_bp, n_pcres)
    n_rows = -(-width // base_bp)
    gene_pcre = np.full((n_genes, max_pcres), -1, np.int32)
    contact = np.zeros((n_genes, max_pcres), np.float32)
    for gene in range(n_genes):
        n = gene % (max_pcres + 1)
        gene_pcre[gene, :n] = rng.choice(n_pcres, n, replace=False)
        contact[gene, :n] = np.sort(rng.uniform(1.5, 6, n))[::-1]
    expression = rng.gamma(1, 10, n_genes)
    start = 10**6 + 10**5 * np.arange(n_pcres)
    store = xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), rng.gamma(0.3, 4, (n_genes, n_bins, len(marks))).astype(np.float32)),
            "pcre_depth": (("row", "mark"), rng.gamma(0.3, 4, (n_rows.sum(), len(marks))).astype(np.float32)),
            "pcre_row": ("edge", np.concatenate([[0], np.cumsum(n_rows)])),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            "symbol": ("gene", np.array([f"GENE{i}" for i in range(n_genes)])),
            "chrom": ("gene", np.array([f"chr{1 + i % 4}" for i in range(n_genes)])),
            "tss": ("gene", 10**6 + 10**5 * np.arange(n_genes)),
            "strand": ("gene", np.where(np.arange(n_genes) % 2, "-", "+")),
            "fold": ("gene", 1 + np.arange(n_genes) % 4),
            "expression": ("gene", expression),
            "label": ("gene", (expression >= np.median(expression)).astype(int)),
            "chrom_bp": ("gene", np.full(n_genes, chrom_bp)),
        },
        coords={
            "gene_id": ("gene", [f"ENSG{i:011d}" for i in range(n_genes)]),
            "mark": list(marks),
            "region": ("pcre", [f"chr1:{s}-{s + w}" for s, w in zip(start, width, strict=True)]),
        },
        attrs={"profile": "made", "cell_type": "T01", "genome": "hg19", "base_bp": base_bp, "frame_bp": frame_bp,
               "signal": "depth", "simulated": 1},
    )  # fmt: skip
    return features.indexed(store)


def hand_store(strands="+-+", tss=None, chrom_bp=10_000, depth=None):
    """Three genes with narrow bins 1..8, 11..18, 21..28, with two, one and no pCREs: 250, 100 and 400 bp."""
    n = len(strands)
    promoter = np.arange(1, 9)[None, :] + 10 * np.arange(n)[:, None] if depth is None else np.array(depth)
    gene_pcre = np.full((n, 2), -1, np.int32)
    contact = np.zeros((n, 2), np.float32)
    gene_pcre[0], contact[0] = [0, 1], [3.0, 2.0]
    if n > 1:
        gene_pcre[1, 0], contact[1, 0] = 2, 4.0
    per_gene = {
        "symbol": [f"S{i}" for i in range(n)], "chrom": [f"chr{i + 1}" for i in range(n)], "strand": list(strands),
        "tss": tss or [5000] * n, "fold": [1 + i % 3 for i in range(n)], "chrom_bp": [chrom_bp] * n,
        "expression": [float(2**i - 1) for i in range(n)], "label": [i % 2 for i in range(n)],
    }  # fmt: skip
    store = xr.Dataset(
        {
            "promoter": (("gene", "bin", "mark"), promoter[..., None].astype(np.float32)),
            "pcre_depth": (("row", "mark"), np.array([1, 2, 3, 8, 4, 5, 6, 7], np.float32)[:, None]),
            "pcre_row": ("edge", np.array([0, 3, 4, 8])),
            "gene_pcre": (("gene", "rank"), gene_pcre),
            "contact": (("gene", "rank"), contact),
            **{name: ("gene", np.array(values)) for name, values in per_gene.items()},
        },
        coords={"gene_id": ("gene", [f"G{i}" for i in range(n)]), "mark": ["A"],
                "region": ("pcre", ["chr1:1000-1250", "chr1:2000-2100", "chr1:3000-3400"])},
        attrs={"profile": "hand", "cell_type": "T1", "genome": "hg19", "base_bp": BASE_BP, "frame_bp": FRAME_BP,
               "signal": "depth", "simulated": 1, "dropped": '{"pCREs": {"too wide": 2, "too weak": 5}}'},
    )  # fmt: skip
    return features.indexed(store)


def hand_data(bin_bp=(100,), **options):
    selection = {key: options.pop(key) for key in ("window_bp", "task", "log_base") if key in options}
    return GeneDataset(hand_store(**options), bin_bp=bin_bp, **selection)

"""Feature stores made in the test: random depth over regions of bp that can be counted."""

import numpy as np
import xarray as xr

from chromolib.config import MARKS
from chromolib.features import indexed


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
    return indexed(store)

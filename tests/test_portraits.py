"""Portraits of genes: which are chosen, what their tables hold, and the figure in which a reader chooses."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from chromolib import GeneDataset, InputError, load_profile, plots
from chromolib.analysis import portraits, tracks
from chromolib.runs import Run
from tests.stores import random_store
from tests.test_tss_attention import BINS, stand_in


@pytest.fixture(scope="module")
def data():
    return GeneDataset(random_store(24, base_bp=100), bin_bp=BINS)


@pytest.fixture
def runs(monkeypatch, data):
    """Two folds of two cell types."""
    stand_in(monkeypatch, data)
    return [Run(profile="sim", cell_type=name, fold=fold) for name in (data.cell_type, "S09") for fold in (1, 2)]


@pytest.fixture
def contributions(data):
    """Of each gene of folds 1 and 2 the pCREs, the strongest contact first: 1, -1/2, 1/3, ... times the gene's place."""
    genes = data.genes[data.genes["fold"].isin([1, 2])]
    regions = pd.concat({gene: tracks.gene_regions(data, gene).iloc[1:] for gene in genes["gene_id"]}, names=["gene_id"]).reset_index("gene_id")
    rank = regions.groupby("gene_id").cumcount() + 1
    size = regions["gene_id"].map({gene: place for place, gene in enumerate(genes["gene_id"], start=1)})
    return regions[["gene_id", "region"]].assign(contribution=size / rank * (-1) ** (rank + 1))


@pytest.fixture
def shown(data, runs, contributions):
    held_out = data.select(genes=data.genes.loc[data.genes["fold"].isin([1, 2]), "gene_id"].tolist())
    genes = portraits.choose(held_out, contributions, 4)
    return portraits.of_genes(data, runs, pd.Series({genes[0]: 2.5}), contributions, genes)


def test_genes_of_each_label_with_the_largest_contribution_are_chosen(data, contributions):
    chosen = portraits.choose(data, contributions, 4)
    size = contributions.assign(size=contributions["contribution"].abs()).groupby("gene_id")["size"].max()
    label = data.genes.set_index("gene_id")["label"]
    for value in (0, 1):
        best = size[label.reindex(size.index) == value].nlargest(2).index
        assert set(best) == {gene for gene in chosen if label[gene] == value}
    assert [label[gene] for gene in chosen] == [1, 1, 0, 0]
    extremes = portraits.choose(data, contributions.iloc[:0], 4)
    expression = data.genes.set_index("gene_id")["expression"]
    assert expression.idxmax() in extremes and len(extremes) == 4


def test_portraits_hold_what_single_genes_have(data, shown, contributions):
    assert len(shown.genes) == 4 and shown.genes["predicted"].notna().tolist() == [True, False, False, False]
    gene = shown.genes.iloc[0]
    regions = shown.regions[shown.regions["gene_id"] == gene["gene_id"]]
    own = contributions[contributions["gene_id"] == gene["gene_id"]]
    assert regions["contribution"].iloc[1:].tolist() == own["contribution"].tolist() and np.isnan(regions["contribution"].iloc[0])
    depth = tracks.gene_tracks(data, gene["gene_id"]).groupby(["region", "mark"])["depth"].sum()
    bins = shown.tracks[shown.tracks["gene_id"] == gene["gene_id"]]
    width = (bins["x_end"] - bins["x_start"]) / 100                                # of a store in bins of 100 bp
    found = bins.assign(depth=bins["depth"] * np.ceil(width)).groupby(["region", "mark"])["depth"].sum()
    np.testing.assert_allclose(found, depth.loc[found.index], rtol=1e-5)
    attention = shown.attention[shown.attention["gene_id"] == gene["gene_id"]]
    for bin_bp, rows in attention.groupby("bin_bp"):
        assert rows["attention"].mean() == pytest.approx(1, rel=1e-5) and len(rows) == data.window_bp // bin_bp   # 1 is even
        assert rows["x_start"].iloc[0] >= regions["x_start"].iloc[0] and rows["x_end"].iloc[-1] <= regions["x_end"].iloc[0]


def test_downstream_is_to_the_left_on_the_minus_strand(data, shown):
    strands = shown.genes.set_index("gene_id")["strand"]
    for gene, rows in shown.attention[shown.attention["bin_bp"] == BINS[0]].groupby("gene_id"):
        assert (rows["offset"].iloc[-1] > 0) == (strands[gene] == "+")
    assert set(strands) == {"+", "-"}


def test_a_gene_that_all_networks_trained_on_is_refused(data, runs, contributions):
    gene = data.genes.loc[data.genes["fold"] == 3, "gene_id"].iloc[0]
    with pytest.raises(InputError, match=f"no run holds out gene '{gene}', expected one for each gene"):
        portraits.of_genes(data, runs, pd.Series(dtype=float), contributions, [gene])


def test_figure_holds_its_data_and_script_and_saves_its_tables(monkeypatch, tmp_path, shown):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    profile = load_profile("smoke")
    odd = shown._replace(genes=shown.genes.assign(symbol=["</script>", "", None, "B"]))
    page = plots.choose_gene(odd, profile=profile, name="p", cell_type="T01", unit="log2", caption="4 genes <of> T01.")._repr_html_()
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert [gene["symbol"] for gene in data["genes"]] == ["</script>", *shown.genes["gene_id"].iloc[1:3], "B"]
    assert "<option>&lt;/script&gt;, on</option>" in page and "4 genes &lt;of&gt; T01. Profile smoke: simulated data." in page
    first = data["genes"][0]
    assert first["predicted"] == 2.5 and data["genes"][1]["predicted"] is None and first["regions"][0]["contribution"] is None
    assert [len(values) for values in first["attention"]] == [20, 80] and data["bin_bp"] == [2000, 500]
    for name in shown._fields:
        assert f'href="tables/p_{name}.csv"' in page and (profile.work_dir / "results" / f"p_{name}.csv").is_file()
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", page)

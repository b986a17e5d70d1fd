"""pCREs as tables: counted by hand, adding up, and those of the demo as its publishers' own numbers have them."""

import numpy as np
import pandas as pd
import pytest

from chromolib import load_dataset, load_profile
from chromolib.analysis import pcres
from chromolib.dataset import GeneDataset
from chromolib.simulate import read_truth
from tests.stores import hand_data, random_store


def dataset(n_genes=27, **options):
    return GeneDataset(random_store(n_genes, **options).assign_attrs(dropped="{}"), bin_bp=(2000, 100))


@pytest.fixture(params=[0, 8], ids=["no rank", "no contact"])
def without(request):
    """Datasets without pCREs: of a profile that has none, and of a cell type of which nobody knows contacts."""
    store = random_store(6, max_pcres=request.param)
    store["gene_pcre"][:], store["contact"][:] = -1, 0
    return GeneDataset(store.assign_attrs(dropped="{}"), bin_bp=(2000, 100))


# By hand


def test_pairs_have_the_sense_of_transcription():
    data = hand_data(tss=[1500, 5000, 5000])                                    # G0 on +, G1 on -
    table = pcres.pairs(data)
    assert table["gene_id"].tolist() == ["G0", "G0", "G1"] and table["rank"].tolist() == [1, 2, 1]
    assert table["region"].tolist() == ["chr1:1000-1250", "chr1:2000-2100", "chr1:3000-3400"]
    assert table["width"].tolist() == [250, 100, 400] and table["contact"].tolist() == [3, 2, 4]
    assert table["distance"].tolist() == [1125 - 1500, 2050 - 1500, 5000 - 3200]
    assert table["label"].tolist() == [0, 0, 1]
    assert pcres.pairs(data.select(genes=["G1", "G2"]))["gene_id"].tolist() == ["G1"]
    assert pcres.pairs(data.select(max_pcres=1))["rank"].tolist() == [1, 1]


def test_summary_counts_genes_and_pairs_by_label():
    table = pcres.summary(hand_data(strands="+-++", tss=[1500, 5000, 5000, 5000])).set_index("label")  # on: G1, G3
    assert table["genes"].tolist() == [2, 2, 4] and table["pairs"].tolist() == [1, 2, 3]
    assert table["share_without"].tolist() == [0.5, 0.5, 0.5] and table["pcres_per_gene"].tolist() == [0.5, 1, 0.75]
    assert table["median_distance"].tolist() == [1800, 462, 550]                # of 375, 550 and 1,800
    assert table["median_contact"].tolist() == [4, 2.5, 3] and table["median_strongest"].tolist() == [4, 3, 3.5]
    np.testing.assert_allclose(table.loc["all", ["low", "high"]].astype(float), [0.1500, 0.8500], atol=1e-3)  # Wilson, 2 of 4


def test_histograms_count_genes_and_pairs():
    data = hand_data(strands="+-++", tss=[1500, 5000, 5000, 5000])
    table = pcres.histograms(data).set_index(["quantity", "group"])
    for group, shares in (("on", [0.5, 0.5, 0]), ("off", [0.5, 0, 0.5])):
        rows = table.loc["n_pcres", group]
        assert ((rows["low"] + rows["high"]) / 2).tolist() == [0, 1, 2] and rows["share"].tolist() == shares
    width = table.loc["width", "all"]                                           # 40 bins of 20 bp
    assert width.loc[width["n"] > 0, "low"].tolist() == [100, 240, 400]
    assert table.loc["width", "strongest"]["n"].sum() == 2
    distance = table.loc["distance", "all"]                                     # of which 375 and 550 bp are under 1 kb
    assert distance["n"].tolist() == [2, *[0] * 14, 1] and distance["low"].iloc[0] == 1000 and distance["high"].iloc[-1] == 1800
    assert distance["median"].isna().all()


def test_contact_by_distance_is_that_of_the_pairs_in_a_bin(monkeypatch):
    monkeypatch.setattr(pcres, "MIN_PAIRS", 2)
    rows = pcres.histograms(hand_data(tss=[1500, 5000, 5000])).set_index(["quantity", "group"]).loc["distance", "all"]
    assert rows[["q25", "median", "q75"]].iloc[0].tolist() == [2.25, 2.5, 2.75]  # contacts 3 and 2
    assert rows["median"].iloc[1:].isna().all()                                 # one pair in the last


def test_widths_stand_beside_the_published_ones():
    data = hand_data()
    data.store.attrs["dropped"] = '{"pCREs of genes": {"wider than 800 bp": 2, "beyond the 2 strongest": 5}}'
    table = pcres.widths(data)
    row = table.iloc[0]
    assert row["fragments"] == "pCREs of T1" and row["source"] == "this profile" and row["too_wide"] == 2
    assert row[["n", "minimum", "median", "mean", "maximum"]].tolist() == [3, 100, 250, 250, 400] and row["share_below_10kb"] == 1
    assert table["fragments"].tolist()[1:] == ["all fragments", "fragments with a TSS", "pCREs of the 100 demo genes"]
    assert table["median"].tolist()[1:] == [4797, 9416, 5314] and table["too_wide"].isna().tolist()[1:] == [True] * 3
    assert table["source"].notna().all()


def test_without_pcres_every_table_says_so(without):
    assert len(pcres.pairs(without)) == 0 and len(pcres.histograms(without)) == 0
    assert pcres.summary(without)["share_without"].tolist() == [1, 1, 1]
    assert "this profile" not in pcres.widths(without)["source"].tolist()
    assert "T01: the profile has no contacts of these 6 genes" in pcres.statement(without)


def test_statement_counts_pairs_genes_and_regions_and_says_how_far_and_wide():
    assert pcres.statement(hand_data(tss=[1500, 5000, 5000])) == (              # 375, 550 and 1,800 bp away, 250, 100 and 400 bp wide
        "T1: 3 pCREs of 2 among 3 genes (3 regions); 33% of the genes have none, 33% have 2, the most that one may; half of the pCREs lie "
        "within 550 bp of their TSS, and 100% are narrower than 10,000 bp"
    )
    assert "(20 regions, some of several genes)" in pcres.statement(dataset(100))


def test_marks_of_pcres_by_hand():
    """G0 has two pCREs, of three bins (the last of 50 bp) and of one; G1 has one of four, G2 none."""
    data = hand_data()
    found = pcres.marks_at_pcres(data)
    assert found["gene_id"].tolist() == ["G0", "G1"]
    assert found["A"].tolist() == pytest.approx([np.log1p([1, 2, 3, 8]).mean(), np.log1p([4, 5, 6, 7]).mean()])
    carried = pcres.with_marks(pd.DataFrame({"cell_type": "T1", "gene_id": ["G1", "G2"]}), {"T1": data})
    assert carried["gene_id"].tolist() == ["G1"] and carried["A"].tolist() == pytest.approx(found["A"].tolist()[1:])


def test_curve_around_pcres_counts_each_as_far_as_it_reaches_and_a_gene_once(monkeypatch):
    monkeypatch.setattr(pcres, "MIN_GENES", 1)
    found = pcres.around_pcres(hand_data(), {"one": ["G0"], "all": ["G0", "G1", "G2"], "none": ["G2"]}, reach_bp=400)
    one = found[found["label"] == "one"].set_index("offset")
    assert one["mean"].to_dict() == pytest.approx({-50: np.log(2), 50: (np.log(3) + np.log(9)) / 2, 150: np.log(4)})
    both = found[found["label"] == "all"].set_index("offset")
    assert both["n"].to_dict() == {-150: 1, -50: 2, 50: 2, 150: 2} and set(found["label"]) == {"one", "all"}
    assert both.loc[50, "mean"] == pytest.approx((one.loc[50, "mean"] + np.log(7)) / 2)
    monkeypatch.setattr(pcres, "MIN_GENES", 3)
    assert pcres.around_pcres(hand_data(), {"all": ["G0", "G1"]}).empty


# Laws


def test_order_of_genes_changes_nothing():
    data = dataset()
    turned = data.select(genes=data.genes["gene_id"].tolist()[::-1])
    for table in (pcres.summary, pcres.widths, pcres.histograms):
        pd.testing.assert_frame_equal(table(data), table(turned))


def test_every_pair_is_in_one_bin_and_shares_add_up():
    data = dataset(100)
    n = len(pcres.pairs(data))
    for (quantity, group), rows in pcres.histograms(data).groupby(["quantity", "group"]):
        assert rows["n"].sum() == {"on": 50, "off": 50, "all": n, "strongest": 100 - 12}[group], quantity  # 12 have none
        np.testing.assert_allclose(rows["share"].sum(), 1)


def test_equal_contacts_have_a_bin():
    store = random_store(9)
    store["contact"] = store["contact"].where(store["contact"] == 0, 2.0)
    rows = pcres.histograms(GeneDataset(store)).query("quantity == 'contact' and group == 'all'")
    assert rows["n"].iloc[0] == rows["n"].sum() > 0


# Agreement


def test_simulated_genes_have_as_many_pcres_as_were_planted():
    profile = load_profile("smoke")
    data = load_dataset(profile, "S01")
    planted = read_truth(profile, "genes", "S01")["n_pcres"]
    table = pcres.histograms(data).query("quantity == 'n_pcres'").groupby("low")["n"].sum()
    np.testing.assert_array_equal(table, np.bincount(planted, minlength=9))


def test_widths_of_the_demo_are_those_published(demo_archive):
    profile = load_profile("h1-demo")
    table = pcres.widths(load_dataset(profile, "E003")).set_index("fragments")
    names = ["n", "minimum", "median", "mean", "maximum"]
    ours, theirs = table.loc["pCREs of E003"], table.loc["pCREs of the 100 demo genes"]
    assert ours[names].tolist() == theirs[names].tolist()
    assert round(ours["share_below_10kb"], 2) == theirs["share_below_10kb"]

"""One gene as tables: positions, distances and means counted by hand on the stores of test_dataset.py."""

import numpy as np
import pytest

from chromolib.analysis import tracks
from chromolib.config import InputError
from chromolib.dataset import GeneDataset
from tests.stores import hand_data, random_store


def test_gene_is_found_by_id_and_by_symbol():
    data = hand_data()
    assert tracks.find_gene(data, "G1")["symbol"] == tracks.find_gene(data, "S1")["symbol"] == "S1"


def test_unknown_gene_is_one_line():
    with pytest.raises(InputError, match="T1: gene 'TP53' found 0 times among 3, expected once; data.genes lists them"):
        tracks.find_gene(hand_data(), "TP53")
    with pytest.raises(InputError, match="gene 'G0' found 0 times among 1"):
        tracks.gene_tracks(hand_data().select(genes=["G1"]), "G0")


def test_tracks_give_the_middle_of_each_narrow_bin_in_genome_order():
    for gene, first in (("G0", 1), ("G1", 11)):  # plus and minus strand, TSS 5,000, frame of 800 bp
        table = tracks.gene_tracks(hand_data(), gene)
        promoter = table[table["region"] == table["region"].iloc[0]]
        assert promoter["position"].tolist() == [4650, 4750, 4850, 4950, 5050, 5150, 5250, 5350]
        assert promoter["depth"].tolist() == list(range(first, first + 8)) and set(promoter["mark"]) == {"A"}


def test_tracks_of_a_pcre_end_with_the_middle_of_what_is_left_of_its_last_bin():
    table = tracks.gene_tracks(hand_data(), "G0").set_index("region")
    assert table.loc["chr1:1000-1250", "position"].tolist() == [1050, 1150, 1225]
    assert table.loc["chr1:1000-1250", "depth"].tolist() == [1, 2, 3] and table.loc["chr1:2000-2100", "depth"].tolist() == 8
    assert set(tracks.gene_tracks(hand_data(), "G2")["region"]) == {"chr3:4600-5400"}


def test_regions_are_the_promoter_and_its_pcres_signed_from_the_tss():
    data = hand_data(tss=[1500, 5000, 5000])
    table = tracks.gene_regions(data, "G0")
    assert table["what"].tolist() == ["promoter", "pCRE", "pCRE"]
    assert table["region"].tolist() == ["chr1:1100-1900", "chr1:1000-1250", "chr1:2000-2100"]
    np.testing.assert_array_equal(table["contact"], [np.nan, 3, 2])
    assert table["distance"].tolist() == [0, 1125 - 1500, 2050 - 1500]
    assert tracks.gene_regions(data, "G2")["what"].tolist() == ["promoter"]
    assert tracks.gene_regions(data.select(max_pcres=1), "G0")["region"].tolist()[1:] == ["chr1:1000-1250"]


def test_regions_lie_side_by_side_at_their_width_and_overlaps_stay_overlaps(monkeypatch):
    data = hand_data(tss=[1500, 5000, 5000])                                    # window 1,100 to 1,900, pCRE from 1,000
    table = tracks.gene_regions(data, "G0")                                     # 100 bp between it and the other one
    assert table[["x_start", "x_end"]].to_numpy().tolist() == [[100, 900], [0, 250], [1000, 1100]]
    monkeypatch.setattr(tracks, "GAP_BP", 30)
    table = tracks.gene_regions(data, "G0")
    assert table[["x_start", "x_end"]].to_numpy().tolist() == [[100, 900], [0, 250], [930, 1030]]
    positions = tracks.gene_tracks(data, "G0").set_index("region").loc["chr1:2000-2100"]
    assert positions["position"] == 2050 and positions["x"] == 980


def test_shrinking_what_lies_between_keeps_order_and_widths():
    data = GeneDataset(random_store(9, n_pcres=20, frame_bp=20_000), bin_bp=(2000, 100))
    for gene in data.genes["gene_id"]:
        regions, table = tracks.gene_regions(data, gene), tracks.gene_tracks(data, gene)
        assert regions.sort_values(["start", "end"]).index.equals(regions.sort_values(["x_start", "x_end"]).index)
        np.testing.assert_allclose(regions["x_end"] - regions["x_start"], regions["end"] - regions["start"])
        assert (regions["x_end"].max() <= (regions["end"] - regions["start"]).sum() + tracks.GAP_BP * (len(regions) - 1))
        one = table[table["mark"] == data.marks[0]].sort_values("position")
        assert one["x"].is_monotonic_increasing


def test_network_input_counts_downstream_positive_on_both_strands():
    data = hand_data((400, 100))
    for gene, depth in (("G0", [1, 2, 3, 4, 5, 6, 7, 8]), ("G1", [18, 17, 16, 15, 14, 13, 12, 11])):
        table = tracks.network_input(data, gene).set_index("bin_bp")
        assert table.loc[100, "offset"].tolist() == [-350, -250, -150, -50, 50, 150, 250, 350]
        np.testing.assert_allclose(table.loc[100, "signal"], np.log1p(depth), rtol=1e-6)
        assert table.loc[400, "offset"].tolist() == [-200, 200]
        halves = [np.mean(depth[:4]), np.mean(depth[4:])]
        np.testing.assert_allclose(table.loc[400, "signal"], np.log1p(halves), rtol=1e-6)


def test_example_gene_is_the_one_named_or_the_most_expressed_with_most_pcres():
    data = hand_data(strands="+-++")  # two, one, no and no pCREs; expression rises
    assert tracks.example_gene(data)["gene_id"] == "G0"
    assert tracks.example_gene(data.select(genes=["G2", "G3"]))["gene_id"] == "G3"
    assert tracks.example_gene(data, "S2")["gene_id"] == "G2"


def test_folds_count_genes_labels_and_pcres():
    table = tracks.folds(hand_data(strands="+-++")).set_index("fold")           # G0 and G3 are of fold 1
    assert table.loc[1].tolist() == ["chr1 chr4", 2, 0.5, 0.5, 1.0]
    assert table.loc[2].tolist() == ["chr2", 1, 1.0, 1.0, 1.0]
    assert table["genes"].tolist() == [2, 1, 1]


def test_mean_by_label_averages_genes_in_the_direction_of_transcription():
    table = tracks.mean_by_label(hand_data(strands="+-++"), 100)                # on: G1, G3; off: G0, G2
    on = table[table["label"] == "on"]
    values = np.log1p([[18, 17, 16, 15, 14, 13, 12, 11], [31, 32, 33, 34, 35, 36, 37, 38]])
    np.testing.assert_allclose(on["mean"], values.mean(0), rtol=1e-5)
    half = 1.96 * values.std(0, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(on["high"] - on["mean"], half, rtol=1e-4)
    np.testing.assert_allclose(on["mean"] - on["low"], half, rtol=1e-4)
    assert on["n"].tolist() == [2] * 8 and on["offset"].tolist() == [-350, -250, -150, -50, 50, 150, 250, 350]


def test_loci_are_each_gene_in_each_cell_type():
    data = {"T1": hand_data(), "T2": hand_data().select(max_pcres=1)}
    loci = tracks.loci(data, ["G0", "G1"])
    assert [(locus.cell_type, locus.strand, len(locus.regions)) for locus in loci] == [("T1", "+", 3), ("T2", "+", 2), ("T1", "-", 2), ("T2", "-", 2)]
    table = tracks.together(loci[:2])
    assert len(table) == sum(len(locus.tracks) for locus in loci[:2]) and table.columns.tolist()[:3] == ["cell_type", "region", "mark"]
    assert tracks.loci(data, []) == [] and tracks.together([]).columns.equals(table.columns)

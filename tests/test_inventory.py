"""What is missing: shares counted by hand, unmoved by order and depth; cell types that are at hand, in words; files and their reads."""

import gzip

import numpy as np
import pandas as pd
import pytest

from chromolib import load_dataset, load_profile
from chromolib.analysis import inventory
from chromolib.config import MARKS
from chromolib.dataset import GeneDataset
from chromolib.inputs.raw import depth_path
from tests.stores import hand_data, random_store


@pytest.fixture
def profile(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    return load_profile("smoke")


def test_gaps_are_counted_on_the_chromosome():
    depth = [[9, 9, 9, 0, 4, 0, 0, 0], [0] * 8]       # TSS 100: three bins of the first lie before the chromosome
    data = hand_data(strands="++", tss=[100, 5000], depth=depth)
    row = inventory.gaps(data).iloc[0]
    assert row["cell_type"] == "T1" and row["mark"] == "A" and row["genes"] == 2
    np.testing.assert_allclose(row["empty_bins"], 12 / 13)
    np.testing.assert_allclose(row["mean"], 4 / 13)
    assert row["empty_genes"] == 0.5 and row["cut_genes"] == 0.5 and row["off_chromosome"] == 300 / 1600
    assert row["lone_genes"] == 0 and row["empty_pcre_bins"] == 0
    assert inventory.gaps(data.select(max_pcres=0)).iloc[0]["lone_genes"] == 1


def test_a_bin_that_is_cut_counts_for_the_bp_that_it_has():
    row = inventory.gaps(hand_data(strands="+", tss=[370])).iloc[0]             # 30 bp of the first bin are off
    np.testing.assert_allclose(row["off_chromosome"], 30 / 800)
    assert row["cut_genes"] == 1 and row["empty_bins"] == 0


def test_marks_of_the_paper_that_are_missing_have_rows_without_numbers():
    table = inventory.gaps(GeneDataset(random_store(marks=("CTCF", "H3K4me3"))))
    assert table["mark"].tolist() == ["CTCF", "H3K4me3", *(mark for mark in MARKS if mark != "H3K4me3")]
    assert table["empty_bins"].notna().tolist() == [True, True] + [False] * 6
    assert table["lone_genes"].notna().all()


def test_order_of_genes_and_depth_change_no_share():
    store = random_store(marks=("H3K4me3", "H3K9ac"))
    store["promoter"] = store["promoter"].where(store["promoter"] > 0.5, 0)
    data = GeneDataset(store)
    table = inventory.gaps(data)
    assert 0 < table["empty_bins"].min() < 1
    turned = inventory.gaps(data.select(genes=data.genes["gene_id"].tolist()[::-1]))
    pd.testing.assert_frame_equal(table, turned)
    deeper = store.copy(deep=True)
    deeper["promoter"], deeper["pcre_depth"] = 3 * store["promoter"], 3 * store["pcre_depth"]
    pd.testing.assert_frame_equal(table.drop(columns="mean"), inventory.gaps(GeneDataset(deeper)).drop(columns="mean"))


def test_only_cell_types_with_features_are_shown_and_the_others_named(profile):
    data = load_dataset(profile, "S02")
    assert inventory.at_hand(profile) == ["S02"]
    table = inventory.of_profile(profile, data)
    pd.testing.assert_frame_equal(table, inventory.gaps(data))
    text = inventory.statement(profile, table)
    assert text.startswith("cell types: S02; ") and "marks of the paper that are missing: none; not shown" in text
    assert text.endswith("(`chromolib preprocess smoke`): S01, S03")
    first = load_dataset(profile, "S01")
    table = inventory.of_profile(profile, data)
    assert list(table["cell_type"].unique()) == ["S01", "S02"]                  # in the order of the profile
    pd.testing.assert_frame_equal(table.iloc[: len(MARKS)], inventory.gaps(first))


def test_libraries_have_files_and_reads_beside_what_came_of_them(profile):
    data = load_dataset(profile, "S02")
    gaps = inventory.of_profile(profile, data)
    table = inventory.libraries(profile, gaps)
    assert set(table["cell_type"]) == {"S02"} and table["mark"].tolist() == [*MARKS, "CTCF"]
    row = table.set_index("mark").loc["H3K4me3"]
    n_lines = gzip.decompress((profile.raw_dir / "alignments/S02-H3K4me3.tagAlign.gz").read_bytes()).count(b"\n")
    n_dropped = data.dropped.set_index("what")["count"].get("reads of H3K4me3", 0)
    assert row[["kind", "files"]].tolist() == ["reads (tagAlign)", "S02-H3K4me3.tagAlign.gz"] and row["reads"] == n_lines - np.sum(n_dropped) > 0
    assert row["genes"] == len(data) and np.isnan(row["duplicates"])            # tagAlign marks none
    of_marks = table[table["mark"] != "CTCF"]
    np.testing.assert_array_equal(of_marks[["mean", "empty_bins"]], gaps[["mean", "empty_bins"]])
    assert table["reads"].gt(0).all() and table.set_index("mark").loc["CTCF", ["genes", "mean", "empty_bins"]].isna().all()
    path = depth_path(profile, "S02", "CTCF").with_suffix(".json")
    path.unlink()                                                               # without the note nobody counts again
    assert inventory.libraries(profile, gaps).set_index("mark")["reads"].isna().tolist() == [False] * len(MARKS) + [True]


def test_published_signal_is_at_hand():
    profile = load_profile("pilot-40kb")
    assert inventory.at_hand(profile) == ["E003", "E116"]
    table = pd.DataFrame({"cell_type": ["E003", "E116"] * 2, "mark": ["H3K4me3"] * 2 + ["H3K9ac"] * 2, "empty_bins": [0.1, 0.25, *[np.nan] * 2]})
    thin = "fewest promoter bins have signal in H3K4me3 of E116 (75%)"
    assert inventory.statement(profile, table) == f"cell types: E003, E116; {thin}; marks of the paper that are missing: H3K9ac"

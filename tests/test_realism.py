"""Depth statistics beside H1's: counted by hand, unmoved by what must not matter, equal to the real promoters' own."""

import io

import numpy as np
import pandas as pd
import pytest

from chromolib import load_dataset, load_profile
from chromolib.analysis import realism
from chromolib.config import InputError
from chromolib.dataset import GeneDataset
from tests.stores import random_store


def dataset(store=None, *, depth=None, label=None, marks=("H3K4me3",), **options):
    """Genes of alternating strands in 400 bins of 100 bp; `depth` is (gene, bin) of the one mark."""
    store = random_store(2 if depth is not None else 6, marks=marks, seed=1) if store is None else store
    if depth is not None:
        store["promoter"] = ("gene", "bin", "mark"), np.array(depth, np.float32)[..., None]
    if label is not None:
        store["label"] = "gene", label
    return GeneDataset(store, bin_bp=(2000, 500, 100), **options)


def only_row(table):
    assert len(table) == 1
    return table.iloc[0]


def assert_same(first, second, *, rtol=1e-5):
    """The same tables, but for the order of what is summed."""
    assert list(first) == list(second)
    for name in first:
        pd.testing.assert_frame_equal(first[name], second[name], rtol=rtol, atol=1e-5)  # an interval may end near 0


def all_tables(data):
    return {"summary": realism.summary(data)} | {name: table(data) for name, table in realism.TABLES.items()}


# By hand


def test_summary_counts_bins_of_all_promoters():
    depth = np.zeros((2, 400))
    depth[0, :40], depth[1, 399] = 3, 7                                         # 41 of 800 bins have reads
    row = only_row(realism.summary(dataset(depth=depth)))
    np.testing.assert_allclose(row["mean_depth"], (40 * 3 + 7) / 800, rtol=1e-6)
    np.testing.assert_allclose(row["share_empty"], 759 / 800)
    np.testing.assert_allclose([row["depth_q50"], row["depth_q90"], row["depth_q99"], row["depth_max"]], [0, 0, 3, 7], rtol=1e-6)


def test_neighbours_of_alternating_bins_are_opposite_and_tenths_alike():
    data = dataset(depth=np.tile([0, 5], (2, 200)))
    row, table = only_row(realism.summary(data)), realism.neighbours(data)
    np.testing.assert_allclose([row["lag_1"], row["lag_10"]], [-1, 1])
    assert table["distance"].tolist() == [100, 200, 300, 500, 1000, 2000, 5000, 10_000]
    np.testing.assert_allclose(table["r"], [-1, 1, -1, -1, 1, 1, 1, 1])


def test_differences_are_taken_downstream_of_the_tss_on_both_strands():
    depth = np.zeros((2, 400))
    depth[0, 190:210] = 1      # + strand, on: 1 kb on both sides of the TSS
    depth[0, 220:] = 3         # and from 2 kb downstream
    depth[1, 220:380] = 9      # - strand, off: upstream only
    row = only_row(realism.summary(dataset(depth=depth, label=[1, 0])))
    np.testing.assert_allclose([row["tss_difference"], row["body_difference"]], np.log([2, 4]), rtol=1e-6)


def test_variance_between_promoters_is_all_or_none_of_it():
    between = dataset(depth=np.repeat([[1], [3]], 400, axis=1))
    within = dataset(depth=np.tile([1, 3], (2, 200)))
    shares = [only_row(realism.summary(data))["between_genes"] for data in (between, within)]
    np.testing.assert_allclose(shares, [1, 0], atol=1e-9)


def test_distribution_gives_depth_at_each_quantile():
    table = realism.distribution(dataset(depth=np.arange(800).reshape(2, 400)))
    assert table["quantile"].tolist() == list(realism.QUANTILES)
    np.testing.assert_allclose(table["depth"], 799 * table["quantile"], rtol=1e-5)


def test_marks_that_rise_together_correlate():
    store = random_store(2, marks=("H3K4me3", "H3K27ac", "H3K9ac"))
    ramp = np.repeat(np.arange(80.0), 5)                                        # equal within each bin of 500 bp
    depth = np.stack([np.expm1(ramp / 20), np.expm1(ramp / 10), np.expm1(4 - ramp / 20)], -1)
    store["promoter"] = ("gene", "bin", "mark"), np.stack([depth, depth]).astype(np.float32)
    store["strand"] = "gene", ["+", "+"]
    table = realism.correlation(GeneDataset(store)).pivot(index="mark", columns="other", values="r")
    names = ["H3K4me3", "H3K27ac", "H3K9ac"]
    np.testing.assert_allclose(table.loc[names, names], [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-5)


# Laws


def test_order_of_genes_changes_nothing():
    data = dataset(marks=("H3K4me3", "H3K9ac"))
    turned = data.select(genes=data.genes["gene_id"].tolist()[::-1])
    assert_same(all_tables(data), all_tables(turned), rtol=1e-5)


def test_a_gene_read_from_the_other_strand_is_the_same_gene():
    store = random_store(6, marks=("H3K4me3", "H3K9ac"), seed=1)
    other = store.copy(deep=True)
    other["promoter"] = store["promoter"].dims, store["promoter"].values[:, ::-1]
    other["strand"] = "gene", np.where(store["strand"].values == "+", "-", "+")
    assert_same(all_tables(dataset(store)), all_tables(dataset(other)), rtol=1e-5)


def test_logarithm_of_the_profile_changes_nothing():
    store = random_store(6, marks=("H3K4me3",))
    store["promoter"] = store["promoter"].round(2)                              # no depth too small for 1 + depth in float32
    assert_same(all_tables(dataset(store)), all_tables(dataset(store, log_base="2")), rtol=1e-4)


def test_bins_of_the_network_change_nothing():
    assert_same(all_tables(dataset()), all_tables(dataset().select(bin_bp=[2000])), rtol=1e-6)


def test_what_lies_beyond_the_chromosome_does_not_count():
    store = random_store(2, marks=("H3K4me3",), chrom_bp=2 * 10**6)
    store["tss"] = "gene", [5000, 10**6]                                        # 15 kb of the first window are outside
    store["promoter"].values[0, :150] = 0
    data = dataset(store)
    inside = np.concatenate([store["promoter"].values[0, 150:], store["promoter"].values[1]])
    row = only_row(realism.summary(data))
    np.testing.assert_allclose(row["mean_depth"], inside.mean(), rtol=1e-5)
    np.testing.assert_allclose(row["share_empty"], (inside == 0).mean())
    assert np.isfinite(realism.neighbours(data)["r"]).all()


def test_a_mark_without_reads_has_no_correlation():
    row = only_row(realism.summary(dataset(depth=np.zeros((2, 400)))))
    assert row["mean_depth"] == 0 and row["share_empty"] == 1 and row["between_genes"] == 0
    assert np.isnan([row["lag_1"], row["lag_10"]]).all()


# H1


def test_file_of_h1_is_what_the_real_archive_gives(demo_archive):
    made = realism.make_reference(load_dataset(load_profile("h1-demo"), "E003"))
    made = pd.read_csv(io.StringIO(made.to_csv(index=False)))
    kept = pd.read_csv(realism.REFERENCE)
    pd.testing.assert_frame_equal(made, kept, check_dtype=False, rtol=0, atol=0.0021)  # two units of the last digit


def test_h1_beside_itself_is_itself(demo_archive):
    data = load_dataset(load_profile("h1-demo"), "E003")
    table = realism.beside_reference(data)
    assert len(table) == 7 * 11 and table["difference"].abs().max() <= 0.00051
    for name, layout in realism.LAYOUT.items():
        both = realism.with_reference(data, name)
        here, h1 = (both.loc[both["source"] == source, layout["value"]].to_numpy() for source in ("here", "H1"))
        np.testing.assert_allclose(here, h1, atol=0.00051)


def test_file_of_h1_is_small_and_of_the_genes_that_captions_name():
    assert realism.REFERENCE.stat().st_size < 60_000
    tables = realism.reference()
    assert set(tables["distribution"]["n"]) == {100}
    assert tables["by_label"].groupby("label")["n"].unique().to_dict() == {"on": [47], "off": [53]}
    assert realism.n_reference() == {"on": 47, "off": 53, "all": 100}
    assert list(tables["summary"]) == list(realism.summary(dataset()))


def test_intervals_enclose_the_value_and_a_maximum_has_none():
    table = realism.make_reference(dataset(), n_resamples=5)
    is_max = table["statistic"] == "depth_max"
    assert (table.loc[~is_max, "half"] >= 0).all() and table.loc[is_max, "half"].isna().all()
    by_label = realism.reference()["by_label"]
    assert (by_label["low"] <= by_label["mean"]).all() and (by_label["mean"] <= by_label["high"]).all()


def test_comparison_gives_difference_and_of_depths_the_ratio():
    data = dataset()
    table = realism.beside_reference(data).set_index("statistic")
    real = only_row(realism.reference()["summary"].query("mark == 'H3K4me3'"))
    here = only_row(realism.summary(data))
    mean = table.loc["mean_depth"]
    assert mean["here"] == here["mean_depth"] and mean["h1"] == real["mean_depth"]
    np.testing.assert_allclose(mean["ratio"], here["mean_depth"] / real["mean_depth"])
    np.testing.assert_allclose(table.loc["lag_1", "difference"], here["lag_1"] - real["lag_1"])
    assert np.isnan(table.loc["lag_1", "ratio"])
    wide = realism.side_by_side(realism.beside_reference(data))
    assert wide[["mark", "data"]].to_numpy().tolist() == [["H3K4me3", "here"], ["H3K4me3", "H1"]]
    assert wide["mean_depth"].tolist() == [mean["here"], mean["h1"]] and list(wide)[2:] == list(table.index)


def test_marks_that_only_one_side_has_are_left_out_and_named():
    data = dataset(marks=("H2A.Z", "H3K4me3", "H3K9ac"))
    assert realism.statement(data).endswith("marks: H3K4me3, H3K9ac; not in H1's numbers: H2A.Z")
    assert set(realism.beside_reference(data)["mark"]) == {"H3K4me3", "H3K9ac"}
    table = realism.with_reference(data, "correlation")
    assert table.groupby("source").size().to_dict() == {"here": 4, "H1": 4}


# Nothing to compare


def p_values():
    store = random_store(4)
    store.attrs["signal"] = "arcsinh p-value"
    return GeneDataset(store)


@pytest.mark.parametrize(("data", "reason"), [
    (p_values, "their features are arcsinh p-value, H1's are depth"),
    (lambda: dataset().select(window_bp=10_000), "they span 10,000 bp, H1's 40,000"),
    (lambda: GeneDataset(random_store(4, base_bp=500), bin_bp=(500,)), "they are stored in bins of 500 bp, H1's in bins of 100"),
    (lambda: dataset(marks=("H2A.Z",)), "none of their marks is one of H1's (H3K4me1, "),
])  # fmt: skip
def test_what_cannot_be_compared_is_said_and_its_tables_are_empty(data, reason):
    data = data()
    said = realism.statement(data)
    assert said.startswith(f"T01: its promoters are not held against H1's, since {reason}") and said.endswith("the tables below are empty")
    beside = realism.beside_reference(data)
    assert beside.empty and realism.side_by_side(beside).empty
    for name in realism.LAYOUT:
        table = realism.with_reference(data, name)
        assert table.empty and list(table) == list(realism.with_reference(dataset(), name))


def test_features_that_are_no_depth_are_refused():
    for table in (realism.summary, realism.by_label, realism.distribution, realism.neighbours, realism.correlation):
        with pytest.raises(InputError, match=r"T01: features are arcsinh p-value, expected depth; realism.obstacle\(data\)"):
            table(p_values())

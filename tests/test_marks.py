"""Single numbers of each mark: counted by hand, equal to SciPy's and scikit-learn's, unmoved by what must not matter."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from chromolib import InputError, load_dataset, load_profile
from chromolib.analysis import marks
from chromolib.dataset import GeneDataset
from chromolib.simulate import read_truth
from tests.stores import hand_data, random_store


def dataset(n_genes=40, *, names=("H3K4me3", "H3K27me3"), window_bp=None, **options):
    return GeneDataset(random_store(n_genes, marks=names, **options), bin_bp=(2000, 500, 100), window_bp=window_bp)


def set_depth(data, window, values, mark=0):
    """The same genes with this depth, (gene,), in a window (bp downstream of the TSS), and none elsewhere in the mark."""
    store = data.store.copy(deep=True)
    depth = store["promoter"].values.copy()
    depth[..., mark] = 0
    first, end = (20_000 + window[0]) // 100, (20_000 + window[1]) // 100
    for i, strand in enumerate(store["strand"].values):
        row = depth[i, :, mark] if strand == "+" else depth[i, ::-1, mark]
        row[first:end] = values[i]
    store["promoter"] = store["promoter"].dims, depth
    return GeneDataset(store)


def of(table, **keys):
    """The rows of a table that have these values."""
    for name, value in keys.items():
        table = table[table[name] == value]
    return table


# By hand


def test_signal_of_a_window_is_that_of_one_bin_as_wide_downstream_on_both_strands():
    data = hand_data()                                                          # depth 1..8, 18..11, 21..28 along transcripts
    np.testing.assert_allclose(marks.window_signal(data, -200, 200)[:, 0], np.log1p([4.5, 14.5, 24.5]), rtol=1e-5)
    np.testing.assert_allclose(marks.window_signal(data, 200, 400)[:, 0], np.log1p([7.5, 11.5, 27.5]), rtol=1e-5)
    coarse = data.select(bin_bp=[400])
    np.testing.assert_allclose(marks.window_signal(coarse, -400, 0), marks.window_signal(data, -400, 0), rtol=1e-5)


def test_signal_counts_only_bins_on_the_chromosome():
    data = hand_data(strands="+", tss=[100], depth=[[0, 0, 0, 4, 8, 2, 0, 0]])  # the first three bins lie before it
    np.testing.assert_allclose(marks.window_signal(data, -400, 400)[:, 0], np.log1p([14 / 5]), rtol=1e-5)
    assert np.isnan(marks.window_signal(data, -400, -100)).all()


def test_windows_are_named_and_cut_to_what_the_dataset_has():
    names = {bp: list(marks.by_label(dataset(window_bp=bp))["window"].unique()) for bp in (40_000, 10_000, 8_000, 2_000)}
    assert names == {40_000: ["TSS ± 2 kb", "4 to 6 kb downstream"], 10_000: ["TSS ± 2 kb", "4 to 5 kb downstream"],
                     8_000: ["TSS ± 2 kb"], 2_000: ["TSS ± 1 kb"]}  # fmt: skip


def test_spread_is_the_quantiles_of_genes_on_and_off():
    data = dataset(10)
    depth = np.arange(10.0)
    table = marks.by_label(set_depth(data, (4000, 6000), depth))
    rows = of(table, window="4 to 6 kb downstream", mark="H3K4me3").set_index("label")
    for label, name in ((1, "on"), (0, "off")):
        signal = np.log1p(depth[data.genes["label"] == label])
        assert rows.loc[name, "n"] == 5
        np.testing.assert_allclose(rows.loc[name, ["q05", "q25", "median", "q75", "q95"]].astype(float),
                                   np.quantile(signal, [0.05, 0.25, 0.5, 0.75, 0.95]), rtol=1e-5)  # fmt: skip
        np.testing.assert_allclose(rows.loc[name, "mean"], signal.mean(), rtol=1e-5)
    assert (of(table, window="TSS ± 2 kb", mark="H3K4me3")["q95"] == 0).all()


def test_ranking_finds_the_mark_that_parts_the_labels_whichever_way():
    data = dataset()
    is_on = (data.genes["label"] == 1).to_numpy()
    table = marks.ranking(set_depth(data, (-2000, 2000), np.where(is_on, 1.0, 3.0), mark=1), n_resamples=100)
    assert list(table["mark"].unique()) == ["H3K27me3", "H3K4me3"]
    rows = of(table, mark="H3K27me3", window="TSS ± 2 kb").set_index("statistic")
    assert rows.loc["roc_auc", ["value", "low", "high"]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(rows.loc["on_minus_off", ["value", "low", "high"]].astype(float), np.log(2) - np.log(4), rtol=1e-5)
    assert "H3K27me3 (TSS ± 2 kb) tells most: ROC-AUC 0.00 [0.00, 0.00], more of it where a gene is off" in marks.statement(table)


def test_statement_names_numbers_that_may_tell_nothing():
    table = pd.DataFrame({"window": "TSS", "mark": list("ab"), "statistic": "roc_auc", "value": [0.7, 0.4], "low": [0.6, 0.3],
                          "high": [0.8, 0.5], "n": 9})  # fmt: skip
    assert marks.statement(table).endswith("may as well be 0.5: b (TSS).")
    assert marks.statement(table.iloc[:1]).endswith("may as well be 0.5: none.")


# Peers


def test_values_are_those_of_scipy_and_scikit_learn():
    data = dataset(60, names=("H3K4me3", "H3K27me3", "H3K9ac"))
    data = set_depth(data, (-2000, 2000), np.round(data.genes["expression"] / 20))          # with ties
    table, signal = marks.ranking(data, n_resamples=10), marks.window_signal(data, -2000, 2000)
    label, expression = data.genes["label"], data.genes["expression"]
    for k, mark in enumerate(data.marks):
        rows = of(table, mark=mark, window="TSS ± 2 kb").set_index("statistic")["value"]
        np.testing.assert_allclose(rows["roc_auc"], roc_auc_score(label, signal[:, k]), rtol=1e-9)
        np.testing.assert_allclose(rows["spearman"], stats.spearmanr(signal[:, k], expression)[0], rtol=1e-9)
        np.testing.assert_allclose(rows["on_minus_off"], signal[label == 1, k].mean() - signal[label == 0, k].mean(), rtol=1e-9)
    r = marks.correlation(data, n_resamples=10).pivot(index="mark", columns="other", values="r")
    names = [*data.marks, "expression"]
    np.testing.assert_allclose(r.loc[names, names], stats.spearmanr(np.column_stack([signal, expression]))[0], atol=1e-9)


def test_intervals_are_those_of_resampled_genes_one_by_one():
    data = dataset(50)
    signal, label = marks.window_signal(data, -2000, 2000)[:, 0], (data.genes["label"] == 1).to_numpy()
    expression = data.genes["expression"].to_numpy()
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(2000):
        drawn = rng.integers(50, size=50)
        x, on = signal[drawn], label[drawn]
        draws.append([x[on].mean() - x[~on].mean(), roc_auc_score(on, x), stats.spearmanr(x, expression[drawn])[0]])
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    rows = of(marks.ranking(data, n_resamples=2000), mark=data.marks[0], window="TSS ± 2 kb")
    width = high - low
    np.testing.assert_array_less(np.abs(rows["low"] - low), 0.06 * width)
    np.testing.assert_array_less(np.abs(rows["high"] - high), 0.06 * width)


# Laws


def test_order_of_genes_changes_no_value():
    data = dataset()
    turned = data.select(genes=data.genes["gene_id"].tolist()[::-1])
    pd.testing.assert_frame_equal(marks.by_label(data), marks.by_label(turned))
    for table in (marks.ranking, marks.correlation):
        first, second = (table(one, n_resamples=10).drop(columns=["low", "high"]) for one in (data, turned))
        pd.testing.assert_frame_equal(first, second)


def test_deeper_sequencing_moves_no_rank():
    data = dataset()
    store = data.store.copy(deep=True)
    store["promoter"] = store["promoter"] * np.array([3, 0.5], np.float32)
    deeper = GeneDataset(store)
    ranks = [of(marks.ranking(one, n_resamples=20), statistic=name) for one in (data, deeper) for name in ("roc_auc", "spearman")]
    pd.testing.assert_frame_equal(ranks[0], ranks[2], rtol=1e-9)
    pd.testing.assert_frame_equal(ranks[1], ranks[3], rtol=1e-9)
    pd.testing.assert_frame_equal(marks.correlation(data, n_resamples=20), marks.correlation(deeper, n_resamples=20), rtol=1e-9)


def test_marks_that_follow_each_other_stand_side_by_side():
    data = dataset(names=("H3K4me3", "H3K27me3", "H3K9ac", "H3K9me3"))
    expression = data.genes["expression"].to_numpy()
    for mark, values in ((0, expression), (1, -np.sqrt(expression)), (2, expression + 1), (3, 9 - np.sqrt(expression))):
        data = set_depth(data, (-2000, 2000), values - values.min(), mark=mark)
    table = marks.correlation(data, n_resamples=10)
    order = list(table["mark"].unique())
    assert order[-1] == "expression"
    assert {frozenset(order[:2]), frozenset(order[2:4])} == {frozenset({"H3K4me3", "H3K9ac"}), frozenset({"H3K27me3", "H3K9me3"})}
    np.testing.assert_allclose(of(table, mark="H3K4me3", other="H3K27me3")["r"], -1)
    assert of(table, mark="H3K4me3", other="H3K4me3")["low"].isna().all()


@pytest.mark.filterwarnings("error")
def test_mark_without_reads_has_no_correlation_and_parts_nothing():
    data = set_depth(dataset(), (0, 100), np.zeros(40))
    assert of(marks.correlation(data, n_resamples=10), mark="H3K4me3", other="expression")["r"].isna().all()
    rows = of(marks.ranking(data, n_resamples=10), mark="H3K4me3").groupby("statistic")["value"].first()
    assert rows["roc_auc"] == 0.5 and rows["on_minus_off"] == 0 and np.isnan(rows["spearman"])


def test_what_is_planted_in_the_body_of_genes_is_read_downstream_and_not_at_the_tss():
    profile = load_profile("smoke")
    data = load_dataset(profile, "S01", marks=["H3K36me3"])
    is_elongated = read_truth(profile, "genes", "S01").set_index("gene_id").loc[data.genes["gene_id"], "elongation_level"] > 0
    auc = []
    for window in marks.WINDOWS:
        signal = marks.window_signal(data, *window)[:, 0]
        auc.append(roc_auc_score(is_elongated[~np.isnan(signal)], signal[~np.isnan(signal)]))
    assert auc[1] > 0.85 and abs(auc[0] - 0.5) < 0.15, auc


# Marks along a window


def test_marks_follow_one_another_as_numpy_finds_it_within_each_gene():
    names = ("H3K4me3", "H3K36me3", "H3K27ac", "H3K9ac")
    data = dataset(12, names=names, window_bp=4000)
    table = marks.along_windows(data)
    signal = data.batch(range(12)).promoter[100].numpy()
    apart, together = (table[table["model"] == name]["score"].to_numpy() for name in table["model"].unique())
    for i in range(12):
        r = np.corrcoef(signal[i].T)
        np.testing.assert_allclose(apart[i], r[1, [0, 2, 3]].mean(), atol=1e-6)
        np.testing.assert_allclose(together[i], (r[0, 2] + r[0, 3] + r[2, 3]) / 3, atol=1e-6)
    assert table["model"].unique().tolist() == ["H3K36me3 with other marks", "other marks with one another"]
    assert table["gene_id"].tolist() == 2 * data.genes["gene_id"].tolist() and set(table["task"]) == {"reg"}


def test_correlation_along_windows_is_that_of_the_means_over_genes():
    data = dataset(12, names=("H3K4me3", "H3K36me3", "H3K27ac"), window_bp=4000)
    table = marks.spatial_correlation(data, n_resamples=50).set_index(["mark", "other"])
    scores = marks.along_windows(data).groupby("model")["score"].mean()
    assert table.loc[("H3K4me3", "H3K27ac"), "r"] == pytest.approx(scores["other marks with one another"])
    apart = table.loc[[("H3K36me3", "H3K4me3"), ("H3K27ac", "H3K36me3")]]
    assert apart["r"].mean() == pytest.approx(scores["H3K36me3 with other marks"])
    assert (apart["low"] < apart["r"]).all() and (apart["r"] < apart["high"]).all() and (apart["n"] == 12).all()
    itself = table.loc[[(mark, mark) for mark in data.marks]]
    assert itself["r"].tolist() == pytest.approx([1, 1, 1]) and itself["low"].isna().all()


def test_flat_mark_follows_nothing_and_bins_off_the_chromosome_do_not_count():
    names = ("H3K4me3", "H3K36me3", "H3K27ac")
    data = dataset(6, names=names)
    flat = set_depth(data, (0, 0), np.zeros(6), mark=1)
    table = marks.along_windows(flat)
    assert (table.loc[table["model"] == "H3K36me3 with other marks", "score"] == 0).all()
    store = data.store.copy(deep=True)
    store["tss"] = store["tss"] * 0 + 1000                                       # 19 kb of the window lie off it
    cut = GeneDataset(store, bin_bp=(100,))
    score = marks.along_windows(cut)["score"].to_numpy()
    batch = cut.batch([0])
    counted = ~batch.is_promoter_padding[100][0].numpy()
    r = np.corrcoef(batch.promoter[100][0].numpy()[counted].T)
    assert counted.sum() == 210 and score[0] == pytest.approx((r[1, 0] + r[1, 2]) / 2, abs=1e-6)


def test_marks_that_cannot_be_told_apart_along_windows_are_named():
    with pytest.raises(InputError, match="marks H3K4me3, H3K27me3, expected H3K36me3 and two or more others"):
        marks.along_windows(dataset())

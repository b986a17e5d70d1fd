"""Edits of a gene's input: by hand, as rebuilt features have them, and refused in one line."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, Run, load_profile, predict
from chromolib.analysis import perturbation
from chromolib.config import MARKS
from tests.stores import hand_data, random_store

WIDTHS = (2000, 500, 100)


@pytest.fixture(scope="module")
def data():
    return GeneDataset(random_store(18), task="reg")


@pytest.fixture(scope="module")
def model():
    return Chromoformer(ModelConfig(task="reg"))


def table_of(*rows):
    """Edits of (gene_id, edit, region, operation, then what is given by name)."""
    return pd.DataFrame([dict(zip(perturbation.REQUIRED, row[:4], strict=True)) | (row[4] if len(row) > 4 else {}) for row in rows])


def gene_of(data, n_pcres=3, strand=None):
    """A gene with this many pCREs, and the names of these."""
    gene_pcre, _ = data.touching()
    chosen = (gene_pcre >= 0).sum(1) == n_pcres
    if strand:
        chosen &= (data.genes["strand"] == strand).to_numpy()
    row = int(np.flatnonzero(chosen)[0])
    return data.genes["gene_id"][row], data.store["region"].values[gene_pcre[row, :n_pcres]].tolist(), row


def depth_of(dataset, bin_bp, mark=0):
    """Mean depth of the first gene's promoter bins and first pCRE's, the logarithm taken back."""
    batch = dataset.batch([0])
    return (signal[..., mark].expm1().round(decimals=4) for signal in (batch.promoter[bin_bp][0], batch.pcre[bin_bp][0, 0]))


def rebuilt(data, store):
    return GeneDataset(store, task=data.task, marks=data.marks, bin_bp=data.bin_bp, window_bp=data.window_bp, log_base=data.log_base)


# By hand


def test_set_scale_and_remove_change_depth_and_not_its_logarithm():
    data = hand_data(bin_bp=(200, 100), tss=[1500, 5000, 5000])                 # G0: pCREs of 250 and 100 bp
    before, pcre = depth_of(data, 100)
    for operation, value, expected in (("set", 7.0, 0 * pcre + 7), ("scale", 3.0, 3 * pcre), ("remove", None, 0 * pcre)):
        made = perturbation.edited(data, table_of(("G0", "e", "chr1:1000-1250", operation, {"value": value})))
        same, after = depth_of(made, 100)
        is_padding = made.batch([0]).is_padding[100][0, 0]
        torch.testing.assert_close(after[~is_padding], expected[~is_padding], atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(same, before)


def test_part_of_a_bin_counts_by_its_share_and_the_last_bin_by_what_it_has():
    data = hand_data(bin_bp=(200, 100), tss=[1500, 5000, 5000])
    (first,) = perturbation.edited(data, table_of(("G0", "e", "chr1:1000-1250", "set", {"value": 100.0, "start": 50, "end": 225}))).store["pcre_depth"].values[-3:, :1].T
    was = data.store["pcre_depth"].values[:3, 0]
    np.testing.assert_allclose(first, [50 + was[0] / 2, 100, 50 + was[2] / 2], rtol=1e-6)     # the last bin has 50 bp


def test_promoter_is_edited_in_the_direction_of_transcription(data):
    for strand in "+-":
        gene, _, row = gene_of(data, 4, strand)
        made = perturbation.edited(data, table_of((gene, "e", "promoter", "remove", {"mark": "H3K36me3", "start": 4000, "end": 6000})))
        before, after = data.batch([row]), made.batch([0])
        for width in WIDTHS:
            changed = (before.promoter[width][0] != after.promoter[width][0]).nonzero()
            tss = 20_000 // width
            assert set(changed[:, 1].tolist()) == {MARKS.index("H3K36me3")}
            assert changed[:, 0].min() >= tss + 4000 // width and changed[:, 0].max() < tss + 6000 / width
            assert after.promoter[width][0, tss + 4000 // width, MARKS.index("H3K36me3")] == 0


def test_positions_of_the_genome_are_those_of_the_window(data):
    for strand, expected in (("+", (100.0, 300.0)), ("-", (-300.0, -100.0))):
        gene, (name, *_), row = gene_of(data, 4, strand)
        tss, start = data.genes["tss"][row], int(name.split(":")[1].split("-")[0])
        edits = table_of((gene, "e", "promoter", "remove", {"start": tss + 100, "end": tss + 300}), (gene, "e", name, "remove", {"start": start + 5, "end": start + 25}))
        found = perturbation.from_genome(data, edits)[["start", "end"]].to_numpy().tolist()
        assert [tuple(row) for row in found] == [expected, (5.0, 25.0)]


def test_cut_leaves_the_other_pcres_where_they_were(data):
    gene, names, row = gene_of(data)
    made = perturbation.edited(data, table_of((gene, "e", names[1], "cut")))
    before, after = data.batch([row]), made.batch([0])
    assert after.contact[0, :3].tolist() == [before.contact[0, 0], 0, before.contact[0, 2]]
    narrow = perturbation.edited(data.select(max_pcres=2), table_of((gene, "e", names[1], "cut")))
    assert (narrow.batch([0]).contact[0] > 0).tolist() == [True, False]         # the third does not take its place


# Laws


def edits_of_all_kinds(data):
    """Edits whose result a changed store holds too: name -> rows."""
    gene, names, _ = gene_of(data, 4, "-")
    return {
        "set a mark of a pCRE": table_of((gene, "e", names[2], "set", {"mark": "H3K27ac", "value": 12.5})),
        "scale part of a promoter": table_of((gene, "e", "promoter", "scale", {"value": 0.25, "start": -750, "end": 1150})),
        "remove part of a pCRE": table_of((gene, "e", names[0], "remove", {"start": 130, "end": 480})),
        "several at once": table_of(
            (gene, "e", names[1], "scale", {"value": 2.0}), (gene, "e", names[1], "remove", {"mark": "H3K9ac"}),
            (gene, "e", "promoter", "set", {"mark": "H3K4me3", "value": 3.0, "start": 0, "end": 400}),
        ),
    }  # fmt: skip


def edited_store(data, edits):
    """The store with the same edits, made bp by bp."""
    store = data.store.copy(deep=True)
    gene = store.indexes["gene_id"].get_loc(edits["gene_id"][0])
    row = store["pcre_row"].values
    for edit in edits.reindex(columns=["region", "operation", "mark", "value", "start", "end"]).itertuples():
        marks = slice(None) if pd.isna(edit.mark) else [data.marks.index(edit.mark)]
        if edit.region == "promoter":
            bins, width = store["promoter"].values[gene], 40_000
            position = np.arange(width) - 20_000
            if store["strand"].values[gene] == "-":
                position = -1 - position
        else:
            pcre = store.indexes["region"].get_loc(edit.region)
            bins = store["pcre_depth"].values[row[pcre] : row[pcre + 1]]
            start, end = map(int, edit.region.split(":")[1].split("-"))
            width, position = end - start, np.arange(end - start)
        depth = np.repeat(bins, 100, axis=0)[:width].astype(float)
        low, high = (default if pd.isna(x) else x for x, default in ((edit.start, -np.inf), (edit.end, np.inf)))
        inside = np.flatnonzero((position >= low) & (position < high))[:, None]
        columns = np.arange(len(data.marks))[marks]
        depth[inside, columns] = {"set": lambda x, v: 0 * x + v, "scale": lambda x, v: x * v, "remove": lambda x, _: 0 * x}[edit.operation](depth[inside, columns], edit.value)
        for i in range(len(bins)):
            bins[i] = depth[100 * i : 100 * (i + 1)].mean(0)
    return store, gene


@pytest.mark.parametrize("name", ["set a mark of a pCRE", "scale part of a promoter", "remove part of a pCRE", "several at once"])
def test_edit_equals_features_rebuilt_with_the_edited_depth_at_all_bin_widths(data, model, name):
    edits = edits_of_all_kinds(data)[name]
    made = perturbation.edited(data, edits)
    store, row = edited_store(data, edits)
    whole = rebuilt(data, store)
    ours, theirs = made.batch([0]), whole.batch([row])
    for width in WIDTHS:
        torch.testing.assert_close(ours.promoter[width], theirs.promoter[width], atol=2e-6, rtol=2e-6)
        torch.testing.assert_close(ours.pcre[width], theirs.pcre[width], atol=2e-6, rtol=2e-6)
    after = perturbation.changes(model, data, edits)["after"].item()
    assert after == pytest.approx(predict(model, whole)["expression"][row], abs=2e-6)
    assert data.store.identical(random_store(18))                               # the store itself is as it was


@pytest.mark.parametrize("selection", [{"window_bp": 10_000}, {"marks": ["H3K4me3", "H3K27ac"]}, {"bin_bp": (500, 100)}, {"max_pcres": 2}, {"log_base": "2"}, {"task": "clf"}])
def test_edit_that_changes_nothing_changes_no_view(data, selection):
    view = data.select(**selection)
    names = ("task", "marks", "bin_bp", "window_bp", "max_pcres", "log_base")
    network = Chromoformer(ModelConfig(**{name: getattr(view, name) for name in names}))
    edits = pd.concat([perturbation.removals(view).assign(operation="scale", value=1.0), perturbation.scan(view, 5000).assign(operation="scale", value=1.0)])
    table = perturbation.changes(network, view, edits)
    assert len(table) > 18 and table["change"].abs().max() < 2e-6


def test_edits_at_the_end_of_a_chromosome_reach_what_lies_on_it():
    store = random_store(4, chrom_bp=10**6 + 10_050)                            # gene 0 ends 10,050 bp behind its TSS
    store["promoter"].values[0, 301:] = 0
    data = GeneDataset(store.isel(gene=[0]), task="reg")
    made = perturbation.edited(data, table_of((data.genes["gene_id"][0], "e", "promoter", "set", {"value": 8.0})))
    signal, is_padding = made.batch([0]).promoter[100][0], made.batch([0]).is_promoter_padding[100][0]
    torch.testing.assert_close(signal.expm1()[~is_padding], torch.full((301, 7), 8.0), atol=1e-4, rtol=1e-4)
    assert (signal[is_padding] == 0).all() and is_padding.sum() == 99


def test_cut_of_all_pcres_equals_no_contacts_and_order_of_edits_does_not_matter(data, model):
    alone = predict(model, data.select(max_pcres=0)).set_index("gene_id")["expression"]
    table = perturbation.changes(model, data, perturbation.all_cut(data))
    np.testing.assert_allclose(table["after"], alone[table["gene_id"]], atol=2e-6)
    edits = perturbation.removals(data)
    forward, backward = (perturbation.changes(model, data, part).set_index(["gene_id", "edit"])["change"] for part in (edits, edits[::-1]))
    np.testing.assert_allclose(forward, backward[forward.index], atol=2e-6)


def test_chunks_change_nothing(data, model, monkeypatch):
    edits = perturbation.mark_removals(data)
    whole = perturbation.changes(model, data, edits)
    monkeypatch.setattr(perturbation, "CHUNK", 7)
    pd.testing.assert_frame_equal(perturbation.changes(model, data, edits), whole, atol=2e-6)


def test_ready_edits_cover_what_their_names_say(data):
    n_pcres = int((data.touching()[0] >= 0).sum())
    assert len(perturbation.removals(data)) == len(perturbation.all_cut(data)) == n_pcres
    marks = perturbation.mark_removals(data)
    assert len(marks) == 7 * (18 + n_pcres) and marks["edit"].nunique() == 14
    scan = perturbation.scan(data, 2000)
    assert scan.groupby("gene_id").size().eq(20).all() and scan["start"].min() == -20_000 and scan["end"].max() == 20_000


def test_changes_are_of_genes_that_each_run_held_out(data, model, monkeypatch):
    runs = [Run(profile="smoke", cell_type="S01", fold=fold, task="reg", seed=7) for fold in (1, 2)]
    monkeypatch.setattr(perturbation, "networks", lambda runs: [(run, model, data.fold(run.fold)[1]) for run in runs])
    table = perturbation.of_runs(runs, perturbation.removals)
    folds = data.genes.set_index("gene_id")["fold"]
    assert (table["fold"] == table["gene_id"].map(folds)).all() and set(table["fold"]) == {1, 2} and set(table["seed"]) == {7}
    few = perturbation.of_runs(runs, lambda held_out: perturbation.scan(held_out, 20_000), n_genes=2)
    assert few.groupby("fold")["gene_id"].nunique().tolist() == [2, 2]


def test_means_by_mark_and_along_the_promoter_by_hand():
    labels = pd.Series({"G0": 1, "G1": 1, "G2": 0})
    table = pd.DataFrame({"gene_id": ["G0", "G1", "G2"] * 2, "edit": ["-2000"] * 3 + ["0"] * 3, "change": [1.0, 3.0, 5.0, 0.0, 0.0, 7.0]})
    found = perturbation.along_promoter(table, labels, 2000)
    assert found[["label", "offset", "mean", "n"]].values.tolist() == [["on", -1000, 2, 2], ["on", 1000, 0, 2], ["off", -1000, 5, 1], ["off", 1000, 7, 1]]
    np.testing.assert_allclose(found["high"][0] - 2, 1.96)                      # SD sqrt(2) of two
    marks = perturbation.by_mark(table.assign(edit="H3K27ac, pCREs"), labels)
    assert marks[["where", "mark", "label"]].values.tolist() == [["pCREs", "H3K27ac", "on"], ["pCREs", "H3K27ac", "off"]]


def test_what_all_pcres_do_stands_beside_what_was_planted_in_them():
    table = pd.DataFrame({"cell_type": "T", "task": "reg", "fold": 2, "gene_id": ["G0", "G1"], "change": [-1.5, 0.5]})
    assert perturbation.for_claims(table, pd.Series({"G0": 1.5}))[["gene_id", "fold", "score", "target"]].values.tolist() == [["G0", 2, 1.5, 1.5]]


def test_what_a_profile_lacks_is_said(data):
    real, simulated = load_profile("h1-demo"), load_profile("smoke")
    assert perturbation.left_out(simulated, data, (1, 2)).empty
    why = perturbation.left_out(real, data.select(marks=["H3K4me3"], max_pcres=0), (1,)).set_index("what")["why"]
    assert why.tolist() == [
        "no contacts of T01", "real data, of which nobody knows the truth", "no such mark of T01", "no such mark of T01", "one fold is held out"
    ]


# Errors


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gene_id": "G9"}, "edit e of G9: gene_id is G9, expected one of the 18 of T01; correct the edit"),
        ({"operation": "delete"}, "operation is delete, expected one of set, scale, remove, cut"),
        ({"region": "chr1:1-2"}, "region is chr1:1-2, expected promoter or a pCRE of the gene; pcres.pairs lists them"),
        ({"mark": "H4"}, "mark is H4, expected all or one of H3K4me1"),
        ({"region": "promoter", "operation": "cut"}, "operation is cut, expected cut of a whole pCRE; `remove` takes marks or parts"),
        ({"operation": "cut", "mark": "H3K27ac"}, "operation is cut, expected cut of a whole pCRE"),
        ({"value": -1.0}, "value is -1.0, expected 0 or more, since its operation is set or scale"),
        ({"value": None}, "value is nan, expected 0 or more"),
        ({"start": 5, "end": 5}, "end is 5.0, expected a position behind start"),
    ],
)
def test_wrong_edit_is_one_line_that_names_it(data, model, changed, message):
    gene, (name, *_), _ = gene_of(data)
    edits = pd.DataFrame([{"gene_id": gene, "edit": "e", "region": name, "operation": "scale", "value": 1.0} | changed])
    with pytest.raises(InputError) as caught:
        perturbation.changes(model, data, edits)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_edits_without_a_column_and_networks_of_fold_changes_are_refused(data, model):
    with pytest.raises(InputError, match="edits: no column 'operation', found gene_id, edit, region; expected gene_id, edit"):
        perturbation.changes(model, data, pd.DataFrame(columns=["gene_id", "edit", "region"]))
    with pytest.raises(InputError, match="predicts fold changes of two cell types"):
        perturbation.changes(Chromoformer(ModelConfig(task="diff")), data, perturbation.removals(data))


def test_no_edits_give_no_rows(data, model):
    assert perturbation.changes(model, data, perturbation.removals(data.select(max_pcres=0))).empty

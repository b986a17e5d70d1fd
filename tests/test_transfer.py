"""Few target genes or none: tables by hand, what simple models may see, and what was planted in sim."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromolib import GeneDataset, Run, answers, ensure, load_dataset, load_profile, studies
from chromolib.analysis import cross, transfer
from chromolib.evaluation import difference
from tests.stores import random_store
from tests.test_cross import scores_of

TARGET = np.tile([1, 0], 20)


def scores(**models):
    """Scores of 40 genes of cell type T by several models."""
    tables = [
        pd.DataFrame({"cell_type": "T", "task": "clf", "model": name, "gene_id": [f"g{i:03d}" for i in range(40)], "fold": 1, "score": score,
                      "target": TARGET.astype(float)})
        for name, score in models.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def test_learning_curve_holds_each_way_against_scratch_on_as_many_genes():
    rng = np.random.default_rng(0)
    few, many = TARGET + 2 * rng.normal(size=40), TARGET + 0.5 * rng.normal(size=40)
    table = scores(**{"from scratch, 50 genes": few, "fine-tuned, 50 genes": many, "from scratch, all genes": many, "fine-tuned, all genes": many})
    crossed = scores_of({"S": many, "T": many}, TARGET, 1)
    found = transfer.curve(table, crossed, ("S", "T"), 300).set_index(["way", "n_genes"])
    assert found.index.tolist() == [("not trained on it", 0), ("from scratch", 50), ("from scratch", 300), ("fine-tuned", 50), ("fine-tuned", 300)]
    gain, none = found.loc[("fine-tuned", 50)], found.loc[("fine-tuned", 300)]
    assert gain["change"] == pytest.approx(gain["value"] - found.loc[("from scratch", 50), "value"]) and gain["change_low"] > 0
    assert none["change"] == none["change_low"] == none["change_high"] == 0
    assert found.loc["from scratch", "change"].isna().all() and (found["n"] == 40).all()
    assert transfer.curve(table.iloc[:0], crossed, None, 300).empty


def test_all_genes_of_the_target_are_those_outside_of_the_first_fold():
    study, target = studies.study("smoke"), dataset("S03", 1)
    data = {"S01": dataset("S01", 0), "S03": target.select(genes=target.genes["gene_id"].tolist()[:10])}
    assert study.folds == (1,) and transfer.n_all(study, data) == 7             # folds 1, 2, 3, 4, 1, 2, 3, 4, 1, 2
    assert transfer.n_all(replace(study, folds=(3, 1)), data) == 8
    alone = study.record.model_copy(update={"cell_types": {"S01": "cells"}})
    assert transfer.n_all(replace(study, record=alone), data) == 0


def test_learning_curve_of_genes_that_tell_nothing_is_empty():
    table = scores(**{"from scratch, 50 genes": TARGET, "fine-tuned, 50 genes": TARGET}).assign(target=1.0)
    crossed = scores_of({"S": TARGET, "T": TARGET}, TARGET, 1).assign(target=1.0)
    found = transfer.curve(table, crossed, ("S", "T"), 300)
    assert found.empty and list(found) == list(transfer.curve(table, crossed, None, 300))


def dataset(cell_type, seed):
    """Genes of which H3K4me3 near the TSS tells the label."""
    store = random_store(48, frame_bp=8000, n_pcres=4, max_pcres=2, seed=seed)
    store.attrs["cell_type"] = cell_type
    store["promoter"].values[..., 1] = 20.0 * store["label"].values[:, None]
    return GeneDataset(store, bin_bp=(2000, 100))


def test_regression_on_other_cell_types_sees_no_label_of_the_new_one_and_no_held_out_chromosome():
    data = {name: dataset(name, seed) for seed, name in enumerate(("A", "B", "T"))}
    found = transfer.linear_of_others(data, "T", [1, 2])
    assert set(found["fold"]) == {1, 2} and len(found) == 24
    assert (found["score"][found["target"] == 1].min() > found["score"][found["target"] == 0].max())

    turned = dict(data)
    for name, genes in (("T", slice(None)), ("A", data["A"].genes["fold"] == 1)):
        other = dataset(name, list(data).index(name))
        label = other.store["label"].values.copy()
        label[genes] = 1 - label[genes]
        turned[name] = GeneDataset(other.store.assign(label=("gene", label)), bin_bp=(2000, 100))
    of_fold_1 = transfer.linear_of_others(turned, "T", [1])
    np.testing.assert_allclose(of_fold_1["score"], found.loc[found["fold"] == 1, "score"])
    assert (of_fold_1["target"] == 1 - found.loc[found["fold"] == 1, "target"]).all()


def test_new_cell_types_are_all_but_the_first_and_every_model_is_of_the_same_genes(data_dir):
    study = studies.study("smoke")
    data = {name: load_dataset(study.record, name) for name in study.record.cell_types}
    rng, tables = np.random.default_rng(0), []
    for name, part in data.items():
        genes = part.genes[part.genes["fold"] == 1]
        sources = {source: rng.normal(size=len(genes)) for source in data}
        tables.append(scores_of(sources, genes["label"], 1, name, genes=genes["gene_id"].tolist()))
    found = transfer.leave_one_out(study, data, pd.concat(tables), answers.no_scores())
    assert list(found["cell_type"].unique()) == ["S02", "S03"]
    of_s03 = found[found["cell_type"] == "S03"]
    assert set(of_s03["model"]) == {"Chromoformer", "Chromoformer of S01", "Chromoformer of S02", transfer.LINEAR, "Mean of other cell types", "Best possible"}
    assert of_s03.groupby("model")["gene_id"].agg(frozenset).nunique() == 1


def test_levels_hold_each_model_against_what_was_trained_on_the_others():
    noise = np.random.default_rng(1).normal(size=40)
    table = scores(**{studies.AGNOSTIC: TARGET + noise, "Chromoformer of S": TARGET + noise, transfer.LINEAR: noise})
    found = transfer.levels(table).set_index("model")
    assert np.isnan(found.loc[studies.AGNOSTIC, "change"]) and found.loc["Chromoformer of S", "change"] == 0
    assert found.loc[transfer.LINEAR, "change_high"] < 0
    assert transfer.reference(table[table["model"] != studies.AGNOSTIC]) == "Chromoformer of S"
    assert transfer.levels(table.iloc[:0]).empty


def test_networks_of_two_folds_whose_scores_lie_apart_do_no_worse_for_it():
    noise = np.random.default_rng(1).normal(size=40)
    table = scores(**{studies.AGNOSTIC: TARGET + noise, "Chromoformer of S": TARGET + 2 * noise}).assign(fold=np.tile([1, 1, 2, 2], 20))
    apart, found = table.assign(score=table["score"] + 10 * table["fold"]), transfer.levels(table)
    assert found["value"].between(0.5, 0.99).all() and found["low"].notna().all()
    pd.testing.assert_frame_equal(found, transfer.levels(apart))
    of_one_label = table.assign(fold=np.where(table["target"] == 1, 3, table["fold"]))  # fold 3 is all on, and the others all off
    assert transfer.levels(of_one_label).empty


def test_claims_get_what_saw_other_cell_types_alone_under_one_name():
    left_out = scores(**{studies.OURS: TARGET, studies.AGNOSTIC: TARGET, transfer.LINEAR: TARGET, "Mean of other cell types": TARGET})
    crossed = scores_of({"S": TARGET, "T": TARGET}, TARGET, 1)
    found = transfer.for_claims(scores(**{"fine-tuned, 100 genes": TARGET}), crossed, ("S", "T"), left_out)
    names = {"fine-tuned, 100 genes", "trained on the other cell types", studies.AGNOSTIC, transfer.LINEAR, "Mean of other cell types"}
    assert set(found["model"]) == {*names, transfer.UNTOUCHED} and not found.isna().any(axis=None)
    assert set(transfer.for_claims(scores(**{"fine-tuned, 100 genes": TARGET}), crossed, None, left_out)["model"]) == names


# What was planted in sim


@pytest.fixture(scope="module")
def trained(shared_data):
    """Scores of genes of fold 1: of the three cell types by each other's networks, and of S03 by networks that learned from 100 of its
    genes, from scratch and from S01's."""
    own = [Run(profile="sim", cell_type=name, fold=1) for name in ("S01", "S02", "S03")]
    few = {"scratch": Run(profile="sim", cell_type="S03", fold=1, n_genes=100), "tuned": Run(profile="sim", cell_type="S03", fold=1, start="S01", n_genes=100)}
    results = ensure([*own, *few.values()], per_device=2)
    return cross.of_runs(own).scores, answers.scores({name: [run] for name, run in few.items()}, results)


@pytest.fixture(scope="module")
def sim(trained):
    """Datasets of the cell types of sim, whose features trainings have made."""
    profile = load_profile("sim")
    return {name: load_dataset(profile, name) for name in profile.cell_types}


def test_fine_tuning_beats_scratch_with_100_genes_on_sim(trained):
    gain = difference(trained[1], "tuned", "scratch", "clf").iloc[0]
    assert gain["low"] > 0, gain


def test_relative_roc_auc_lies_where_the_planted_rules_put_it_on_sim(sim, trained):
    """S01 and S02 share a rule, S03 has another: who reads S03 by it loses, and who reads by that of S03 loses elsewhere."""
    ratio, planted = (
        cross.relative(scores, n_resamples=200).set_index(["cell_type", "source"])
        for scores in (trained[0], cross.planted(load_profile("sim"), sim, trained[0], reads="target"))
    )
    close, far = [("S01", "S02"), ("S02", "S01")], [("S01", "S03"), ("S03", "S01"), ("S02", "S03"), ("S03", "S02")]
    np.testing.assert_allclose(planted.loc[close, "value"], 1)
    assert (planted.loc[far, "value"] < 0.98).all() and (ratio.loc[far, "value"].mean() < ratio.loc[close, "value"].mean()), ratio
    for pair in (*close, *far):
        assert ratio.loc[pair, "low"] < planted.loc[pair, "value"] + 0.02 and planted.loc[pair, "value"] - 0.02 < ratio.loc[pair, "high"], (pair, ratio)


def test_relative_roc_auc_finds_the_close_pair_on_sim(sim, trained):
    for scores in (trained[0], cross.planted(load_profile("sim"), sim, trained[0], reads="target")):
        table = cross.relative(scores, n_resamples=50)
        assert set(cross.tree(table).merges.iloc[0][["first", "second"]]) == {"S01", "S02"}, table


def test_what_networks_say_of_a_cell_type_finds_the_close_pair_on_sim(trained):
    control = cross.relative(cross.from_own_marks(trained[0]), n_resamples=200)
    assert set(cross.tree(control).merges.iloc[0][["first", "second"]]) == {"S01", "S02"}, control
    ratio = control.set_index(["cell_type", "source"])
    for far in (("S01", "S03"), ("S03", "S01"), ("S02", "S03"), ("S03", "S02")):
        assert ratio.loc[far, "high"] < ratio.loc[("S01", "S02"), "value"], control


def test_planted_states_say_the_same_on_sim(sim, trained):
    planted = cross.relative(cross.planted(load_profile("sim"), sim, trained[0], reads="source"), n_resamples=50)
    assert set(cross.tree(planted).merges.iloc[0][["first", "second"]]) == {"S01", "S02"}
    likeness = cross.similarity(sim, planted)
    for measure in cross.SIMILARITIES:
        assert likeness.loc[likeness[measure].idxmax(), ["first", "second"]].tolist() == ["S01", "S02"]

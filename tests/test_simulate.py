"""The simulated cohort as a whole: the same bytes each time, readable as public data, and its laws.

What is planted in it is read back in test_planted.py; what a network makes of it is in test_ladder.py.
"""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch

from chromolib import Chromoformer, GeneDataset, ModelConfig, features, readers, simulate
from chromolib.config import InputError
from chromolib.genome import Genome, Region, load_genome
from chromolib.profile import load_profile
from chromolib.sections import Strength
from chromolib.simulate import formats, layout, signal, states, truth


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def with_simulation(profile, **changes):
    simulation = profile.inputs.simulation.model_copy(update=changes)
    return profile.model_copy(update={"inputs": profile.inputs.model_copy(update={"simulation": simulation})})


@pytest.fixture(scope="module")
def smoke():
    """The smallest profile with its raw files, its features and the planted truth in the order of the genes."""
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    store = features.load(features.ensure(profile, "S01")).load()
    genes = simulate.read_truth(profile, "genes", "S01").set_index("gene_id").loc[store["gene_id"].values]
    return profile, store, genes


# Files


def test_same_settings_give_the_same_bytes(smoke, tmp_path):
    profile = smoke[0]
    simulate.simulate(tmp_path / "again", profile)
    assert digests(tmp_path / "again") == digests(profile.raw_dir)


def test_another_seed_gives_other_files(smoke, tmp_path):
    profile = smoke[0]
    simulate.simulate(tmp_path / "other", with_simulation(profile, seed=2))
    ours, theirs = digests(profile.raw_dir), digests(tmp_path / "other")
    same = {name for name in ours if ours[name] == theirs.get(name)}
    assert ours.keys() == theirs.keys()
    assert same == {"genome/simS.chrom.sizes", "mouse/genome/simT.chrom.sizes"}


def test_fewer_cell_types_and_marks_change_nothing_of_the_rest(smoke, tmp_path):
    profile = smoke[0]
    fewer = with_simulation(profile, share={}, aberrant={}, mouse=None).model_copy(
        update={"cell_types": {"S01": "first"}, "marks": ("H3K4me3",)}
    )
    simulate.simulate(tmp_path / "fewer", fewer)
    ours, theirs = digests(profile.raw_dir), digests(tmp_path / "fewer")
    other = {name for name in theirs if theirs[name] != ours.get(name)}
    per_cohort = {"expression/RPKM.pc.gz", "domains/PC1.tsv", "manifest.json"} | {f"truth/{name}.csv" for name in TRUTH}
    assert other == per_cohort and "alignments/S01-H3K4me3.tagAlign.gz" in theirs


TRUTH = ("genes", "pcres", "regions", "best_scores")


def test_truth_can_be_read_before_anything_is_there_and_says_where_it_cannot(smoke, tmp_path, monkeypatch):
    profile = smoke[0]
    for name in TRUTH:
        assert len(simulate.read_truth(profile, name, "S02")) > 0
    with pytest.raises(InputError, match="unknown table 'weather', expected one of genes, pcres, regions, best_scores"):
        simulate.read_truth(profile, "weather", "S01")
    with pytest.raises(InputError, match="unknown cell type 'S09'"):
        simulate.read_truth(profile, "genes", "S09")
    known = simulate.read_truth(profile, "genes", "S01")
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    pd.testing.assert_frame_equal(simulate.read_truth(profile, "genes", "S01"), known)


def test_raw_files_are_written_once(smoke):
    profile = smoke[0]
    before = (profile.raw_dir / "manifest.json").stat()
    simulate.ensure_raw(profile)
    assert (profile.raw_dir / "manifest.json").stat().st_ino == before.st_ino


def test_raw_files_are_written_again_if_one_is_gone_or_cut(smoke, tmp_path, monkeypatch):
    whole = digests(smoke[0].raw_dir)
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    (profile.raw_dir / "expression/RPKM.pc.gz").write_bytes(b"")
    (profile.raw_dir / "contacts/S01.pp.txt.gz").unlink()
    simulate.ensure_raw(profile)
    assert digests(profile.raw_dir) == whole
    assert [path.name for path in profile.raw_dir.parent.iterdir()] == ["smoke"]


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json"])
def test_a_folder_with_other_files_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text('{"years": "of work"}')
    for out in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match=f"holds {name}, expected a new folder"):
            simulate.simulate(out, load_profile("smoke"))
    assert (tmp_path / name).read_text() == '{"years": "of work"}'


def test_a_cohort_is_replaced_unless_someone_added_to_it(smoke, tmp_path):
    profile = smoke[0]
    simulate.simulate(tmp_path / "out", profile.model_copy(update={"marks": ("H3K4me3",)}))
    simulate.simulate(tmp_path / "out", profile)
    assert digests(tmp_path / "out") == digests(profile.raw_dir)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes.txt"):
        simulate.simulate(tmp_path / "out", profile)


# What cannot be simulated


def test_only_simulated_profiles_are_simulated(tmp_path):
    demo = load_profile("h1-demo")
    with pytest.raises(InputError, match="h1-demo: has no inputs.simulation"):
        simulate.simulate(tmp_path / "x", demo)
    simulate.ensure_raw(demo)
    assert not demo.raw_dir.exists() or not (demo.raw_dir / "manifest.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed=-1, expected 0 or more"),
        ({"share": {"S01": 0.5}}, "S01 in share, aberrant or strength, expected cell types other than the first, S01: S02, S03"),
        ({"aberrant": {"S04": 5}}, "S04 in share, aberrant or strength, expected cell types other than the first"),
        ({"strength": {"S01": {"initiation": 0.5}}}, "S01 in share, aberrant or strength, expected cell types other than the first"),
        ({"aberrant": {"S02": 97}}, "97 aberrant genes in S02, expected at most 96"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        simulate.simulate(tmp_path / "x", with_simulation(load_profile("smoke"), **changes))
    assert not (tmp_path / "x").exists()


def test_unknown_marks_are_refused(tmp_path):
    with pytest.raises(InputError, match="marks: cannot simulate H2A.Z"):
        simulate.simulate(tmp_path / "x", load_profile("smoke").model_copy(update={"marks": ("H2A.Z",)}))


# What the pipeline makes of it


def test_readers_drop_nothing_of_what_is_written(smoke):
    profile, store, _ = smoke
    genome = load_genome(profile.genome)
    reads = readers.read_reads(profile.raw_dir / "alignments/S01-H3K4me3.tagAlign.gz", genome)
    assert reads.attrs["dropped"] == {} and set(reads["end"] - reads["start"]) == {36}
    tables = [readers.read_contacts(profile.raw_dir / f"contacts/S01.{kind}.txt.gz", genome) for kind in ("po", "pp")]
    assert [set(table["kind"]) for table in tables] == [{"po"}, {"pp"}]
    dropped = json.loads(store.attrs["dropped"])
    assert not any(counts for what, counts in dropped.items() if what not in ("pCREs of genes", "genes without a fold"))
    assert dropped["pCREs of genes"].keys() == {"wider than 40,000 bp", "beyond the 8 strongest"}


def test_every_gene_arrives_with_the_expression_and_contacts_planted(smoke):
    profile, store, genes = smoke
    assert store.sizes["gene"] == 96 and int(store["label"].sum()) == 48
    np.testing.assert_array_equal(store["expression"], genes["rpkm"])
    np.testing.assert_array_equal(store["label"], genes["label"])
    np.testing.assert_array_equal((store["gene_pcre"] >= 0).sum("rank"), genes["n_pcres"])
    assert (genes["n_pcres"] == 0).any() and (genes["n_pcres"] == 8).any()
    up = genes[["initiation", "elongation", "activation", "noise"]].sum(axis=1)
    np.testing.assert_allclose(truth.BASE + up - genes["repression"], genes["log2_rpkm"], atol=5e-4)
    pcres = simulate.read_truth(profile, "pcres", "S01").set_index(["gene_id", "rank"])
    gene, rank = np.nonzero(store["gene_pcre"].values >= 0)
    found = pcres.loc[list(zip(store["gene_id"].values[gene], rank, strict=True))]
    assert len(found) == len(pcres)
    assert (found["region"] == store["region"].values[store["gene_pcre"].values[gene, rank]]).all()
    np.testing.assert_allclose(found["contact"], store["contact"].values[gene, rank], atol=1e-4)


def test_domains_of_the_store_are_those_planted_but_where_a_promoter_s_fragment_spans_two(smoke):
    """The rule of expression goes by the middle of the promoter's fragment, the store by its TSS."""
    profile, store, _ = smoke
    tads = readers.read_tads(profile.raw_dir / "domains/S01.IS.All_TAD.bed", load_genome(profile.genome))
    pcres = simulate.read_truth(profile, "pcres", "S01").set_index(["gene_id", "rank"])
    gene, rank = np.nonzero(store["gene_pcre"].values >= 0)
    planted = pcres["is_intra"].loc[list(zip(store["gene_id"].values[gene], rank, strict=True))]
    differs = planted.to_numpy() != store["is_intra_tad"].values[gene, rank]
    assert 0.5 < planted.mean() < 0.9 and differs.mean() < 0.02
    for chrom, tss in {(store["chrom"].values[g], store["tss"].values[g]) for g in gene[differs]}:
        assert (tads.loc[tads["chrom"] == chrom, "start"] - tss).abs().min() < 10_000
    assert not store["is_intra_tad"].values[store["gene_pcre"].values < 0].any()


def test_mean_depth_in_frames_is_that_of_real_cells(smoke):
    profile, store, _ = smoke
    size, tss = store["chrom_bp"].values, store["tss"].values
    is_inside = (tss >= 20_000) & (tss <= size - 20_000)
    for mark in (*profile.marks, "CTCF"):
        found = float(store["promoter"].values[is_inside][..., store["mark"].values == mark].mean())
        assert abs(found / signal.MEAN_DEPTH[mark] - 1) < 0.1, mark


# Extra tracks


def test_marks_of_a_store_with_extra_tracks_are_those_of_one_without(smoke):
    profile, store, _ = smoke
    plain = features.build(profile.model_copy(update={"extra_tracks": ()}), "S01")
    assert store.attrs["extra_tracks"] == ["CTCF", "PC1"] and "extra_tracks" not in plain.attrs
    for name in plain.variables:
        np.testing.assert_array_equal(plain[name].values, store.sel(mark=list(profile.marks))[name].values)
    data, fewer = GeneDataset(store), GeneDataset(plain)
    assert data.marks == fewer.marks == profile.marks
    net = Chromoformer(ModelConfig(d_embedding=8, regulation_layers=1))
    assert torch.equal(net(data.batch(range(8))), net(fewer.batch(range(8))))


def test_extra_tracks_of_a_network_are_read_and_those_of_genes_are_as_written(smoke):
    profile, store, _ = smoke
    data = GeneDataset(store).select(marks=[*profile.marks, "CTCF", "PC1"])
    assert Chromoformer(ModelConfig(marks=data.marks, d_embedding=8, regulation_layers=1))(data.batch([0, 1])).isfinite().all()
    table = readers.read_compartments(profile.raw_dir / "domains/PC1.tsv", load_genome(profile.genome), ["S01"])
    tss = store["tss"].values
    for gene, chrom in enumerate(store["chrom"].values):
        own = table[(table["chrom"] == chrom) & (table["start"] <= tss[gene]) & (tss[gene] + 100 <= table["end"])]
        if len(own):  # else the bin from the TSS on lies across two
            assert store["promoter"].values[gene, 200, 8] == pytest.approx(own["S01"].item(), abs=1e-4)
    sites = pd.read_csv(profile.raw_dir / "truth" / "ctcf_sites.tsv", sep="\t").groupby("chrom")["start"].agg(np.array)
    is_near = np.array([np.abs(sites[chrom] - tss[gene]).min() < 300 for gene, chrom in enumerate(store["chrom"].values)])
    depth = store["promoter"].values[:, 197:203, 7].mean(1)
    assert is_near.sum() > 5 and depth[is_near].mean() > 5 * depth[~is_near].mean()


# Features without reads


def test_features_without_reads_are_those_of_the_raw_files_but_for_chance(smoke, tmp_path):
    profile, store, _ = smoke
    path = simulate.simulate_features(tmp_path / "features.zarr", profile, "S01", 96)
    direct = features.load(path).load()
    for name in ("gene", "symbol", "tss", "strand", "fold", "label", "pcre", "gene_pcre", "pcre_row", "chrom_bp"):
        np.testing.assert_array_equal(direct[name].values, store[name].values)
    np.testing.assert_allclose(direct["contact"], store["contact"], atol=1e-4)
    for k, mark in enumerate(direct["mark"].values):
        ours, theirs = (x["promoter"].values[..., k].reshape(-1, 20).mean(1) for x in (direct, store))  # 2 kb each
        assert np.corrcoef(ours, theirs)[0, 1] > 0.9, mark
        ours, theirs = (x["pcre_depth"].values[:, k].mean() for x in (direct, store))
        assert ours == pytest.approx(theirs, rel=0.05), mark


def test_features_without_reads_come_in_any_number(tmp_path):
    path = simulate.simulate_features(tmp_path / "S03" / "features.zarr", load_profile("smoke"), "S03", 200)
    data = GeneDataset(features.load(path).load())
    assert len(data) == 200 and data.cell_type == "S03" and set(data.genes["fold"]) == {1, 2, 3, 4}
    assert data.batch([0, 1]).promoter[2000].shape == (2, 20, 7)
    sizes = dict(zip(data.store["chrom"].values, data.store["chrom_bp"].values, strict=True))
    assert sizes["chr1"] == round(1_700_000 * 200 / 96)


def test_mean_depth_of_bins_by_hand():
    cells = signal.Cells(Genome("toy", {"chr1": 300, "chr2": 250}, {}))  # cells of 100 bp: 3 and 2
    depth = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    regions = [Region("chr1", 50, 250), Region("chr1", -100, 100), Region("chr2", 150, 400)]
    found = cells.bin_mean(depth, regions, 100)
    # 50 bp at 1 and 50 at 2, then 50 at 2 and 50 at 4; none and 1; 50 bp at 16, then nothing that is a whole cell, half a bin
    np.testing.assert_allclose(found, [1.5, 3.0, 0.0, 1.0, 8.0, 0.0, 0.0])


# Parts


def test_reads_never_leave_their_chromosome():
    genome = Genome("toy", {"chr1": 1000, "chr2": 250}, {"chr1": 1, "chr2": 2})
    table = signal.draw_reads(np.full(12, 30.0), genome, np.random.default_rng(0)).to_pandas()
    assert table["end"].max() == 1000 and table.loc[table["chrom"] == "chr2", "end"].max() <= 250
    assert len(table) == pytest.approx(30 * 1200 / 36, rel=0.1) and set(table["strand"]) == {"+", "-"}


def test_repression_is_a_switch():
    fall = truth.repression(np.arange(9.0))
    assert fall[0] == 0 and (np.diff(fall) > 0).all()
    assert np.diff(fall).argmax() == 2 and np.diff(fall).max() > 0.5 * truth.REPRESSION  # between two and three


def test_a_cell_type_with_a_rule_of_its_own_differs_in_expression_alone(smoke, tmp_path):
    profile = smoke[0]
    other = with_simulation(profile, strength={"S03": Strength(initiation=0.5, elongation=2.0)}, mouse=None)
    simulate.simulate(tmp_path / "other", other)
    ours, theirs = digests(profile.raw_dir), digests(tmp_path / "other")
    assert {name for name in theirs if theirs[name] != ours[name]} == {
        "expression/RPKM.pc.gz", "manifest.json", *(f"truth/{name}.csv" for name in ("genes", "best_scores"))
    }
    before, after = (pd.read_csv(folder / "truth/genes.csv").set_index(["cell_type", "gene_id"]) for folder in (profile.raw_dir, tmp_path / "other"))
    pd.testing.assert_frame_equal(before.loc[["S01", "S02"]], after.loc[["S01", "S02"]])
    before, after = before.loc["S03"], after.loc["S03"]
    np.testing.assert_allclose(after["initiation"], 0.5 * before["initiation"], atol=2e-4)
    np.testing.assert_allclose(after["elongation"], 2.0 * before["elongation"], atol=2e-4)
    change = after["mean_log2_rpkm"] - before["mean_log2_rpkm"]
    np.testing.assert_allclose(change, before["elongation"] - 0.5 * before["initiation"], atol=1e-3)


def test_mean_by_the_rule_of_another_cell_type(shared_dir, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(shared_dir))
    profile = load_profile("sim")
    simulate.ensure_raw(profile)
    table = simulate.read_truth(profile, "genes", "S01").set_index("gene_id")
    assert simulate.by_rule_of(profile, table, "S01", "S02").equals(table["mean_log2_rpkm"])
    found = simulate.by_rule_of(profile, table, "S01", "S03")
    np.testing.assert_allclose(found, table["mean_log2_rpkm"] - 0.5 * table["initiation"] + 0.25 * table["elongation"], atol=1e-3)


def test_a_cell_type_like_another_in_all_is_that_one():
    toy = layout.lay_out(load_genome("simS"), 96, 1)
    first = states.draw_states(toy, 1, "A")
    same = states.draw_states(toy, 1, "B", like=first, share=1.0)
    pd.testing.assert_frame_equal(same.genes, first.genes)
    np.testing.assert_array_equal(same.activity, first.activity)
    other = states.draw_states(toy, 1, "B", like=first, share=0.0)
    assert 0.4 < ((other.genes["on"] > 0) == (first.genes["on"] > 0)).mean() < 0.75  # as by chance


def test_aberrant_genes_are_the_opposite():
    toy = layout.lay_out(load_genome("simS"), 96, 1)
    first = states.draw_states(toy, 1, "A")
    other = states.draw_states(toy, 1, "B", like=first, share=1.0, n_aberrant=10).genes
    chosen = other["is_aberrant"]
    assert chosen.sum() == 10
    assert ((other["on"] > 0) != (first.genes["on"] > 0))[chosen].all()
    assert ((other["on"] > 0) == (other["elongation"] > 0))[chosen].all()
    pd.testing.assert_frame_equal(other[~chosen], first.genes[~chosen])


def test_a_read_of_the_minus_strand_is_turned(tmp_path):
    reads = signal.pa.table({"chrom": ["c", "c"], "start": [2, 2], "end": [38, 38], "strand": ["+", "-"]})
    formats.write_fastq(tmp_path / "x.gz", {"c": b"AACCGTTT"}, reads, np.random.default_rng(0), read_bp=4, p_wrong=0)
    lines = pd.read_csv(tmp_path / "x.gz", header=None)[0].tolist()
    assert lines == ["@sim.1", "CCGT", "+", "IIII", "@sim.2", "ACGG", "+", "IIII"]

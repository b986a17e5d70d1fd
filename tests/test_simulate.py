"""The simulated cohort: the same bytes each time, readable as public data, with what was planted in it."""

import hashlib
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from chromolib import features, readers, simulate
from chromolib.config import InputError, Simulation, load_profile
from chromolib.genome import Genome, load_genome


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def smoke():
    """The smallest profile with its raw files, its features and the planted truth in the order of the genes."""
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    store = features.load(features.ensure(profile, "S01")).load()
    truth = pd.read_csv(profile.raw_dir / "truth.csv").set_index("gene_id").loc[store["gene"].values]
    return profile, store, truth


def test_same_settings_give_the_same_bytes(smoke, tmp_path):
    profile = smoke[0]
    simulate.simulate(tmp_path / "again", profile)
    assert digests(tmp_path / "again") == digests(profile.raw_dir)


def test_another_seed_gives_other_reads_and_expression(smoke, tmp_path):
    profile = smoke[0]
    other = profile.model_copy(
        update={"inputs": profile.inputs.model_copy(update={"simulation": Simulation(genes=96, seed=2)})}
    )
    simulate.simulate(tmp_path / "other", other)
    ours, theirs = digests(profile.raw_dir), digests(tmp_path / "other")
    assert ours.keys() == theirs.keys() and not set(ours.values()) & set(theirs.values())


def test_a_further_cell_type_changes_nothing_of_the_first(smoke, tmp_path):
    profile = smoke[0]
    more = profile.model_copy(update={"cell_types": {"S01": "first", "S02": "second"}, "marks": ("H3K4me3",)})
    simulate.simulate(tmp_path / "more", more)
    for name in ("alignments/S01-H3K4me3.tagAlign.gz", "contacts/S01.po.txt.gz"):
        assert (tmp_path / "more" / name).read_bytes() == (profile.raw_dir / name).read_bytes()
    truth = pd.read_csv(tmp_path / "more" / "truth.csv").pivot(index="gene_id", columns="cell_type", values="promoter")
    shared = ((truth["S01"] > 0) == (truth["S02"] > 0)).mean()
    assert 0.75 < shared < 1


def test_raw_files_are_written_once(smoke):
    profile = smoke[0]
    before = (profile.raw_dir / "manifest.json").stat()
    simulate.ensure_raw(profile)
    assert (profile.raw_dir / "manifest.json").stat().st_ino == before.st_ino


def test_raw_files_are_written_again_if_one_is_gone_or_cut(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    whole = digests(profile.raw_dir)
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
    with pytest.raises(InputError, match="holds notes.txt"):
        simulate.simulate(tmp_path / "out", profile)


def test_only_simulated_profiles_are_simulated(tmp_path):
    demo = load_profile("h1-demo")
    with pytest.raises(InputError, match="h1-demo: has no inputs.simulation"):
        simulate.simulate(tmp_path / "x", demo)
    simulate.ensure_raw(demo)
    assert not demo.raw_dir.exists() or not (demo.raw_dir / "manifest.json").exists()


def test_unknown_marks_and_negative_seeds_are_refused(tmp_path):
    profile = load_profile("smoke")
    with pytest.raises(InputError, match="marks: cannot simulate CTCF"):
        simulate.simulate(tmp_path / "x", profile.model_copy(update={"marks": ("CTCF",)}))
    inputs = profile.inputs.model_copy(update={"simulation": Simulation(genes=8, seed=-1)})
    with pytest.raises(InputError, match="seed=-1, expected 0 or more"):
        simulate.simulate(tmp_path / "x", profile.model_copy(update={"inputs": inputs}))


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
    _, store, truth = smoke
    assert store.sizes["gene"] == 96 and int(store["label"].sum()) == 48
    np.testing.assert_allclose(store["expression"], 2 ** truth["log2_rpkm"], atol=6e-4, rtol=1e-3)
    np.testing.assert_array_equal((store["gene_pcre"] >= 0).sum("rank"), truth["n_pcres"])
    assert (truth["n_pcres"] == 0).any() and (truth["n_pcres"] == 8).any()
    parts = truth[["promoter", "body", "contacts", "noise"]].sum(axis=1)
    np.testing.assert_allclose(simulate.BASE + parts, truth["log2_rpkm"], atol=5e-4)


def test_depth_is_like_that_of_real_cells(smoke):
    _, store, _ = smoke
    for mark, expected in simulate.MEAN_DEPTH.items():
        found = float(store["promoter"].sel(mark=mark).mean())
        assert abs(found / expected - 1) < 0.05, mark


def test_promoter_marks_and_gene_body_follow_their_parts(smoke):
    _, store, truth = smoke
    signal = np.log1p(store["promoter"].values)
    signal = np.where((store["strand"] == "-").values[:, None, None], signal[:, ::-1], signal)  # TSS at bin 200
    at = {mark: i for i, mark in enumerate(store["mark"].values)}
    is_on = (truth["promoter"] > 0).values
    for mark, sign in (("H3K4me3", 1), ("H3K9ac", 1), ("H3K27ac", 1), ("H3K27me3", -1)):
        near_tss = signal[:, 195:210, at[mark]].mean(1)
        assert sign * (near_tss[is_on].mean() - near_tss[~is_on].mean()) > 0.3, mark
    body = signal[:, :, at["H3K36me3"]].reshape(96, 20, 20).mean(2)  # 2 kb each
    slope = [np.corrcoef(column, truth["body"])[0, 1] for column in body.T]
    assert np.argmax(slope) == 12 and max(slope) > 0.8  # 4 to 6 kb downstream
    assert abs(np.corrcoef(truth["body"], truth["promoter"])[0, 1]) < 0.3


def test_contacts_follow_the_marks_of_the_regions_they_touch(smoke):
    _, store, truth = smoke
    rows, depth = store["pcre_row"].values, np.log1p(store["pcre_depth"].values)
    mean = np.array([depth[first:last].mean(0) for first, last in itertools.pairwise(rows)])
    mean = pd.DataFrame(mean, columns=store["mark"].values)
    acting = (mean["H3K27ac"] + mean["H3K4me1"] - mean["H3K27me3"]).to_numpy()
    acting = np.append(acting - acting.mean(), 0)  # -1, no pCRE, takes the last
    seen = (store["contact"].values * acting[store["gene_pcre"].values]).sum(1)
    assert np.corrcoef(seen, truth["contacts"])[0, 1] > 0.7


def test_reads_never_leave_their_chromosome():
    genome = Genome("toy", {"chr1": 1000, "chr2": 250}, {"chr1": 1, "chr2": 2})
    table = simulate.draw_reads(np.full(12, 30.0), genome, np.random.default_rng(0)).to_pandas()
    assert table["end"].max() == 1000 and table.loc[table["chrom"] == "chr2", "end"].max() <= 250
    assert len(table) == pytest.approx(30 * 1200 / 36, rel=0.1) and set(table["strand"]) == {"+", "-"}

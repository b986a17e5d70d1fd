"""Networks that travel: what is written is what is read, and nobody predicts a gene that it was trained on unasked."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from benchmarks import peer
from chromolib import (
    InputError,
    Run,
    checkpoints,
    ensure,
    from_pretrained,
    load_dataset,
    load_profile,
    load_released,
    load_weights,
    predict,
    pretrained,
    save_pretrained,
    save_weights,
    train,
)
from chromolib.config import MARKS, ROOT
from chromolib.genome import profile_genome
from chromolib.pretrained import Pretrained, networks_of, predict_unseen, saw
from chromolib.registry import entry, mirrored_path

SMALL = {"d_embedding": 8, "regulation_layers": 1, "regulation_heads": 2, "regulation_width": 8}


@pytest.fixture(scope="module")
def runs(data_dir):
    """A small network of each fold of the smallest cohort, another seed than other tests take."""
    network_for = train.network_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
        made = [Run(profile="smoke", cell_type="S01", fold=fold, seed=77) for fold in (1, 2, 3, 4)]
        ensure(made)
        yield made


@pytest.fixture(scope="module")
def export(runs, tmp_path_factory):
    return save_pretrained(runs[0], tmp_path_factory.mktemp("export") / "network")


@pytest.fixture
def data():
    return load_dataset(load_profile("smoke"), "S01")


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """The authors' network of E003, fold 1, with random weights, where a mirror has it; the release's network beside it."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "mirror"))
    theirs = peer.network("clf", seed=5)
    path = tmp_path / "mirror" / mirrored_path(entry("release-weights/clf.E003.1").urls[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(peer.checkpoint(theirs).getvalue())
    return theirs


# Out and in


def test_what_is_saved_predicts_the_same_to_the_last_bit(runs, export, data):
    network = from_pretrained(export)
    pd.testing.assert_frame_equal(
        predict(network.model, data), predict(from_pretrained(runs[0].folder).model, data), check_exact=True
    )
    folds = profile_genome(load_profile("smoke")).folds
    assert network.genome == "simS" and set(network.held_out) == {chrom for chrom, fold in folds.items() if fold == 1}
    assert network.about["metrics"] == json.loads((runs[0].folder / "metrics.json").read_text())


def test_a_run_s_folder_tells_what_it_held_out_as_its_export_does(runs, export):
    run, saved = from_pretrained(runs[0].folder), from_pretrained(str(export))
    assert (run.genome, run.held_out) == (saved.genome, saved.held_out)


def test_an_export_tells_features_apart_but_not_the_files_behind_them(runs, export):
    (text,) = json.loads((runs[0].folder / "config.json").read_text())["features"]
    assert "tagAlign" in text and "tagAlign" not in (export / "config.json").read_text()
    assert from_pretrained(export).about["settings"]["features"] == [hashlib.sha256(text.encode()).hexdigest()]


def test_a_folder_of_weights_alone_does_not_tell_what_it_held_out(runs, data, tmp_path):
    save_weights(tmp_path, load_weights(runs[0].folder))
    network = from_pretrained(tmp_path)
    assert network.held_out is None and len(predict_unseen([network], [data], "simS", in_sample=True)) == len(data)
    with pytest.raises(InputError, match="does not tell which genes it was trained on"):
        predict_unseen([network], [data], "simS")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"features": [], "run": {"fold": 1}}', '{"features": ["{}"], "run": {"fold": 1}}'])
def test_damaged_settings_of_a_run_are_one_line(runs, tmp_path, text):
    save_weights(tmp_path, load_weights(runs[0].folder))
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=f"^{tmp_path}: config.json is none of a training's .*; train it again$"):
        from_pretrained(tmp_path)


def test_the_card_says_what_the_network_reads_and_never_saw(export):
    text = (export / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "mit" and front["library_name"] == "chromolib"
    assert "H3K4me1, H3K4me3, H3K9me3, H3K27me3, H3K36me3, H3K27ac, H3K9ac" in text and "simulated data" in text
    assert ", ".join(from_pretrained(export).held_out) in text
    assert str(export.parent) not in text + (export / "config.json").read_text()


def test_the_card_names_the_cell_types_that_were_learned_from(runs, export, tmp_path):
    assert "on cell type S01, held out in S01" in (export / "README.md").read_text()
    several = save_pretrained(replace(runs[0], learn_from=("S02", "S03")), tmp_path / "several")
    further = save_pretrained(replace(runs[0], start="S02", frozen=True), tmp_path / "further")
    assert "on cell type S02, S03, held out in S01" in (several / "README.md").read_text()
    assert "on cell type S01, from a network of S02 on, held out in S01" in (further / "README.md").read_text()
    assert from_pretrained(several).held_out == from_pretrained(further).held_out == from_pretrained(export).held_out
    assert "tagAlign" not in (further / "config.json").read_text()  # nor of the run that it started from


def test_an_export_takes_the_place_of_an_earlier_one_but_of_nothing_else(runs, export, tmp_path):
    assert save_pretrained(runs[1], export) == export and from_pretrained(export).about["held_out_fold"] == 2
    save_pretrained(runs[0], export)
    mixed, others = tmp_path / "mixed", tmp_path / "others"
    shutil.copytree(export, mixed)
    (mixed / "notes.txt").touch()
    others.mkdir()
    for name in pretrained.FILES:  # of another program's network, which has files of these names too
        (others / name).write_text("{}")
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for taken in (tmp_path, mixed, others, tmp_path / "file"):
        with pytest.raises(InputError, match="holds other things than a network of an earlier export, expected .* a new name"):
            save_pretrained(runs[0], taken)
    assert sorted(tmp_path.rglob("*")) == before and (others / "config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", lambda text: text.replace('"d_embedding": 8', '"d_embedding": 16'), "not a usable network"),
        ("config.json", lambda text: text.replace('"d_embedding"', '"d_embeddings"'), "unknown setting 'd_embeddings'"),
        ("config.json", lambda text: text.replace('"about"', '"other"'), "config.json is none of save_pretrained's"),
        ("config.json", lambda text: text[:50], "config.json is none of save_pretrained's"),
        ("config.json", lambda text: re.sub(r'"held_out_chromosomes": \[[^]]*\]', '"held_out_chromosomes": "chr1"', text), "held_out_chromosomes 'chr1'"),
        ("config.json", lambda text: text.replace('"d_embedding": 8', '"d_embedding": 0'), "2 heads do not divide a width of 0"),
        ("model.safetensors", lambda text: "", "not a usable network"),
        ("model.safetensors", None, "no model.safetensors; expected a folder that save_pretrained or a training wrote"),
    ],
)
def test_a_damaged_export_is_one_line(export, tmp_path, name, change, message):
    folder = tmp_path / "network"
    shutil.copytree(export, folder)
    (folder / name).unlink() if change is None else (folder / name).write_text(change((folder / name).read_text(errors="ignore")))
    with pytest.raises(InputError, match=message) as error:
        from_pretrained(folder)
    assert "\n" not in str(error.value)


# The hub


def test_a_name_on_the_hub_is_fetched_by_its_revision(export, monkeypatch):
    asked = []
    hub = type(sys)("huggingface_hub")
    hub.snapshot_download = lambda name, **options: asked.append((name, options)) or str(export)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    network = from_pretrained("lab/chromoformer-s01@v1")
    assert network.name == "lab/chromoformer-s01@v1" and network.about["profile"] == "smoke"
    assert asked == [("lab/chromoformer-s01", {"revision": "v1", "allow_patterns": list(pretrained.FILES)})]


def test_a_hub_that_is_not_there_is_one_line(monkeypatch):
    hub = type(sys)("huggingface_hub")
    hub.snapshot_download = lambda name, **options: (_ for _ in ()).throw(OSError("no route\nto host"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(InputError, match=r"lab/none: no such folder, and not to be had from the Hugging Face hub \(no route\)"):
        from_pretrained("lab/none")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]' in the clone$"):
        from_pretrained("lab/none")
    with pytest.raises(InputError, match="no such folder, and no name of a network on the hub"):
        from_pretrained("/nowhere/at/all")


# What does not fit


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"marks": tuple(reversed(load_profile("smoke").marks))}, "marks is"),
        ({"log_base": "2"}, "log_base is 2, the network reads e"),
        ({"window_bp": 10_000}, "window_bp is 10000, the network reads 40000"),
        ({"contacts": "intra-TAD"}, "contacts is intra-TAD, the network reads all"),
        ({"bin_bp": (2000, 500)}, "100"),
    ],
)
def test_data_that_do_not_fit_are_refused_by_name(export, data, changed, message):
    with pytest.raises(InputError, match=message):
        predict(from_pretrained(export).model, data.select(**changed))


# Who may predict what


def test_a_gene_is_predicted_by_the_network_that_held_it_out(runs, data):
    networks = [from_pretrained(run.folder) for run in runs]
    table = predict_unseen(networks, [data] * 4, "simS")
    assert table["gene_id"].tolist() == data.genes["gene_id"].tolist() and table.attrs["n_seen"] == 0
    own = ensure(runs).predictions.set_index("gene_id").loc[table["gene_id"]]
    np.testing.assert_allclose(table["logit_on"], own["logit_on"], atol=1e-5)
    assert (table["n_networks"] == 1).all() and table["sd"].isna().all() and not table["seen"].any()


def test_genes_that_all_networks_saw_are_left_out_and_counted(runs, data):
    network = from_pretrained(runs[0].folder)
    table = predict_unseen([network], [data], "simS")
    is_first = data.genes["fold"] == 1
    assert table["gene_id"].tolist() == data.genes.loc[is_first, "gene_id"].tolist() and table.attrs["n_seen"] == (~is_first).sum()


def test_in_sample_adds_genes_that_all_saw_with_their_mean_and_spread(runs, data):
    networks = [from_pretrained(run.folder) for run in runs[:2]]
    table = predict_unseen(networks, [data] * 2, "simS", in_sample=True)
    a, b = (predict(network.model, data)["probability"] for network in networks)
    fold = data.genes["fold"].to_numpy()
    np.testing.assert_allclose(table["probability"], np.select([fold == 1, fold == 2], [a, b], (a + b) / 2), rtol=1e-6)
    both = fold > 2  # whom both saw; another is predicted as without `in_sample`
    np.testing.assert_allclose(table["sd"][both], (a - b)[both].abs() / np.sqrt(2), atol=1e-7)
    assert (table["n_networks"] == np.where(both, 2, 1)).all() and (table["seen"] == both).all() and table["sd"][~both].isna().all()
    pd.testing.assert_series_equal(table["target"], predict(networks[0].model, data)["target"])


def test_in_sample_is_not_known_to_be_unseen_where_a_network_does_not_tell(runs, data):
    known, silent = from_pretrained(runs[0].folder), replace(from_pretrained(runs[1].folder), held_out=None)
    table = predict_unseen([known, silent], [data] * 2, "simS", in_sample=True)
    is_first = (data.genes["fold"] == 1).to_numpy()
    assert (table["n_networks"] == np.where(is_first, 1, 2)).all() and (table["seen"] == ~is_first).all()
    assert predict_unseen([silent], [data], "simS", in_sample=True)["seen"].isna().all()


def test_genes_that_only_a_later_network_reads_are_predicted_too(runs, data):
    networks, ids = [from_pretrained(run.folder) for run in runs[:2]], data.genes["gene_id"].tolist()
    table = predict_unseen(networks, [data.select(genes=ids[:50]), data.select(genes=ids[40:])], "simS", in_sample=True)
    assert table["gene_id"].tolist() == ids


def test_builds_of_one_species_share_their_chromosomes_and_others_none():
    human = Pretrained(torch.nn.Identity(), "x", "hg19", ("chr1", "chr5"))
    chrom = pd.Series(["chr1", "chr2"])
    for build in ("hg19", "hg38", "GRCh37", "GRCh38.p14", "T2T-CHM13v2.0", "hs1", "hs37d5", "b37", "human_g1k_v37"):
        assert saw(human, chrom, build).tolist() == saw(human, chrom.str.removeprefix("chr"), build).tolist() == [False, True], build
    for build in ("mm9", "mm39", "GRCm38", "dm6"):
        assert saw(human, chrom, build).tolist() == [False, False], build
    mouse = replace(human, genome="mm10")
    assert saw(mouse, chrom, "GRCm39").tolist() == [False, True] and saw(mouse, chrom, "hg38").tolist() == [False, False]
    with pytest.raises(InputError, match="does not tell which genes it was trained on"):
        saw(replace(human, held_out=None), chrom, "hg19")


def test_build_whose_name_tells_no_species_is_not_taken_for_another(runs, data):
    human = Pretrained(torch.nn.Identity(), "x", "hg19", ("chr1", "chr5"))
    with pytest.raises(InputError, match="x: trained on hg19, found genome 'my-build', expected a name that tells .* --in-sample"):
        saw(human, pd.Series(["chr1", "chr2"]), "my-build")
    assert saw(replace(human, genome="my-build"), pd.Series(["chr1", "chr2"]), "my-build").tolist() == [False, True]
    table = predict_unseen([from_pretrained(runs[0].folder)], [data], "my-build", in_sample=True)
    assert len(table) == len(data) and table["seen"].isna().all()


def test_networks_of_two_tasks_are_refused(runs, data):
    network = from_pretrained(runs[0].folder)
    reg = replace(network, model=checkpoints.build(replace(network.model.config, task="reg"), seed=1))
    with pytest.raises(InputError, match="found networks of tasks clf, reg, expected one task"):
        predict_unseen([network, reg], [data, data], "simS")


# The authors' networks


def test_a_cell_type_of_the_authors_is_fetched_by_the_fold_that_it_held_out(mirror):
    ours = load_released("E003", fold=1)
    assert torch.equal(ours.head[2].weight, mirror.fc_head[2].weight)
    (network,) = networks_of("E003", fold=1)
    assert network.genome == "hg19" and network.held_out == ("chr1", "chr5", "chr6", "chr8", "chr14", "chrY")
    with pytest.raises(InputError, match="E003 with fold=None, task='clf', expected a fold from 1 to 4"):
        load_released("E003")
    with pytest.raises(InputError, match="fold=2 with none.pt, expected it with a cell type only"):
        load_released("none.pt", fold=2)


def test_a_cell_type_of_the_authors_comes_before_a_folder_of_its_name(mirror, monkeypatch, tmp_path):
    (tmp_path / "E003").mkdir()
    monkeypatch.chdir(tmp_path)
    assert torch.equal(load_released("E003", fold=1).head[2].weight, mirror.fc_head[2].weight) and len(networks_of("E003", fold=1)) == 1
    with pytest.raises(InputError, match="no config.json; expected a folder that save_pretrained"):
        networks_of("./E003")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 3}, "fold 3 with .*, expected it with a cell type of the authors only"),
        ({"task": "reg"}, "predicts clf, expected reg; leave the task out"),
        ({"held_out": 1}, "held-out 1 with .*, expected it with a checkpoint of the release"),
    ],
)
def test_an_option_that_does_not_belong_to_the_weights_is_refused(export, options, message):
    assert len(networks_of(export, task="clf")) == 1
    with pytest.raises(InputError, match=message):
        networks_of(export, **options)


# The command


def test_predict_takes_several_networks_and_leaves_out_what_all_saw(chromolib, runs, export, tmp_path):
    out = tmp_path / "p.csv"
    arguments = ["predict", "--profile", "smoke", "--cell-type", "S01", "--out", out, "--weights", export]
    assert chromolib(*arguments)[0] == 0
    first = pd.read_csv(out)
    assert set(first["fold"]) == {1}
    status, lines, _ = chromolib(*arguments, "--weights", runs[1].folder)
    table = pd.read_csv(out)
    assert status == 0 and set(table["fold"]) == {1, 2} and len(table) + int(lines[-1].split("; ")[1].split()[0]) == 96
    assert chromolib(*arguments, "--in-sample")[0] == 0 and len(pd.read_csv(out)) == 96


def test_networks_of_another_species_predict_every_gene_which_a_line_says(chromolib, tmp_path):
    path = tmp_path / "released.pt"
    path.write_bytes(peer.checkpoint(peer.network("clf", seed=9)).getvalue())
    arguments = ["predict", "--profile", "smoke", "--cell-type", "S01", "--out", tmp_path / "p.csv", "--weights", path]
    status, lines, _ = chromolib(*arguments)
    assert status == 0 and lines[-2].startswith(f"{path}: trained on another genome than simS") and lines[-1].endswith(": 96 genes of S01")


def test_each_checkpoint_has_its_own_held_out_fold(chromolib, demo_archive, tmp_path):
    paths = [tmp_path / f"{fold}.pt" for fold in (1, 2)]
    for seed, path in enumerate(paths):
        path.write_bytes(peer.checkpoint(peer.network("clf", seed=seed)).getvalue())
    out = tmp_path / "p.csv"
    arguments = ["predict", "--profile", "h1-demo", "--out", out, "--weights", paths[0], "--weights", paths[1]]
    for given in ((1,), (1, 2, 3)):
        status, _, lines = chromolib(*arguments, *[part for fold in given for part in ("--held-out", fold)])
        assert status != 0 and len(lines) == 1 and not out.exists()
        assert f"held-out {', '.join(map(str, given))}: {len(given)} for 2 checkpoints of the release (.pt)" in lines[0]
    assert chromolib(*arguments, "--held-out", 1, "--held-out", 2)[0] == 0
    table, data = pd.read_csv(out), load_dataset(load_profile("h1-demo"), "E003")  # all of whose genes are of fold 1
    np.testing.assert_allclose(table["probability"], predict(load_released(paths[0]), data)["probability"], rtol=1e-5)
    assert (table["n_networks"] == 1).all() and not table["seen"].any()


def test_folds_go_to_checkpoints_in_their_order_and_to_no_other_weights(export):
    assert pretrained.folds_of(["b.pt", str(export), "a.pt", "b.pt"], [3, 4]) == {"b.pt": 3, str(export): None, "a.pt": 4}
    assert pretrained.folds_of(["a.pt", "E003"], ()) == {"a.pt": None, "E003": None}
    with pytest.raises(InputError, match="held-out 1: 1 for 0 checkpoints .* none for other weights; repeat --held-out, or leave it out"):
        pretrained.folds_of([str(export)], [1])


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The example of the book's page on own data with the paper's marks, on a genome of another species than the authors'."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    path = shutil.copytree(ROOT / "book" / "own-data", tmp_path / "own") / "my.yml"
    path.write_text(re.sub(r"(?m)^marks: .*\n", "", path.read_text()).replace("genome: toy ", "genome: mm10 "))
    rows = []
    for mark in MARKS:
        (path.parent / f"{mark}.bed").write_bytes((path.parent / "T1-H3K4me3.bed").read_bytes())
        rows.append(f"T1,{mark},{mark}.bed,bed\n")
    (path.parent / "samples.csv").write_text("cell_type,mark,path,format\n" + "".join(rows))
    return path


def test_networks_of_the_authors_say_where_own_depth_and_contacts_are_not_as_theirs(chromolib, own, tmp_path):
    checkpoint = tmp_path / "released.pt"
    checkpoint.write_bytes(peer.checkpoint(peer.network("clf", seed=9)).getvalue())
    arguments = ["predict", "--weights", checkpoint, "--profile", own, "--cell-type", "T1", "--out", tmp_path / "p.csv"]
    status, lines, _ = chromolib(*arguments)
    depth = "profile my-cells: depth of reads by other rules than theirs; the authors' networks were trained on reads of 36 bp, at most 30,000,000 of a mark: "
    assert status == 0 and lines[0] == depth + "rules: {truncate_bp: 36, max_reads: 30000000} makes it like theirs"
    assert not any("pCREs" in line for line in lines)
    text = own.read_text()
    own.write_text(text.replace("  contacts: contacts.csv", "  #").replace("inputs:", "rules: {truncate_bp: 36, max_reads: 30000000}\ninputs:"))
    (line,) = pretrained.unlike_released(load_profile(own), load_dataset(load_profile(own), "T1"))
    assert line == "profile my-cells: no pCREs; the authors' networks were trained with up to 8 of each gene, and see promoters alone here"


def test_a_profile_that_the_authors_networks_can_not_read_is_refused_before_they_are_fetched(chromolib, own, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "load_released", lambda *_, **__: pytest.fail("fetched"))
    arguments = ["predict", "--weights", "E003", "--profile", own, "--cell-type", "T1", "--out", tmp_path / "p.csv"]
    text = own.read_text()
    for old, new, message in (
        ("cell_types:", "marks: [H3K4me3, H3K27ac]\ncell_types:", r"profile my-cells: no H3K4me1, .*, H3K9ac among its marks \(H3K4me3, H3K27ac\), expected"),
        ("cell_types:", "frame_bp: 20000\ncell_types:", "frame_bp=20000 in bins of base_bp=100, expected 40000 in bins that divide 2000, 500, 100"),
        ("cell_types:", "base_bp: 250\nbin_bp: [1000, 250]\ncell_types:", "frame_bp=40000 in bins of base_bp=250, expected"),
    ):
        own.write_text(text.replace(old, new))
        status, _, lines = chromolib(*arguments)
        assert status == 1 and len(lines) == 1 and re.search(message, lines[0]), lines


def test_predict_equals_the_release_on_its_own_genes(chromolib, demo_archive, tmp_path):
    theirs, path, out = peer.network("clf", seed=9), tmp_path / "released.pt", tmp_path / "p.csv"
    path.write_bytes(peer.checkpoint(theirs).getvalue())
    data = load_dataset(load_profile("h1-demo"), "E003")
    arguments = ["predict", "--weights", path, "--profile", "h1-demo", "--out", out]
    status, _, lines = chromolib(*arguments)
    assert status != 0 and "does not tell which genes it was trained on; name the fold that was held out with --held-out 1 to 4" in lines[-1]
    status, _, lines = chromolib(*arguments, "--held-out", 3)
    assert status != 0 and "100 genes of E003, all of chromosomes that" in lines[-1] and not out.exists()
    assert chromolib(*arguments, "--held-out", 1)[0] == 0  # the demo's genes are all of the paper's fold 1
    table = pd.read_csv(out)
    assert table["gene_id"].tolist() == data.genes["gene_id"].tolist() and not table["seen"].any()
    with torch.no_grad(), peer.on_cpu():
        logits = torch.cat([peer.run(theirs, peer.inputs(data.batch(rows))) for rows in torch.arange(len(data)).split(20)])
    np.testing.assert_allclose(table[["logit_off", "logit_on"]], logits, atol=1e-5)
    assert chromolib(*arguments, "--in-sample")[0] == 0 and pd.read_csv(out)["seen"].isna().all()


def test_predict_with_the_authors_networks_takes_the_one_that_held_the_gene_out(chromolib, demo_archive, mirror, tmp_path):
    raw = tmp_path / "data" / "raw" / "h1-demo"  # the session's folder, where the archive lies, is not the one in use
    raw.mkdir(parents=True)
    shutil.copy(demo_archive, raw)
    out = tmp_path / "p.csv"
    arguments = ["predict", "--weights", "E003", "--profile", "h1-demo", "--out", out, "--fold"]
    assert chromolib(*arguments, 1)[0] == 0 and len(pd.read_csv(out)) == 100
    status, _, lines = chromolib(*arguments, 5)
    assert status != 0 and "fold=5" in lines[-1]

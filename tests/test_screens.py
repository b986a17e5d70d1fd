"""CRISPRi screens: read from what users write, refused in one line, and beside predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromolib import Chromoformer, GeneDataset, InputError, ModelConfig, Run, load_dataset, load_profile, readers
from chromolib.analysis import perturbation, rankings, screens
from chromolib.genome import Genome, profile_genome
from chromolib.simulate import ensure_raw
from tests.stores import random_store

GENOME = Genome("toy", {"chr1": 10**8, "chr2": 10**8}, {"chr1": 1, "chr2": 2})
QUICK = {"n_resamples": 100}
TINY = {"d_embedding": 8, "head_width": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_ff": 8, "regulation_width": 8, "regulation_layers": 1,
        "regulation_heads": 2, "pairwise_layers": 1}  # fmt: skip


def read(tmp_path, *lines, header="gene_id,region,effect,significant"):
    path = tmp_path / "screen.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return readers.read_screen(path, GENOME)


def test_screen_is_read_with_fractions_and_truth_values(tmp_path):
    table = read(tmp_path, "G1,chr1:100-600,-0.32,TRUE", "G1,chr2:5-9,0.1,false", "G2,chr9:1-2,0,0")
    assert table[["gene_id", "region", "effect", "significant"]].values.tolist() == [["G1", "chr1:100-600", -0.32, True], ["G1", "chr2:5-9", 0.1, False]]
    assert table["line"].tolist() == [2, 3] and table.attrs == {"kept": 2, "dropped": {"chromosome not in toy": 1}}
    tabs = read(tmp_path, "G1\tchr1:1-2\t-1\tyes", header="gene_id\tregion\teffect\tsignificant")
    assert tabs["effect"].tolist() == [-1] and tabs["significant"].tolist() == [True]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("G1,chr1:600-100,-0.3,true", "screen.csv:2: region is 'chr1:600-100', expected chrom:start-end with start < end; correct the row"),
        ("G1,chr1:100-600,-32,true", "effect is '-32', expected a fraction of expression, -1 (all of it is lost) or more"),
        ("G1,chr1:100-600,nan,true", "effect is 'nan', expected a fraction"),
        ("G1,chr1:100-600,-0.3,maybe", "significant is 'maybe', expected true or false"),
        ("G1,chr1:1-200000000,-0.3,true", "expected a region on its chromosome of toy; is the genome another build?"),
        ("G1,1:1-20,-0.3,true", "no chromosome of toy in 1 rows, found 1"),
        ("G1,chr1:1-20,-0.3,true\nG1,chr1:1-20,-0.3,true", "screen.csv:3: gene_id and region is 'G1 with chr1:1-20', expected each pair once"),
        ("", "holds no rows below the header, expected gene_id,region,effect,significant"),
    ],
)
def test_wrong_screen_is_one_line_that_names_it(tmp_path, line, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, line)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_screen_without_a_column_is_refused(tmp_path):
    with pytest.raises(InputError, match="no column 'significant', found gene_id, region, effect; expected gene_id,region,effect,significant"):
        read(tmp_path, "G1,chr1:1-2,0", header="gene_id,region,effect")


def screened():
    """Two genes of a random store, and a screen of a part of a pCRE, of the promoter, of a region nobody reads, of another gene."""
    data = GeneDataset(random_store(12), task="reg")
    gene_pcre, _ = data.touching()
    gene, name = data.genes.iloc[4], data.store["region"].values[gene_pcre[4, 1]]
    start = int(name.split(":")[1].split("-")[0])
    tss = gene["tss"]
    rows = [
        (gene["gene_id"], f"chr1:{start - 50}-{start + 130}", -0.4, True),
        (gene["gene_id"], f"{gene['chrom']}:{tss + 500}-{tss + 700}", 0.0, False),
        (gene["gene_id"], "chr1:90000000-90000500", -0.1, False),
        ("ENSG99999999999", name, -0.2, True),
    ]
    return data, name, pd.DataFrame(rows, columns=["gene_id", "region", "effect", "significant"])


def test_edits_are_of_the_parts_that_the_network_reads_and_the_rest_is_counted():
    data, name, screen = screened()
    edits = screens.edits(data, screen)
    assert edits.attrs["dropped"] == {"gene not in the dataset": 1, "region not read by its gene's network": 1}
    of_pcre = edits[edits["region"] == name]
    assert of_pcre[["start", "end"]].values.tolist() == [[0, 130]] and of_pcre["edit"].tolist() == [screen["region"][0]]
    assert edits.loc[edits["region"] == "promoter", ["start", "end"]].values.tolist() == [[500, 700]]  # its gene is on the plus strand


def test_screen_stands_beside_what_is_predicted():
    data, _, screen = screened()
    edits = screens.edits(data, screen)
    changes = perturbation.changes(Chromoformer(ModelConfig(task="reg")), data, edits)
    table = screens.beside(screen, data, edits, changes)
    assert table["region"].tolist() == screen["region"].tolist()[:2] and table["change"].tolist() == changes["change"].tolist()
    contact = data.touching()[1][4, 1]
    assert table["contact"].tolist() == [pytest.approx(contact), 0] and table["distance"][1] == 600
    assert table["in_promoter"].tolist() == [False, True]
    assert screens.edits(data, screen.iloc[2:]).empty


def test_scores_find_regions_that_lower_expression_when_silenced():
    rng = np.random.default_rng(0)
    effect = rng.choice([-0.5, 0.0, 0.4], 300)
    table = pd.DataFrame({
        "gene_id": [f"G{i % 40}" for i in range(300)], "region": [f"chr1:{i}-{i + 1}" for i in range(300)], "effect": effect, "significant": effect != 0,
        "change": effect + 0.1 * rng.normal(size=300), "contact": rng.random(300), "in_promoter": False, "distance": rng.integers(0, 10**6, 300),
    })  # fmt: skip
    found = screens.precision(table, **QUICK).query("metric == 'pooled'").set_index("ranking")
    assert found.loc["pCRE silenced", "value"] > 0.99 and found.loc["pCRE silenced", "planted"] == (effect < 0).sum()
    assert found.loc["pCRE silenced", "above_low"] > 0.3
    row = screens.correlation(table, **QUICK).iloc[0]
    assert row["low"] > 0.8 and (row["pairs"], row["genes"]) == (300, 40)


def test_regions_in_the_promoter_window_come_before_all_contacts():
    table = pd.DataFrame({
        "gene_id": "G0", "region": ["chr1:1-2", "chr1:5-6", "chr1:8-9"], "effect": [-0.5, 0.0, 0.0], "significant": [True, False, False],
        "change": [0.0, -1.0, -1.0], "contact": [0.0, 4.0, 2.0], "in_promoter": [True, False, False], "distance": [900, 5, 8],
    })  # fmt: skip
    found = screens.precision(table, **QUICK).query("metric == 'pooled'").set_index("ranking")["value"]
    assert found["contact frequency"] == 1 and found["nearness"] == pytest.approx(1 / 3)
    two = pd.concat([table, table.assign(gene_id="G1")])
    assert "6 regions of 2 genes, 2 of them in the promoter window, which count as the strongest contacts." in screens.statement(two)


def test_simulated_screen_can_be_written_and_read_and_scored(tmp_path):
    profile = load_profile("smoke")
    ensure_raw(profile)
    screen = screens.simulated(profile, "S01")
    truth = rankings.planted(profile, "S01")
    assert (screen["significant"] == (truth["by_rules"].abs() >= rankings.LEAST)).all() and (screen["effect"] * truth["contribution"] <= 0).all()
    screen.to_csv(tmp_path / "screen.csv", index=False)
    again = readers.read_screen(tmp_path / "screen.csv", profile_genome(profile))
    assert again[["gene_id", "region", "significant"]].equals(screen[["gene_id", "region", "significant"]])
    np.testing.assert_allclose(again["effect"], screen["effect"])


def test_simulated_screen_is_tried_by_the_networks_of_its_cell_type_alone(tmp_path, monkeypatch):
    profile = load_profile("smoke")
    data = load_dataset(profile, "S01", task="reg", bin_bp=(2000,))
    model, asked = Chromoformer(ModelConfig(task="reg", bin_bp=(2000,), **TINY)), []
    halves = [data.select(genes=data.genes["gene_id"][start::2].tolist()) for start in (0, 1)]

    def networks(runs):
        asked.extend(runs)
        return zip(asked, [model] * 2, halves, strict=True)

    monkeypatch.setattr(screens, "networks", networks)
    own = [Run(profile="smoke", cell_type="S01", fold=fold, task="reg") for fold in (1, 2)]
    table = screens.try_simulated(profile, "S01", tmp_path / "screen.csv", [own[0], replace(own[0], cell_type="S02"), own[1]], n_genes=20)
    assert asked == own
    screen, in_file = screens.simulated(profile, "S01"), pd.read_csv(tmp_path / "screen.csv")
    assert in_file[["gene_id", "region", "significant"]].equals(screen[["gene_id", "region", "significant"]])
    genes = [gene for half in halves for gene in perturbation.drawn(half, 20).genes["gene_id"]]
    assert set(table["gene_id"]) == set(genes) & set(screen["gene_id"]) and not table.duplicated(["gene_id", "region"]).any()
    edited = screens.edits(data, screen)
    expected = perturbation.changes(model, data, edited).rename(columns={"edit": "region", "change": "expected"})
    both = table.merge(expected[["gene_id", "region", "expected"]], on=["gene_id", "region"], validate="one_to_one")
    np.testing.assert_allclose(both["change"], both["expected"], atol=1e-5)
    assert len(both) == len(table) > 50
    measured = table.merge(screen, on=["gene_id", "region"], suffixes=("", "_screen"), validate="one_to_one")
    np.testing.assert_allclose(measured["effect"], measured["effect_screen"])


def test_nothing_is_tried_where_nothing_was_simulated(tmp_path):
    table = screens.try_simulated(load_profile("h1-demo"), "E003", tmp_path / "screen.csv", [])
    assert table.empty and {"gene_id", "region", "effect", "significant", "change", "contact", "in_promoter", "distance"} == set(table)
    assert not (tmp_path / "screen.csv").exists()

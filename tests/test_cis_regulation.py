"""Numbers of pCREs by hand, and what was planted told from what was not."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from chromolib import load_profile, simulate, studies
from chromolib.analysis import cis_regulation as cis
from chromolib.analysis import claims, curves, enrichment, pcri
from chromolib.config import ROOT
from chromolib.dataset import GeneDataset, load_dataset
from chromolib.features import load as load_store

KEYS = ["cell_type", "gene_id"]


# Numbers of pCREs


def test_a_region_overlaps_what_shares_a_base_with_it():
    regions = pd.Series(["chr1:100-200", "chr1:200-300", "chr1:500-501", "chr2:100-200"])
    spans = pd.DataFrame({"chrom": ["chr1", "chr1", "chr1"], "start": [199, 50, 400], "end": [200, 60, 1000]})
    assert cis.overlapping(regions, spans).tolist() == [True, False, True, False]
    assert cis.overlapping(regions, spans.iloc[:0]).tolist() == [False] * 4


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The profile of the book's page on own data, with states and peaks that hold four of its pCREs, of g1 to g4."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    path = shutil.copytree(ROOT / "book" / "own-data", tmp_path / "own") / "my.yml"
    path.write_text(f"{path.read_text()}companions: {{segmentation: states.bed, polycomb: {{EZH2: ezh2.bed}}}}\n")
    states = ["chrA\t25999\t26200\t9_EnhA1", "chrB\t13999\t14200\t1_TssA", "chrC\t13000\t18000\t6_TxWk", "chrD\t0\t17000\t1_TssA"]
    (path.parent / "states.bed").write_text("\n".join(states) + "\n")
    peaks = [("chrA", 20_000, 21_001), ("chrD", 22_000, 23_000)]
    rows = [f"{chrom}\t{start}\t{end}\t.\t0\t.\t1\t-1\t-1\t-1\n" for chrom, start, end in peaks]
    (path.parent / "ezh2.bed").write_text("".join(rows))
    return load_profile(path)


def test_pcres_of_a_gene_are_counted_by_kind(own):
    table = cis.numbers(own, {"T1": load_dataset(own, "T1")}).set_index("gene_id")
    assert list(table) == ["cell_type", "label", "pcres", "active", "EZH2", "other"] and cis.kinds(table.reset_index()) == ["active", "EZH2", "other"]
    # g0 has no contact; g1 ends where a TSS begins, g2 lies in a weak state, g3 between a TSS and a peak, g4 is of both kinds
    found = table.loc[["g0", "g1", "g2", "g3", "g4"], ["pcres", "active", "EZH2", "other"]]
    assert found.to_numpy().tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]]
    spread = cis.spread(table.reset_index()).set_index("kind")
    assert spread.loc["EZH2", "pcres"] == 1 / spread.loc["EZH2", "genes"] and spread["share"].tolist()[0] == 2 * spread["share"].tolist()[1]


def test_where_a_kind_is_not_known_there_is_no_control(own):
    """What is bound by EZH2 in C1 would count as neither."""
    of_one = own.model_copy(update={"companions": own.companions.model_copy(update={"polycomb_of": ["T1"]})})
    table = cis.numbers(of_one, {name: load_dataset(own, name) for name in ("T1", "C1")})
    known = table.groupby("cell_type")[["active", "EZH2", "other"]].agg(lambda numbers: numbers.notna().all())
    assert known.loc["T1"].tolist() == [True, True, True] and known.loc["C1"].tolist() == [True, False, False]
    spread = cis.spread(table)
    assert spread.loc[spread["cell_type"] == "C1", "kind"].tolist() == ["active"]


def test_main_kinds_are_the_active_ones_the_first_protein_s_and_the_control():
    def table(*known):
        return pd.DataFrame({"cell_type": ["A"], "gene_id": ["g"], "label": ["on"], "pcres": [1]} | {kind: [1.0] for kind in known})

    assert cis.main_kinds(table("active", "EZH2", "CBX8", "other")) == ["active", "EZH2", "other"]
    assert cis.main_kinds(table("EZH2", "CBX8", "other")) == ["EZH2", "other"] and cis.main_kinds(table("active", "other")) == ["active", "other"]
    assert cis.main_kinds(table("other").assign(active=np.nan)) == cis.kinds(table()) == []
    assert cis.kinds(table("active", "EZH2").assign(other=np.nan)) == cis.main_kinds(table("active", "EZH2").assign(other=np.nan)) == ["active", "EZH2"]


@pytest.mark.parametrize("profile", ["h1-demo", "promoters-18k", "pilot-40kb", "deepdiff-sample"])
def test_profiles_without_states_and_peaks_say_so_and_all_is_empty(profile):
    study = studies.study(profile)
    missing = cis.left_out(study)
    assert cis.cell_types(study) == () and set(missing["cell_type"]) == set(study.record.cell_types) and len(missing)
    table, own, values = cis.numbers(study.record, {}), cis.own_promoter({}), {cis.MEASURED: cis.measured({})}
    assert curves.compare(values, table, own).empty and curves.levels(values, table, own).empty and curves.by_number(values, table).empty
    assert curves.choices(study.record, {}, own).empty and cis.rules(study.record).empty and cis.kinds(table) == []
    verdicts = claims.evaluate(study.record, "07b_cis_regulation", curves.for_claims(values, table, own), cis.by_label(table))
    assert set(verdicts["verdict"]) == {"not testable"}


def test_polycomb_peaks_of_the_paper_s_profile_are_of_h1_alone():
    record = load_profile("roadmap")
    assert cis.kinds_of(record, "E003") == cis.kinds_of(record, "E118") == ["active"]  # peaks need accessions, or one's own files
    assert "EZH2" not in cis.kinds_of(record.model_copy(update={"companions": record.companions.model_copy(update={"segmentation": None})}), "E118")


def test_the_notebook_names_columns_that_networks_have():
    text = (ROOT / "notebooks" / "07b_cis_regulation.ipynb").read_text()
    columns = re.findall(r'of_network\(network, \\"(\w+)\\"\)', text)
    assert len(columns) == 2
    for column in columns:
        assert list(cis.of_network(pcri.of_runs([]), column)) == cis.VALUES


# What was planted


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory, shared_data):
    """Datasets, numbers and promoters of sim, and measured expression of sim and null, whose reads are the same; features are
    drawn without reads."""
    sim, null = load_profile("sim"), load_profile("null")
    folder = tmp_path_factory.mktemp("features")
    for profile in (sim, null):
        simulate.ensure_raw(profile)
    data = {
        name: GeneDataset(load_store(simulate.simulate_features(folder / name, sim, name, sim.inputs.simulation.genes)).load())
        for name in sim.cell_types
    }
    measured = {"sim": cis.measured(data)}
    rpkm = pd.concat([simulate.read_truth(null, "genes", name).assign(cell_type=name) for name in data])[[*KEYS, "rpkm"]]
    merged = measured["sim"].merge(rpkm, on=KEYS)
    measured["null"] = merged.assign(value=np.log2(merged["rpkm"] + cis.FLOOR))[cis.VALUES]
    return data, cis.numbers(sim, data), cis.own_promoter(data), measured


def test_counted_pcres_are_those_that_were_planted(cohorts):
    data, table, *_ = cohorts
    for name in data:
        truth = simulate.read_truth(load_profile("sim"), "pcres", name)
        planted = pd.crosstab(truth["gene_id"], truth["state"]).reindex(data[name].genes["gene_id"], fill_value=0)
        found = table[table["cell_type"] == name].set_index("gene_id").loc[planted.index]
        assert (found["pcres"] == planted.sum(axis=1)).all()
        assert np.corrcoef(found["active"], planted["active"])[0, 1] > 0.85 and np.corrcoef(found["EZH2"], planted["polycomb"])[0, 1] > 0.9
        assert found["EZH2"].sum() > found["SUZ12"].sum() > found["RNF2"].sum() > found["CBX8"].sum()


def test_activation_adds_up_and_repression_is_a_switch_on_sim_and_nothing_is_there_on_null(cohorts):
    data, table, promoter, measured = cohorts
    sim = load_profile("sim")
    responses = {"sim": measured["sim"], "null": measured["null"], "planted": cis.planted(sim, data), "best": cis.best_change(sim, measured["sim"])}
    found = curves.compare(responses, table, promoter, n_refits=20).set_index(["response", "kind"])
    for response in ("sim", "planted", "best"):
        active, bound = found.loc[(response, "active")], found.loc[(response, "EZH2")]
        assert active["verdict"] == "additive" and active["high"] < 0 < active["slope_low"] and active["aic_additive"] < -100
        assert bound["verdict"] == "switch" and bound["low"] > 0 > bound["size_high"] and bound["aic_switch"] < -100
        assert abs(bound["midpoint"] - simulate.truth.SWITCH_AT) <= 0.75
    assert set(found.loc["null", "verdict"]) == {"no effect"}
    assert (found.loc["null", "slope"].abs() < 0.05).all()


def test_best_possible_change_is_the_mean_over_the_planted_noise(cohorts):
    sim = load_profile("sim")
    terms = simulate.read_truth(sim, "genes", "S02")
    chosen = terms.iloc[::80][["gene_id"]].assign(cell_type="S02", group="S02, fold 1", value=0.0)
    found = cis.best_change(sim, chosen[cis.VALUES]).set_index("gene_id")["value"]
    noise = simulate.truth.NOISE * np.random.default_rng(0).standard_normal(200_000)
    for row in terms.iloc[::80].itertuples():
        means = [np.log2(2 ** (mean + noise) + 1).mean() for mean in (row.mean_log2_rpkm, row.mean_log2_rpkm - row.activation + row.repression)]
        assert found[row.gene_id] == pytest.approx(means[0] - means[1], abs=0.01)
    assert (cis.best_change(load_profile("null"), chosen[cis.VALUES])["value"] == 0).all()
    assert cis.best_change(load_profile("h1-demo"), chosen[cis.VALUES]).empty


def test_claims_on_measured_expression_are_seen_on_sim_and_not_on_null(cohorts):
    _, table, promoter, measured = cohorts
    ids = ["active-pcres-raise-expression", "active-pcres-add-up", "polycomb-lowers-expression", "polycomb-is-a-switch"]
    for name, verdict in (("sim", "seen"), ("null", "not seen")):
        scores = curves.for_claims({cis.MEASURED: measured[name]}, table, promoter)
        found = claims.evaluate(load_profile(name), "07b_cis_regulation", scores, cis.by_label(table), n_resamples=400).set_index("id")
        assert set(found.loc[ids, "verdict"]) == {verdict}, found.loc[ids, ["value", "low", "high", "why"]]


def test_planted_gene_sets_are_found_by_the_planted_terms_and_not_on_null(cohorts):
    data, *_ = cohorts
    genes = data["S01"].genes
    planted = simulate.read_truth(load_profile("sim"), "genes", "S01")
    chosen = {
        term: planted[planted["label"] == label].nlargest(80, term)["gene_id"] for label, term in ((1, "activation"), (0, "repression"))
    }
    for name, expected in (("sim", ["housekeeping", "developmental"]), ("null", [])):
        sets = enrichment.by_id(cis.companions.gene_sets(load_profile(name)), genes)
        tables = [enrichment.enrich(ids, genes["gene_id"], sets).query("q < 0.05") for ids in chosen.values()]
        assert [term.partition(" (")[0] for table in tables for term in table["term"]] == expected

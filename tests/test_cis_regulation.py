"""Numbers of pCREs by hand, curves against statsmodels, and what was planted told from what was not."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats
from statsmodels.regression.linear_model import OLS

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


# Curves


def made(effect, *, n_genes=600, noise=1.0, seed=0):
    """Genes of one cell type with a promoter of one mark, and values to which `effect` of the number of active pCREs adds."""
    rng = np.random.default_rng(seed)
    ids = [f"g{i}" for i in range(n_genes)]
    active, bound, promoter = rng.binomial(8, 0.35, n_genes), rng.binomial(8, 0.2, n_genes), rng.normal(size=n_genes)
    keys = pd.DataFrame({"cell_type": "C", "gene_id": ids})
    table = keys.assign(label="on", pcres=8.0, active=active.astype(float), EZH2=bound.astype(float), other=rng.binomial(3, 0.5, n_genes).astype(float))
    value = effect(active) + 2 * promoter - 0.5 * bound + noise * rng.normal(size=n_genes)
    return {"value": keys.assign(group="C", value=value)[cis.VALUES]}, table, keys.assign(mark=promoter)


def step(n, at=2.5, width=0.2):
    return 3 / (1 + np.exp((at - n) / width))


@pytest.mark.parametrize(("effect", "verdict"), [(lambda n: 0.7 * n, "additive"), (step, "switch"), (lambda n: 0.0 * n, "no effect")])
def test_the_curve_that_was_planted_wins_and_the_control_has_none(effect, verdict):
    found = curves.compare(*made(effect)).set_index("kind")
    assert found.loc["active", "verdict"] == verdict and found.loc["other", "verdict"] == "no effect"
    row = found.loc["active"]
    if verdict == "additive":
        assert row["high"] < 0 and row["slope_low"] < 0.7 < row["slope_high"] and row["p_additive"] > 0.01 > row["p_switch"]
    if verdict == "switch":
        assert row["low"] > 0 and 2 <= row["midpoint"] <= 3 and row["size_low"] < 3 < row["size_high"] and row["p_switch"] > 0.01 > row["p_additive"]


def test_a_cell_type_without_peaks_still_counts_for_active_pcres():
    values, table, promoter = made(lambda n: 0.7 * n)
    parts = [(part.assign(cell_type="D"), part) for part in (values["value"], table, promoter)]
    both = [pd.concat([own, other], ignore_index=True) for other, own in parts]
    both[1].loc[both[1]["cell_type"] == "D", "EZH2"] = np.nan
    both[0]["group"] = both[0]["cell_type"]
    found = curves.compare({"value": both[0]}, *both[1:], n_refits=0).set_index("kind")
    assert found["n"].to_dict() == {"active": 1200, "EZH2": 600, "other": 1200} and found.loc["active", "verdict"] == "additive"


def test_fits_are_those_of_statsmodels_and_a_switch_costs_two_parameters_more():
    values, table, promoter = made(step, n_genes=200)
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    x = np.column_stack([given.base, 1 / (1 + np.exp((fits.midpoint - given.n) / fits.width))])
    own = OLS(given.y, x).fit()
    assert fits.aic()["switch"] == pytest.approx(own.aic + 4) and fits.aic()["additive"] == fits.additive.aic
    midpoint, width, tried = curves._switches(given.n)
    left = [OLS(given.y, np.column_stack([given.base, curve])).fit().ssr for curve in tried.T]
    best = int(np.argmin(left))
    assert (midpoint[best], width[best]) == (fits.midpoint, fits.width)
    slope, found, size = curves._curves(given, tried, np.ones(len(given.y)))
    assert (slope, found, size) == (pytest.approx(fits.additive.params[-1]), best, pytest.approx(own.params[-1]))


def test_a_gene_that_counts_twice_is_a_gene_that_stands_there_twice():
    values, table, promoter = made(step, n_genes=120)
    given = curves.problem(values["value"], table, promoter, "active")
    tried = curves._switches(given.n)[2]
    weight = np.random.default_rng(1).integers(0, 3, len(given.y))
    twice = curves.Problem(*(np.repeat(part, weight, axis=0) for part in given[:3]), given.keys.loc[np.repeat(given.keys.index, weight)])
    expected = curves._curves(twice, np.repeat(tried, weight, axis=0), np.ones(len(twice.y)))
    np.testing.assert_allclose(curves._curves(given, tried, weight.astype(float)), expected)


def test_what_each_gene_adds_sums_to_aic_and_its_mean_is_what_claims_compare():
    values, table, promoter = made(step, n_genes=200)
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    parts = curves.per_gene(given, fits)
    for name, aic in fits.aic().items():
        assert parts[name].sum() == pytest.approx(-aic / 2)
    row = curves.compare(values, table, promoter, n_refits=0).iloc[0]
    assert row["value"] == pytest.approx(fits.aic()["additive"] - fits.aic()["switch"])
    assert row["aic_switch"] == pytest.approx(fits.aic()["switch"] - fits.nothing.aic)
    scores = curves.for_claims(values, table, promoter).set_index("model")["score"]
    assert scores["value: switch, active pCREs"].tolist() == parts["switch"].tolist()


def test_levels_are_held_against_curves_by_the_wald_tests_of_statsmodels_with_a_gene_as_cluster():
    values, table, promoter = (twice(part) for part in made(lambda n: 0.2 * n, n_genes=150, noise=2.0))
    given = curves.problem(values["value"], table, promoter, "active")
    fits = curves.fit(given)
    found, number = curves._against_levels(given, fits), np.unique(given.n)
    groups = pd.factorize(given.keys["gene_id"])[0]
    theirs = OLS(given.y, fits.free.model.exog).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    m, k = len(number) - 1, given.base.shape[1]
    restricted = np.column_stack([np.zeros((m, k)), np.eye(m)])
    assert found["p_any"] == pytest.approx(float(theirs.wald_test(restricted, scalar=True).pvalue))
    off_the_line = linalg.null_space((number[1:] - number[0])[None]).T
    assert found["p_additive"] == pytest.approx(float(theirs.wald_test(off_the_line @ restricted, scalar=True).pvalue))
    rise = 1 / (1 + np.exp((fits.midpoint - number) / fits.width))
    test = theirs.wald_test(linalg.null_space((rise[1:] - rise[0])[None]).T @ restricted, scalar=True)
    distance = float(test.statistic) * (m - 1)
    assert found["p_switch"] == pytest.approx(stats.f.sf(distance / (m - 3), m - 3, 149))


def twice(part):
    """Rows once more as those of another cell type; of a dict of tables, of each."""
    if isinstance(part, dict):
        return {name: twice(table) for name, table in part.items()}
    again = part.assign(cell_type="D", **({"group": "D"} if "group" in part else {}))
    return pd.concat([part, again], ignore_index=True)


def test_the_same_genes_in_another_cell_type_make_nothing_surer():
    once = made(lambda n: 0.1 * n)
    both = tuple(map(twice, once))
    for statistic, tolerance in ((curves.by_number, 1e-9), (curves.levels, 0.02)):     # other levels below 10 genes, another constant
        first, second = (statistic({"value": values["value"]}, table, *([promoter] if statistic is curves.levels else [])).query("kind == 'active'")
                         for values, table, promoter in (once, both))  # fmt: skip
        shared = first.merge(second, on="number", suffixes=("", "_twice")).query("n_twice == 2 * n")
        assert len(shared) > 3
        np.testing.assert_allclose(shared["high_twice"] - shared["low_twice"], shared["high"] - shared["low"], rtol=tolerance)
    p, p_twice = (curves.compare(*parts, n_resamples=10, n_refits=0).set_index("kind").loc["active", "p_any"] for parts in (once, both))
    assert np.log(p_twice) == pytest.approx(np.log(p), rel=0.2)


def test_levels_and_curves_have_the_mean_of_all_values_and_do_not_depend_on_an_offset():
    values, table, promoter = made(step, n_genes=300)
    found = curves.levels(values, table, promoter).query("kind == 'active'")
    y = values["value"]["value"]
    for column in ("value", "additive", "switch"):
        assert np.average(found[column], weights=found["n"]) == pytest.approx(y.mean())
    moved = curves.levels({"value": values["value"].assign(value=y + 5)}, table, promoter).query("kind == 'active'")
    np.testing.assert_allclose(moved["value"], found["value"] + 5)
    assert found["n"].sum() == 300 and found["n"].iloc[-1] >= curves.MIN_GENES and (found["low"] < found["value"]).all()


def test_means_by_number_by_hand():
    _, table, _ = made(step, n_genes=60)
    table = table.assign(active=np.repeat([0.0, 1.0, 9.0], [30, 24, 6]), pcres=[0.0, *[8.0] * 59])
    values = {"value": table[KEYS].assign(group="C", value=np.arange(60.0))}
    found = curves.by_number(values, table).query("kind == 'active'")
    assert found["number"].tolist() == [0, 1] and found["n"].tolist() == [29, 30]  # without the gene without pCREs; 9 counts as 1
    assert found["value"].tolist() == [15, 44.5]
    half = stats.t.ppf(0.975, 28) * np.arange(1, 30).std(ddof=1) / np.sqrt(29)
    assert found["low"].iloc[0] == pytest.approx(15 - half) and found["high"].iloc[0] == pytest.approx(15 + half)


def test_too_few_genes_or_numbers_give_no_curve():
    values, table, promoter = made(step, n_genes=curves.MIN_ROWS)
    assert curves.problem(values["value"], table, promoter, "active") is not None
    assert curves.problem(values["value"].iloc[1:], table, promoter, "active") is None
    assert curves.problem(values["value"], table.assign(active=1.0), promoter, "active") is None
    assert curves.problem(values["value"], table.assign(active=np.nan), promoter, "active") is None


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

"""What small networks learned of simulated cohorts: of pCREs and gene bodies where these act, and nothing of them where not."""

from dataclasses import replace

import pandas as pd
import pytest

from chromolib import GeneDataset, TrainConfig, features, fit, load_profile, simulate
from chromolib.analysis import attribution, perturbation, rankings
from chromolib.genome import Genome, load_genome
from chromolib.simulate import acting_contributions, cohort, interactions, species
from chromolib.train import network_for

N_GENES, CELL_TYPE = 400, "S01"
SMALL = {"d_embedding": 64, "regulation_layers": 2, "regulation_width": 128, "regulation_ff": 128, "pairwise_ff": 128, "head_width": 64}
QUICK = {"n_resamples": 300}


def truth_of(profile):
    """What each pCRE of `simulate_features` would contribute by the rules."""
    record, genome = profile.inputs, load_genome(profile.genome)
    growth = N_GENES / record.simulation.genes
    sizes = {chrom: max(round(size * growth), cohort.MIN_CHROM_BP) for chrom, size in genome.sizes.items()}
    simulation = record.simulation.model_copy(update={"genes": N_GENES})
    profile = profile.model_copy(update={"inputs": record.model_copy(update={"simulation": simulation})})
    human = species.human_of(profile, Genome(genome.name, sizes, genome.folds))
    states = species.states_of(profile, human)[CELL_TYPE]
    _, table = species.plant(profile, human, states, interactions.draw_contacts(human.layout, simulation.seed, CELL_TYPE), CELL_TYPE)
    return table.assign(by_rules=acting_contributions(table))


@pytest.fixture(scope="module", params=["sim", "null"])
def learned(request, tmp_path_factory):
    """Name of the cohort, held-out genes, a network that has not seen them, and the truth of their pCREs."""
    profile = load_profile(request.param)
    path = simulate.simulate_features(tmp_path_factory.mktemp("store") / "store.zarr", profile, CELL_TYPE, N_GENES)
    train, held_out = GeneDataset(features.load(path), task="reg", bin_bp=(2000, 500)).fold(1)
    recipe = TrainConfig(epochs=8, learning_rate=1e-3, batch_size=16, decay=0.9)
    model = fit(train, held_out, recipe, replace(network_for(train), **SMALL), report=lambda _: None).model
    return request.param, held_out, model, truth_of(profile)


@pytest.fixture(scope="module")
def precision(learned):
    _, held_out, model, truth = learned
    taken = {rankings.CUT: perturbation.removals, rankings.SILENCED: perturbation.silencings}
    changes = {name: perturbation.changes(model, held_out, make(held_out)) for name, make in taken.items()}
    table = pd.concat([rankings.predicted(changes, attribution.explain(model, held_out, 8).regions), rankings.known(held_out)])
    return rankings.precision(rankings.against(table, truth), **QUICK).set_index(["kind", "metric", "ranking"])


def test_network_ranks_pcres_by_what_they_do_where_they_act_and_not_where_they_do_not(learned, precision):
    for kind in (rankings.RAISES, rankings.LOWERS):
        for ranking in rankings.BY_NETWORK:
            row = precision.loc[(kind, rankings.WITHIN, ranking)]
            if learned[0] == "sim":
                assert row["above_low"] > 0.1, (kind, ranking)                   # clearly better than contact frequency
            else:
                assert row["above_low"] < 0, (kind, ranking)


def test_h3k27ac_finds_the_same_regions_in_both_cohorts(precision):
    assert precision.loc[(rankings.RAISES, rankings.WITHIN, rankings.ACTIVE), "above_low"] > 0.1


def test_predicted_contributions_have_the_planted_signs_where_they_act_and_are_small_where_not(learned):
    name, held_out, model, truth = learned
    predicted = rankings.predicted({rankings.CUT: perturbation.changes(model, held_out, perturbation.removals(held_out))})
    row = rankings.agreement(predicted, truth.assign(contribution=truth["by_rules"]), **QUICK).iloc[0]
    if name == "sim":
        assert row["spearman_low"] > 0.3
    else:
        assert row["spearman_low"] < 0.1 and predicted["contribution"].std() < 0.1


def test_h3k36me3_is_credited_along_the_body_where_elongation_acts_and_not_where_it_does_not(learned):
    name, held_out, model, _ = learned
    found = attribution.explain(model, held_out, 8)
    found = found._replace(genes=found.genes.assign(label=held_out.genes["label"], cell_type=CELL_TYPE))
    row = attribution.maxima(found, held_out.marks, **QUICK).set_index("mark").loc["H3K36me3"]
    if name == "sim":                                                           # planted from about 3 kb on, see simulate.signal
        assert 2000 < row["low"] and row["downstream"] - row["upstream"] > 0.1
        others = attribution.maxima(found, held_out.marks, **QUICK).set_index("mark")["downstream"].drop("H3K36me3")
        assert row["downstream"] > others.max()
    else:
        assert row["downstream"] - row["upstream"] < 0.1


def test_attributions_of_a_trained_network_add_up(learned):
    _, held_out, model, _ = learned
    genes = attribution.explain(model, held_out, 16).genes
    change = genes["score"] - genes["without"]
    assert (genes["total"] - change).abs().mean() < 0.02 * change.abs().mean()


def test_emptying_stretches_of_the_body_lowers_what_is_predicted_where_it_acts(learned):
    name, held_out, model, _ = learned
    labels = held_out.genes.set_index("gene_id")["label"]
    scan = perturbation.along_promoter(perturbation.changes(model, held_out, perturbation.scan(held_out, 4000, "H3K36me3")), labels, 4000)
    on = scan[scan["label"] == "on"].set_index("offset")["mean"]
    lost = -on[on.index > 4000].sum()
    assert lost > 0.1 if name == "sim" else lost < 0.1

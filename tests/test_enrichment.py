"""Enrichment: the four numbers of a set by hand, and the tests of scipy, statsmodels and gseapy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from chromolib.analysis import enrichment
from chromolib.config import InputError
from tests.stores import hand_data

BACKGROUND = [f"g{i}" for i in range(20)]
CHOSEN = BACKGROUND[:6]
SETS = {
    "most": ["g0", "g1", "g2", "g3", "g10"], "some": ["g4", "g5", "g11", "g12", "g13", "g14"], "none": ["g15", "g16"],
    "all its genes": ["g0", "g1", "elsewhere"], "outside": ["elsewhere"],
}  # fmt: skip


def table_of(sets):
    return pd.DataFrame([(term, gene) for term, genes in sets.items() for gene in genes], columns=["term", "gene"])


def test_enrichment_by_hand():
    found = enrichment.enrich(CHOSEN, BACKGROUND, table_of(SETS)).set_index("term")
    assert found.index.tolist() == ["most", "all its genes", "some"]             # neither "none" nor "outside" has a chosen gene
    assert found.loc["most", ["overlap", "size", "n", "background", "odds_ratio"]].tolist() == [4, 5, 6, 20, (4 * 13) / (2 * 1)]
    assert found.loc["most", "genes"] == "g0, g1, g2, g3"
    assert found.loc["all its genes", ["overlap", "size"]].tolist() == [2, 2] and np.isinf(found.loc["all its genes", "odds_ratio"])
    # Of four sets with a gene in the background "none" has p = 1; "outside" has none there, so it could not have been found.
    # 5 of 20 hold the set: (5 over 4) (15 over 2) + (5 over 5) (15 over 1) of (20 over 6) draws have 4 of it or more.
    assert found.loc["most", "p"] == pytest.approx((5 * 105 + 1 * 15) / 38_760)
    assert found.loc["most", "q"] == pytest.approx(4 * (5 * 105 + 1 * 15) / 38_760)


def test_p_and_q_are_those_of_scipy_and_statsmodels():
    rng = np.random.default_rng(0)
    background = [f"g{i}" for i in range(300)]
    chosen = background[:40]
    sets = table_of({f"set {i}": rng.choice(background, rng.integers(5, 60), replace=False) for i in range(50)} | {"planted": background[:12]})
    found = enrichment.enrich(chosen, background, sets)
    tables = [[[k, n - k], [size - k, m - n - size + k]] for k, size, n, m in found[["overlap", "size", "n", "background"]].to_numpy()]
    exact = [stats.fisher_exact(table, alternative="greater") for table in tables]
    np.testing.assert_allclose(found["p"], [test.pvalue for test in exact], rtol=1e-9)
    np.testing.assert_allclose(found["odds_ratio"], [test.statistic for test in exact])
    assert len(found) < sets["term"].nunique() == 51                             # sets without a chosen gene are tested too: p = 1
    of_all = np.append(found["p"], np.ones(51 - len(found)))
    np.testing.assert_allclose(found["q"], multipletests(of_all, method="fdr_bh")[1][: len(found)])
    assert found["term"].iloc[0] == "planted" and found["q"].iloc[0] < 1e-8 and (found["q"].iloc[1:] > 0.05).all()


def test_p_is_that_of_gseapy():
    gseapy = pytest.importorskip("gseapy", reason="gseapy is a peer, not needed to run")
    theirs = gseapy.enrich(CHOSEN, SETS, background=BACKGROUND, outdir=None).results.set_index("Term")
    ours = enrichment.enrich(CHOSEN, BACKGROUND, table_of(SETS)).set_index("term")
    np.testing.assert_allclose(ours["p"], theirs["P-value"].loc[ours.index], rtol=1e-9)


def test_order_and_repetition_of_genes_do_not_matter():
    once = enrichment.enrich(CHOSEN, BACKGROUND, table_of(SETS))
    again = enrichment.enrich([*CHOSEN[::-1], "g0"], BACKGROUND[::-1], pd.concat([table_of(SETS)] * 2))
    pd.testing.assert_frame_equal(once, again)


def test_what_is_not_in_the_background_can_t_be_chosen():
    message = "1 of 2 genes, such as x1, are not in the background of 20, expected all; add them to it"
    with pytest.raises(InputError, match=message):
        enrichment.enrich(["g0", "x1"], BACKGROUND, table_of(SETS))


@pytest.mark.parametrize(("genes", "sets"), [([], SETS), (["g19"], SETS), (CHOSEN, {})])
def test_nothing_chosen_or_no_sets_give_an_empty_table(genes, sets):
    found = enrichment.enrich(genes, BACKGROUND, table_of(sets))
    assert found.empty and list(found) == enrichment.COLUMNS


def test_sets_by_symbol_or_by_id_without_version_find_the_genes():
    genes = pd.DataFrame({"gene_id": ["ENSG01.2", "ENSG02.1", "ENSG03.1"], "symbol": ["A", "B", "B"]})
    by_symbol = enrichment.by_id(table_of({"one": ["A", "B", "C"]}), genes)
    assert by_symbol.to_numpy().tolist() == [["one", "ENSG01.2"], ["one", "ENSG02.1"], ["one", "ENSG03.1"]]
    assert by_symbol.attrs == {"dropped": {"not among the genes": 1}, "why": ""}
    for ids in (["ENSG02", "ENSG9"], ["ENSG02.7", "ENSG9.1"]):                   # of another version or of none
        assert enrichment.by_id(table_of({"one": ids}), genes).to_numpy().tolist() == [["one", "ENSG02.1"]]


def test_sets_have_the_genes_of_all_datasets_each_once():
    sets = table_of({"one": ["S0", "S2", "S9"]})
    data = {"T1": hand_data(strands="+-"), "T2": hand_data(strands="+-+")}      # G0 and G1; these and G2
    found = enrichment.of_datasets(sets, data)
    assert found.to_numpy().tolist() == [["one", "G0"], ["one", "G2"]] and found.attrs == {"dropped": {"not among the genes": 1}, "why": ""}
    none = enrichment.of_datasets(sets, {})
    assert none.empty and list(none) == ["term", "gene"] and none.attrs["why"] == ""


def test_that_no_set_has_one_of_the_genes_is_a_reason_and_no_error():
    genes = pd.DataFrame({"gene_id": ["ENSG01.2"], "symbol": ["A"]})
    found = enrichment.by_id(table_of({"one": ["Trp53"]}), genes)
    assert found.empty and found.attrs["why"] == "found Trp53, ..., expected symbols or ids of the profile's genes such as A or ENSG01"
    nothing = enrichment.by_id(table_of({}), genes)
    assert nothing.empty and nothing.attrs["why"] == ""

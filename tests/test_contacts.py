"""From TSS to ranked pCREs, on tables small enough to rank by eye."""

import numpy as np
import pandas as pd
import pytest

from chromolib import contacts
from chromolib.config import InputError


def transcripts(*rows):
    table = pd.DataFrame(rows, columns=["transcript", "chrom", "strand", "start", "end", "symbol"])
    return table.assign(tss=np.where(table["strand"] == "+", table["start"] - 1, table["end"]))


def gene_info(**symbols):
    return pd.DataFrame(symbols.items(), columns=["gene_id", "symbol"])


def table(*rows):
    return pd.DataFrame(rows, columns=["kind", "frag1", "frag2", "frequency"])


def pairs(*rows):
    return pd.DataFrame(rows, columns=["gene_id", "region", "contact"])


def test_tss_of_the_longest_transcript_comes_first():
    rows = transcripts(
        ("NM_3", "chr1", "+", 100, 900, "A"),
        ("NM_2", "chr1", "+", 200, 1100, "A"),
        ("NM_1", "chr1", "+", 300, 1100, "A"),  # as long as NM_3, and before it by name
        ("NM_4", "chr1", "+", 200, 500, "A"),  # a TSS seen before
    )
    tss = contacts.all_tss(rows, gene_info(G1="A"), ["G1"])
    assert tss[["tss", "order"]].to_numpy().tolist() == [[199, 0], [299, 1], [99, 2]]


def test_chrx_goes_before_chry_and_all_tss_of_a_gene_are_on_one_chromosome():
    rows = transcripts(("NM_1", "chrY", "-", 100, 900, "A"), ("NM_1", "chrX", "-", 100, 800, "A"))
    tss = contacts.all_tss(rows, gene_info(G1="A"), ["G1"])
    assert tss[["chrom", "tss"]].to_numpy().tolist() == [["chrX", 800]]
    assert tss.attrs["dropped"] == {"transcripts on another chromosome than the gene's first": 1}


def test_genes_without_a_tss_are_counted():
    rows = transcripts(("NM_1", "chr1", "+", 100, 900, "A"), ("NM_2", "chr1", "+", 100, 900, "B"))
    info = gene_info(G1="A", G2="B", G3="B", G4="C", OTHER="A")  # OTHER has no expression, so A is still unique
    tss = contacts.all_tss(rows, info, ["G1", "G2", "G3", "G4", "G5"])
    assert tss["gene_id"].tolist() == ["G1"]
    assert tss.attrs == {"kept": 1, "dropped": {"no symbol": 1, "symbol of several genes": 2, "no transcript": 1}}


def test_both_ends_of_a_fragment_belong_to_it():
    tss = pd.DataFrame({"chrom": "chr1", "tss": [99, 100, 200, 201, 300, 301]}, index=[7, 6, 5, 4, 3, 2])
    held = contacts.fragments_of_tss(tss, ["chr1:201-300", "chr1:100-200", "chr2:0-500"])
    assert held.to_numpy().tolist() == [[1, "chr1:100-200"], [2, "chr1:100-200"], [3, "chr1:201-300"], [4, "chr1:201-300"]]


def test_where_fragments_overlap_all_that_hold_a_tss_are_known_in_order_of_text():
    tss = pd.DataFrame({"chrom": "chr1", "tss": [150, 5, 95]}, index=[7, 6, 5])
    fragments = ["chr1:90-160", "chr1:100-200", "chr1:1000-2000"]
    held = contacts.fragments_of_tss(tss, fragments)
    assert held.to_numpy().tolist() == [[0, "chr1:100-200"], [0, "chr1:90-160"], [2, "chr1:90-160"]]


def test_without_fragments_no_tss_has_one():
    assert contacts.fragments_of_tss(pd.DataFrame({"chrom": ["chr1"], "tss": [5]}), []).empty


def test_missing_bedtools_is_said(monkeypatch):
    def absent(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(contacts.pybedtools.BedTool, "intersect", absent)
    with pytest.raises(InputError, match="bedtools: not found on PATH"):
        contacts.fragments_of_tss(pd.DataFrame({"chrom": ["chr1"], "tss": [5]}), ["chr1:1-9"])


def test_baits_are_first_fragments_and_both_of_a_promoter_pair():
    found = contacts.bait_fragments(table(("po", "chr1:1-2", "chr1:3-4", 1.0), ("pp", "chr1:5-6", "chr1:7-8", 1.0)))
    assert found == ["chr1:1-2", "chr1:5-6", "chr1:7-8"]


def test_a_frequency_at_the_limit_does_not_count_and_promoter_pairs_count_both_ways():
    near = contacts.neighbours(
        table(
            ("po", "A", "B", 1.5),
            ("po", "A", "C", 1.5001),
            ("pp", "A", "D", 2.0),
            ("pp", "D", "A", 3.0),
        ),
        min_frequency=1.5,
    )
    assert near.to_numpy().tolist() == [["A", "C", 1.5001], ["A", "D", 3.0], ["D", "A", 3.0]]


def test_a_region_reached_twice_has_the_contact_of_the_earlier_tss():
    tss = pd.DataFrame({"gene_id": ["G1", "G1", "G2"], "order": [1, 0, 0]})
    near = pd.DataFrame([("A", "X", 9.0), ("B", "X", 2.0), ("A", "Y", 3.0)], columns=["fragment", "region", "contact"])
    found = contacts.pairs_of_genes(tss, pd.Series(["A", "B", None]), near)
    assert found.to_numpy().tolist() == [["G1", "X", 2.0], ["G1", "Y", 3.0]]


def test_ranks_by_contact_then_by_region_as_text():
    ranked = contacts.strongest(
        pairs(
            ("G1", "chr1:25266898-25297354", 1.6963),
            ("G1", "chr1:25254223-25259066", 1.6963),
            ("G1", "chr1:9-19", 1.7094),
            ("G0", "chr1:100-200", 1.6),
        ),
        max_width_bp=40_000,
        max_pcres=8,
    )
    assert ranked[["gene_id", "region", "rank"]].to_numpy().tolist() == [
        ["G0", "chr1:100-200", 0],
        ["G1", "chr1:9-19", 0],
        ["G1", "chr1:25254223-25259066", 1],
        ["G1", "chr1:25266898-25297354", 2],
    ]


def test_wide_regions_leave_before_the_strongest_are_taken():
    rows = [
        ("G1", "chr1:0-40001", 9.0),
        ("G1", "chr1:0-40000", 2.0),
        ("G1", "chr1:0-10", 3.0),
        ("G1", "chr1:0-20", 4.0),
    ]
    ranked = contacts.strongest(pairs(*rows), max_width_bp=40_000, max_pcres=2)
    assert ranked["region"].tolist() == ["chr1:0-20", "chr1:0-10"]
    assert ranked.attrs == {"kept": 2, "dropped": {"wider than 40,000 bp": 1, "beyond the 2 strongest": 1}}


def test_order_of_pairs_does_not_matter():
    rng = np.random.default_rng(0)
    some = pairs(*[(f"G{i % 7}", f"chr1:{i}-{i + 9}", round(rng.uniform(1.5, 2), 1)) for i in range(100)])
    mixed = some.sample(frac=1, random_state=1)
    options = {"max_width_bp": 100, "max_pcres": 4}
    pd.testing.assert_frame_equal(contacts.strongest(some, **options), contacts.strongest(mixed, **options))


def test_no_pairs_give_no_ranks():
    assert len(contacts.strongest(pairs().astype({"region": str, "contact": float}), max_width_bp=9, max_pcres=8)) == 0


# Domains

TADS = pd.DataFrame(
    [("chr2", 0, 500), ("chr1", 400, 800), ("chr1", 100, 300)], columns=["chrom", "start", "end"], index=[7, 3, 9]
)


def test_domain_holds_its_first_base_and_not_its_end():
    chrom, position = ["chr1"] * 7 + ["chr2", "chr3"], [99, 100, 299, 300, 399, 400, 800, 499, 200]
    assert contacts.domain_of(chrom, position, TADS).tolist() == [-1, 2, 2, -1, -1, 1, -1, 0, -1]


def test_pcre_is_where_its_middle_is_and_what_lies_in_no_domain_shares_none():
    genes = pd.DataFrame({"gene_id": ["G1", "G2"], "chrom": ["chr1", "chr1"], "tss": [150, 350]})
    table = pairs(
        ("G1", "chr1:200-398", 9),   # middle 299: in the gene's domain, though most of it lies outside
        ("G1", "chr1:200-400", 8),   # middle 300: between two domains
        ("G1", "chr1:500-600", 7),   # in another
        ("G2", "chr1:300-380", 6),   # neither lies in a domain
    )
    found = contacts.within_domains(table, genes, TADS)
    assert found.tolist() == [True, False, False, False]
    assert found.attrs["dropped"] == {"pCRE or promoter in no domain, taken for inter-TAD": 2}
    assert contacts.within_domains(table[:0], genes, TADS).tolist() == []

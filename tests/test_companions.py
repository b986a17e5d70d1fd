"""What a simulated cohort has beside reads, contacts and RPKM: read back as it was written."""

import numpy as np
import pandas as pd
import pytest

from chromolib import contacts, readers, simulate
from chromolib.config import load_profile
from chromolib.genome import load_genome
from chromolib.simulate import formats

WRITERS = ("write_bed", "write_narrow_peaks", "write_gmt", "write_gtf", "write_rsem", "write_gene_info", "write_tsv")
PLACE = ["chrom", "start", "end"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Folder of the smallest cohort, its profile, and what each file was written from: path -> arguments."""
    profile, folder, written = load_profile("smoke"), tmp_path_factory.mktemp("cohort") / "raw", {}

    def noted(name, write):
        def writer(path, *arguments, **options):
            written.setdefault("/".join(path.parts[-2:]), arguments)
            return write(path, *arguments, **options)

        return writer

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITERS:
            patch.setattr(formats, name, noted(name, getattr(formats, name)))
        simulate.simulate(folder, profile)
    return folder, profile, written


def same(found, expected):
    assert found.attrs["dropped"] == {} and len(found) == len(expected) > 0
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.to_dict("list")), pd.DataFrame(expected.to_dict("list")), check_dtype=False
    )


def test_every_companion_is_read_as_it_was_written(cohort):
    folder, profile, written = cohort
    human, mouse = load_genome("simS"), load_genome("simT")
    for cell_type in profile.cell_types:
        name = f"segmentation/{cell_type}_18_core_K27ac_mnemonics.bed.gz"
        (segments,) = written[name]
        segments = segments.assign(state=segments.pop("name").str.partition("_")[2])
        same(readers.read_segments(folder / name, human), segments)
        assert {"TssA", "Quies", "ReprPC"} <= set(segments["state"])

        name = f"domains/{cell_type}.IS.All_TAD.bed"
        same(readers.read_tads(folder / name, human), written[name][0])

        for protein in simulate.companions.POLYCOMB_PROTEINS:
            name = f"peaks/{cell_type}-{protein}.narrowPeak.gz"
            peaks, expected = readers.read_peaks(folder / name, human), written[name][0]
            assert (peaks["summit"] == (peaks["start"] + peaks["end"]) // 2).all()
            assert peaks["minus_log10_p"].isna().all() and (peaks["minus_log10_q"] >= 0).all()
            same(peaks[PLACE].sort_values(PLACE), expected[PLACE].sort_values(PLACE))

    same(readers.read_compartments(folder / "domains/PC1.tsv", human), written["domains/PC1.tsv"][0])

    (sets,) = written["gene_sets/simulated.gmt"]
    table = readers.read_gene_sets(folder / "gene_sets/simulated.gmt")
    assert table.groupby("term", sort=False)["gene"].agg(list).to_dict() == sets and len(table) == table.attrs["kept"]

    transcripts, gene_ids, symbols = written["annotation/gene_info.txt"]
    first = transcripts[transcripts["order"] == 0].sort_values("gene")
    info = readers.read_gene_info(folder / "annotation/gene_info.txt")
    names = {"gene_id": list(gene_ids), "symbol": list(symbols), "biotype": "protein_coding"}
    same(info, first[[*PLACE, "strand"]].assign(**names)[list(info)])

    transcripts, gene_ids, symbols = written["annotation/simulated.annotation.gtf.gz"]
    gtf = readers.read_gtf(folder / "mouse/annotation/simulated.annotation.gtf.gz", mouse)
    rows = transcripts.sort_values(["gene", "order"])
    own = {"gene_id": gene_ids.to_numpy()[rows["gene"]], "symbol": np.asarray(symbols)[rows["gene"]]}
    same(gtf[[*PLACE, "strand", *own]], rows[[*PLACE, "strand"]].assign(**own))
    assert (gtf["tss"] == np.where(gtf["strand"] == "+", gtf["start"], gtf["end"] - 1)).all()

    gene_ids, _, fpkm = written[f"expression/{profile.inputs.simulation.mouse.cell_type}.tsv"]
    rsem = readers.read_rsem(folder / f"mouse/expression/{profile.inputs.simulation.mouse.cell_type}.tsv")
    assert rsem.attrs == {"kept": len(gene_ids), "dropped": {"no Ensembl gene id": 1}}
    assert rsem["gene_id"].tolist() == list(gene_ids) and np.allclose(rsem["expression"], fpkm, atol=0.005)


def test_the_promoter_of_a_gene_in_the_gtf_is_the_one_that_was_planted(cohort):
    folder, _, written = cohort
    transcripts, gene_ids, _ = written["annotation/simulated.annotation.gtf.gz"]
    gtf = readers.read_gtf(
        folder / "mouse/annotation/simulated.annotation.gtf.gz", load_genome("simT"), tss_rule="base-before"
    )
    tss = contacts.all_tss(gtf, None, gene_ids)
    planted = transcripts[transcripts["order"] == 0].sort_values("gene")
    promoters = tss[tss["order"] == 0].set_index("gene_id").loc[gene_ids]
    before = np.where(planted["strand"] == "+", planted["start"] - 1, planted["end"])
    assert promoters["tss"].tolist() == before.tolist() and promoters["chrom"].tolist() == planted["chrom"].tolist()

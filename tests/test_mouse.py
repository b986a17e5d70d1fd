"""The route of the paper's mouse: FASTQ, GTF, RSEM and Hi-C matrices become features, beside what was planted."""

import shutil

import numpy as np
import pandas as pd
import pytest

from chromolib import features, load_profile
from chromolib.config import Profile, RawInputs, Rules
from chromolib.genome import Region
from chromolib.simulate import ensure_raw
from chromolib.simulate.interactions import MATRIX_AT
from chromolib.simulate.species import ALIGNED_MARK


@pytest.fixture(scope="module")
def cohort(data_dir):
    """The smallest cohort; its mouse lies in the folder mouse of its raw files."""
    smoke = load_profile("smoke")
    ensure_raw(smoke)
    return smoke


def mouse_profile(cohort, **inputs):
    mouse = cohort.inputs.simulation.mouse
    profile = Profile(
        name=cohort.name,
        title="mouse",
        genome=mouse.genome,
        cell_types={mouse.cell_type: "mouse cells"},
        marks=(ALIGNED_MARK,),
        rules=Rules(min_contact=10, truncate_bp=36, clip_depth=100),
        inputs=RawInputs(
            kind="raw",
            reads="mouse/" + cohort.inputs.reads,
            expression="mouse/expression/{cell_type}.tsv",
            expression_format="rsem",
            annotation="mouse/annotation/simulated.annotation.gtf.gz",
            annotation_format="gtf",
            gene_info=None,
            contacts=("mouse/hic",),
            contacts_format="matrices",
        ),
    )
    return profile.model_copy(update={"inputs": profile.inputs.model_copy(update=inputs)})


@pytest.fixture(scope="module")
def store(cohort):
    return features.build(mouse_profile(cohort), "M01")


def truth(cohort, name):
    return pd.read_csv(cohort.raw_dir / "mouse" / "truth" / f"{name}.csv")


def test_genes_have_the_expression_and_label_that_were_planted(cohort, store):
    genes = truth(cohort, "genes").set_index("gene_id").loc[store["gene_id"].values]
    assert store.sizes["gene"] == cohort.inputs.simulation.mouse.genes
    np.testing.assert_allclose(store["expression"], genes["rpkm"], atol=0.005)
    np.testing.assert_array_equal(store["label"], genes["label"])


def test_pcres_are_those_of_the_matrices_above_ten_strongest_first(cohort, store):
    planted = truth(cohort, "pcres").sort_values(["gene_id", "rank"])
    gene, rank = np.nonzero(store["gene_pcre"].values >= 0)
    found = pd.DataFrame(
        {
            "gene_id": store["gene_id"].values[gene],
            "rank": rank,
            "region": store["region"].values[store["gene_pcre"].values[gene, rank]],
            "contact": store["contact"].values[gene, rank] / MATRIX_AT,
        }
    ).sort_values(["gene_id", "rank"])
    widths = found["region"].map(lambda name: Region.parse(name).width)
    assert set(widths) == {40_000}  # also of the last bin, which may pass the end of its chromosome, as in the release
    for table in (found, planted):
        table["region"] = table["region"].str.partition("-")[0]  # the simulator ends a bin with its last base
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), planted[list(found)].reset_index(drop=True), check_dtype=False, atol=1e-3
    )


def test_features_from_fastq_are_those_from_the_alignments(cohort, store, tmp_path):
    # The index comes to lie beside the sequence, where other tests want nothing new.
    fasta = shutil.copy(cohort.raw_dir / "mouse/genome/simT.fa.gz", tmp_path)
    from_fastq = mouse_profile(
        cohort, reads="mouse/fastq/{cell_type}-{mark}.fastq.gz", reads_format="fastq", fasta=str(fasta)
    )
    aligned = features.build(from_fastq, "M01")
    difference = np.abs(aligned["promoter"].values - store["promoter"].values)
    assert store["promoter"].values.max() > 5
    assert (difference > 0).mean() < 0.01, f"{(difference > 0).mean():.2%} of bins differ"

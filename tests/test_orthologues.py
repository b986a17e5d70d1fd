"""Genes of two species: tables as users write them and as BioMart exports them, and what a profile makes of them."""

import gzip
from urllib.parse import unquote

import pandas as pd
import pytest

from chromolib import inputs, load_profile, readers, simulate
from chromolib.config import ROOT, InputError
from chromolib.genome import profile_genome
from chromolib.inputs import faults
from chromolib.registry import entry, mirrored_path

H1, H2, H3 = (f"ENSG0000000000{i}" for i in (1, 2, 3))
M1, M2 = (f"ENSMUSG0000000000{i}" for i in (1, 2))


def rows(table):
    return list(table.itertuples(index=False, name=None))


def test_an_export_of_biomart_by_hand(tmp_path):
    """With the four columns that BioMart chooses by itself, a gene without an orthologue, one row twice, and versions."""
    path = tmp_path / "mart_export.txt"
    path.write_text(
        "Gene stable ID\tGene stable ID version\tTranscript stable ID\tMouse gene stable ID\tMouse homology type\n"
        f"{H1}\t{H1}.4\tENST1\t{M1}\tortholog_one2one\n"
        f"{H1}\t{H1}.4\tENST2\t{M1}\tortholog_one2one\n"
        f"{H2}\t{H2}.1\tENST3\t\t\n"
        f"{H3}\t{H3}.7\tENST4\t{M1}\tortholog_many2many\n"
        f"{H3}\t{H3}.7\tENST4\t{M2}\tortholog_many2many\n"
    )
    table = readers.read_orthologues(path)
    assert rows(table) == [(H1, M1), (H3, M1), (H3, M2)] and list(table) == ["gene_id", "other_gene_id"]
    assert table.attrs == {
        "kept": 3, "dropped": {"no orthologue": 1, "pair seen before": 1}, "several": {"gene_id": 1, "other_gene_id": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        "gene_id,mouse_gene_id", "gene_id,other_gene_id", "human_gene_id,mouse_gene_id", "Gene stable ID version,Mouse gene stable ID version",
        "Ensembl Gene ID,Mouse Ensembl Gene ID", "ensembl_gene_id,mmusculus_homolog_ensembl_gene", "Gene stable ID,Naked mole-rat female gene stable ID",
    ],
)  # fmt: skip
def test_headers_of_either_species(tmp_path, header):
    path = tmp_path / "pairs.csv.gz"
    path.write_bytes(gzip.compress(f"{header}\n{H1}.2,{M1}.11\ng2, m2\n".encode()))
    assert rows(readers.read_orthologues(path)) == [(H1, M1), ("g2", "m2")]


def test_the_column_without_a_species_is_the_first_wherever_it_stands(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(f"Mouse gene stable ID,Mouse gene name,Gene stable ID\n{M1},Sox2,{H1}\n")
    assert rows(readers.read_orthologues(path)) == [(H1, M1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Query ERROR: caught BioMart::Exception\n", "has gene ids of 0 species, not two, in columns Query ERROR: caught BioMart::Exception;"),
        ("gene_id,symbol\ng1,A\n", "has gene ids of 1 species, not two, in columns gene_id, symbol;"),
        ("gene_id,mouse_gene_id,rat_gene_id\na,b,c\n", "has gene ids of 3 species"),
        ("gene_id,mouse_gene_id\na,\n", "holds no gene with an orthologue"),
        ("gene_id\tmouse_gene_id\na\n", "line 2, a, has 1 fields, not 2"),
        ("gene_id,mouse_gene_id\n", "holds no rows"),
        ("", "has gene ids of 0 species, not two, in columns "),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_one_line(tmp_path, text, message):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        readers.read_orthologues(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: {message}") and "expected a table of genes of two species" in said and "\n" not in said


# Of profiles


def test_orthologues_of_the_simulated_species_have_the_same_symbols(data_dir):
    profile = load_profile("smoke")
    simulate.ensure_raw(profile)
    pairs, mouse = inputs.orthologues(profile), profile.inputs.simulation.mouse
    assert len(pairs) == round(mouse.orthologues * mouse.genes) and pairs.attrs["several"] == {"gene_id": 0, "other_gene_id": 0}
    gtf = readers.read_gtf(profile.raw_dir / "mouse/annotation/simulated.annotation.gtf.gz", profile_genome(load_profile("smoke-mouse")))
    info = readers.read_gene_info(profile.raw_dir / "annotation/gene_info.txt").set_index("gene_id")["symbol"]
    symbols = gtf.drop_duplicates("gene_id").set_index("gene_id")["symbol"].loc[pairs["other_gene_id"]]
    assert symbols.str.upper().tolist() == info.loc[pairs["gene_id"]].tolist()


def test_a_profile_without_second_species_has_none():
    assert inputs.orthologues(load_profile("h1-demo")) is None


@pytest.fixture
def own(tmp_path):
    """The page's example as its own counterpart under another name, in a folder that a test may write into."""
    text = (ROOT / "book/own-data/my.yml").read_text()
    for path in (ROOT / "book/own-data").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mouse.yml").write_text(text.replace("name: my-cells", "name: my-mouse"))
    (tmp_path / "my.yml").write_text(f"{text}second_species: {{profile: mouse.yml, orthologues: pairs.csv}}\n")
    return tmp_path


def test_the_second_species_of_own_cells_lies_beside_their_profile(own):
    pd.DataFrame({"gene_id": ["g1", "g2", "g2"], "mouse_gene_id": ["m1", "m2", "m3"]}).to_csv(own / "pairs.csv", index=False)
    profile = load_profile(own / "my.yml")
    assert load_profile(profile.second_species.profile).name == "my-mouse"
    assert rows(inputs.orthologues(profile)) == [("g1", "m1"), ("g2", "m2"), ("g2", "m3")]
    found = faults.find(str(own / "my.yml"))
    assert found.faults == [] and "pairs.csv: 3 pairs of orthologues; 1 of gene_id in several, 0 of other_gene_id in several" in found.notes


@pytest.mark.parametrize("name", ["roadmap", "own"])
def test_orthologues_may_come_from_biomart(name, own, monkeypatch):
    """A mirror that is a folder holds the whole query as the name of a file."""
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(own / "mirror"))
    monkeypatch.setenv("CHROMOLIB_DATA", str(own / "data"))
    path = own / "mirror" / unquote(mirrored_path(entry("ensembl-orthologues").urls[0]))
    path.parent.mkdir(parents=True)
    path.write_text(f"Gene stable ID\tMouse gene stable ID\n{H1}\t{M1}\n{H2}\t\n")
    mine = own / "my.yml"
    mine.write_text(mine.read_text().replace("orthologues: pairs.csv", "orthologues: 'source:ensembl-orthologues'"))
    assert faults.find(str(mine)).faults == []
    assert rows(inputs.orthologues(load_profile(mine if name == "own" else name))) == [(H1, M1)]


def test_check_tells_what_is_wrong_with_a_second_species(own):
    name = str(own / "my.yml")
    missing = faults.find(name).faults
    assert len(missing) == 1 and missing[0].startswith(f"{own / 'pairs.csv'}: no such file, expected a table of genes of two species")
    (own / "pairs.csv").write_text("gene_id,other_gene_id\ng1,m1\n")
    (own / "mouse.yml").write_text((own / "mouse.yml").read_text().replace("marks: [H3K4me3, H3K27ac]", "marks: [H3K27ac, H3K4me3]"))
    (fault,) = faults.find(name).faults
    assert "second_species: marks of my-mouse is ('H3K27ac', 'H3K4me3'), expected ('H3K4me3', 'H3K27ac') as here" in fault
    (own / "mouse.yml").unlink()
    (fault,) = faults.find(name).faults
    assert fault.startswith("profile my-cells: second_species: unknown profile ") and str(own / "mouse.yml") in fault

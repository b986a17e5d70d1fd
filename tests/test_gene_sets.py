"""Gene sets: lines worked out by hand, and what a damaged file says."""

import pytest

from chromolib import readers
from chromolib.config import InputError

from .texts import write


def test_gene_sets_by_hand(tmp_path):
    text = (
        "DNA replication (GO:0006260)\t\tMCM2\tMCM3,1.0\tMCM2\n"
        "mRNA splicing, via spliceosome (GO:0000398)\tfrom GO\tNA\t\tSRSF1\t\n"
        "\n"
    )
    table = readers.read_gene_sets(write(tmp_path / "a.gmt", text))
    assert table.groupby("term", sort=False)["gene"].agg(list).to_dict() == {
        "DNA replication (GO:0006260)": ["MCM2", "MCM3"],
        "mRNA splicing, via spliceosome (GO:0000398)": ["NA", "SRSF1"],
    }
    assert table.attrs == {"kept": 4, "dropped": {"empty gene": 2, "gene seen before in its term": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty; expected GMT"),
        ("A\t\tG1\n\nB\t\n", "line 3, 'B', has no genes"),
        ("A\t\tG1\nB\tx\t\t,1.0\n", "line 2, 'B', has no genes"),
        ("A\t\tG1\n\tx\tG1\n", "line 2, '', has no term"),
        ("A\t\tG1\nB\t\tG1\nA\t\tG2\n", "line 3, 'A', stands in line 1 too"),
        ("<!DOCTYPE html>\n<html>\n", "line 1, '<!DOCTYPE html>', has no genes"),
    ],
)
def test_wrong_gene_sets_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        readers.read_gene_sets(write(tmp_path / "a.gmt", text))
    assert str(tmp_path / "a.gmt") in str(caught.value) and "\n" not in str(caught.value)

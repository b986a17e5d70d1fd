"""Numbers in README.md are those of the tables that are kept."""

import re

import pandas as pd

from chromolib.config import ROOT

KEPT, README = ROOT / "data" / "results", (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_shows_the_benchmark_as_its_table_has_it():
    table = pd.read_csv(KEPT / "promoters-18k" / "03_metrics_clf.csv").set_index("model")
    rows = {row[0]: row[1:4] for row in (line.strip("| ").split(" | ") for line in README.splitlines()) if row[0] in table.index and len(row) == 5}
    assert set(rows) == set(table.index)
    for model, shown in rows.items():
        assert shown == table.loc[model, ["roc_auc", "average_precision", "accuracy"]].tolist(), model


def test_readme_s_fold_changes_are_those_of_their_tables():
    for profile in ("pilot-40kb", "deepdiff-sample"):
        table = pd.read_csv(KEPT / profile / "03_metrics_diff.csv").set_index("model")
        (shown,) = re.findall(rf"on `{profile}` (\S+ \[[^]]*\]) \(ridge", README)
        assert shown == table.loc["Chromoformer", "pearson"]


def test_every_kept_table_says_how_it_was_made_and_holds_no_genes():
    folders = [path.parent for path in KEPT.glob("**/0*.csv")]
    for folder in set(folders):
        made = pd.read_csv(folder / "made.csv")
        assert set(made["budget"]) == {"full" if folder.name == "full" else "profile"}
        assert set(made["table"]) == {path.name for path in folder.glob("0*.csv")}
        for name in made["table"]:
            assert not {"gene_id", "symbol", "score"} & set(pd.read_csv(folder / name))

"""Numbers in prose come from tables: names that pages use, what they stand for, and no result that somebody typed."""

import json
import re

import pandas as pd
import pytest
import yaml

from chromolib import InputError, prose
from chromolib.config import ROOT

PAGES = sorted((ROOT / "book").glob("*.md"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
INTERVAL = re.compile(r"\[−?-?\d+\.\d+, −?-?\d+\.\d+\]")
DIGITS = re.compile(r"(?<![\d.])[01]\.\d{3,}(?!\d*(e|\^))")
SETTINGS = {"0.004": "findings: a gain that was aimed at, no result"}


def told(path):
    """The words of a page without its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    return re.sub(r"```(?!\{).*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def texts():
    return prose.substitutions()


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_no_result_is_typed(path):
    text = told(path)
    found = [match[0] for match in (*INTERVAL.finditer(text), *DIGITS.finditer(text)) if match[0] not in SETTINGS]
    assert found == [], "put them into book/numbers.yml, or let a cell of the notebook print them"


def test_this_test_sees_results():
    assert DIGITS.search("reached 0.949 on") and INTERVAL.search("gains [-0.01, 0.22] of") and not DIGITS.search("rate 0.87, version 1.1.3")


def test_every_name_on_a_page_is_known_and_every_known_name_is_on_a_page(texts):
    used = {name for path in PAGES for name in re.findall(r"\{\{ *(\w+) *\}\}", path.read_text(encoding="utf-8"))}
    assert used == set(texts)


def test_a_number_is_that_of_its_table(texts):
    table = pd.read_csv(ROOT / "data/results/sim/05_changes.csv").set_index("model").loc["without pCREs"]
    assert texts["sim_without_pcres"] == f"{table['value']:.3f} [{table['low']:.3f}, {table['high']:.3f}]"
    score = pd.read_csv(ROOT / "data/results/promoters-18k/03_metrics_clf.csv").set_index("model").loc["Chromoformer", "roc_auc"]
    for name in ("k18_models", "scoreboard_clf"):
        assert f"| {score} |" in texts[name]


def entries(path, **entry):
    path.write_text(yaml.safe_dump({"numbers": {"it": entry}, "tables": {}}))
    return path


WHERE = {"model": "without pCREs"}
TABLE = "data/results/sim/05_changes"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"table": TABLE, "where": {}}, r"it: \d+ rows of .* expected one"),
        ({"table": TABLE, "where": WHERE, "show": "auc"}, "no column 'auc', expected one of model, beside"),
        ({"table": "data/results/sim/no", "where": WHERE}, r"no.csv does not exist"),
        ({"table": TABLE, "where": WHERE, "digit": 2}, "it: digit: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_entry_is_told_by_name(tmp_path, entry, message):
    with pytest.raises(InputError, match=f"book/numbers.yml: .*{message}"):
        prose.substitutions(entries(tmp_path / "numbers.yml", **entry))


def test_a_cell_may_be_shown_alone_and_with_other_digits(tmp_path):
    def shown(**entry):
        return prose.substitutions(entries(tmp_path / "numbers.yml", table=TABLE, where=WHERE, **entry))["it"]

    row = pd.read_csv(ROOT / f"{TABLE}.csv").set_index("model").loc["without pCREs"]
    assert shown(show="level", digits=2) == f"{row['level']:.2f}" and shown(interval=False) == f"{row['value']:.3f}"
    assert shown(show="verdict") == row["verdict"]


def test_scoreboard_has_real_profiles_first_and_the_best_of_each_kind(tmp_path, monkeypatch):
    for name, rows in {"sim": "S01,DeepChrome,40,0.7 [0.6, 0.8]\nS01,Chromoformer,40,0.8 [0.7, 0.9]\n",
                       "h1-demo": "E003,HM-CRNN,100,0.9 [nan, nan]\nE003,DeepChrome,100,–\nE003,Boosting,100,0.5 [0.4, 0.6]\n"}.items():  # fmt: skip
        (tmp_path / name).mkdir()
        lines = [re.sub(r"(.*,\d+),(.*)", r'\1,"\2"', line) for line in rows.splitlines()]
        (tmp_path / name / "03_metrics_clf.csv").write_text("\n".join(["cell_type,model,n,roc_auc", *lines]))
    monkeypatch.setattr(prose, "KEPT", tmp_path)
    table = prose.scoreboard()
    assert table.values.tolist() == [
        ["`h1-demo` E003", 100, "ROC-AUC", "–", "0.9 HM-CRNN", "0.5 Boosting", "–"],
        ["`sim` S01, simulated", 40, "ROC-AUC", "0.8 [0.7, 0.9]", "0.7 DeepChrome", "–", "–"],
    ]
    assert prose.markdown(table).splitlines()[1] == "| --- | --- | --- | --- | --- | --- | --- |"
    points = prose.points().drop(columns="metric")
    assert points.fillna(-1).values.tolist() == [
        ["h1-demo\nE003", "Best network before it", 0.9, -1, -1, False], ["h1-demo\nE003", "Best simple model", 0.5, 0.4, 0.6, False],
        ["sim\nS01", "Chromoformer", 0.8, 0.7, 0.9, True], ["sim\nS01", "Best network before it", 0.7, 0.6, 0.8, True],
    ]  # fmt: skip

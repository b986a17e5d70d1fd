"""The steps of a book: every training of the plan once, in an order that can be followed, named as their folders are."""

import json
from pathlib import Path

from chromolib import load_dataset, plans, studies, workflow
from chromolib.profile import PROFILES


def test_steps_are_those_of_the_plan_and_fit_json(data_dir):
    steps = json.loads(json.dumps(workflow.steps("smoke")))
    study = studies.study("smoke")
    assert tuple(steps["notebooks"]) == tuple(study.record.notebooks)
    for name, notebook in steps["notebooks"].items():
        assert notebook["runs"] == [run.id for run in plans.runs_for(study, name)]
    assert set(steps["runs"]) == {run.id for name in study.record.notebooks for run in plans.runs_for(study, name)}
    stores = {tuple(store) for store in steps["features"]}
    assert {tuple(store) for run in steps["runs"].values() for store in run["features"]} <= stores
    assert {work for work, _ in stores} == {run["work_dir"] for run in steps["runs"].values()} == set(steps["profiles"])
    assert {name for run in steps["runs"].values() for name in run["after"]} <= set(steps["runs"])
    assert steps["work_dir"] == str(data_dir.resolve() / "work" / "smoke")
    assert {Path(work).name: found["file"] for work, found in steps["profiles"].items()} == {
        "smoke": str(PROFILES / "smoke.yml"), "smoke-mouse": str(PROFILES / "smoke-mouse.yml"),
    }  # fmt: skip


def test_pages_rest_on_every_file_of_the_package_and_on_the_claims():
    files = {path.relative_to(PROFILES.parents[1]).as_posix() for path in workflow._code()}
    assert {"chromolib/model.py", "chromolib/analysis/claims.py", "chromolib/plots/genes.js", "data/paper.yml"} <= files
    assert not any(".pyc" in name for name in files)


def test_the_notebooks_of_all_claims_and_results_come_last():
    after = {name: set(notebook["after"]) for name, notebook in workflow.steps("smoke")["notebooks"].items()}
    assert after.pop("results") == after.pop("claims") == set(after)
    assert not any(after.values())


def test_another_recipe_changes_the_settings_of_the_runs_it_is_for_alone(tmp_path):
    text = (PROFILES / "smoke.yml").read_text()
    other = tmp_path / "smoke.yml"
    other.write_text(text.replace("deepchrome: {epochs: 2,", "deepchrome: {epochs: 3,"))
    same = tmp_path / "same" / "smoke.yml"
    same.parent.mkdir()
    same.write_text(text + "# a remark\n")
    before, changed, unchanged = (workflow.steps(path)["runs"] for path in (PROFILES / "smoke.yml", other, same))
    differ = {name for name in before if before[name]["settings"] != changed[name]["settings"]}
    assert differ and all("deepchrome" in name for name in differ)
    assert {name: run["settings"] for name, run in before.items()} == {name: run["settings"] for name, run in unchanged.items()}


def test_steps_that_were_told_before_the_features_are_there_stay_when_they_are(tmp_path):
    text = (PROFILES / "smoke.yml").read_text()
    few = tmp_path / "few-genes.yml"
    few.write_text(text.replace("name: smoke", "name: few-genes").replace("genes: 96", "genes: 68"))
    study = studies.study(few)
    of_curve = {run.id for run in plans.runs_for(study, "08_cross_species") if run.n_genes}
    before = workflow.steps(few)["notebooks"]["08_cross_species"]["runs"]
    load_dataset(study.record, "S03")  # whose smallest three folds hold fewer than 50 genes; 51 were expected
    after = workflow.steps(few)["notebooks"]["08_cross_species"]["runs"]
    assert len(of_curve) == 3 and not of_curve & set(before)
    assert set(before) <= set(after) == {run.id for run in plans.runs_for(study, "08_cross_species")}


def test_learning_curves_of_the_paper_are_steps_before_its_features_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    of_curve = {run.id for run in plans.runs_for(studies.study("roadmap"), "08_cross_species") if run.n_genes}
    assert of_curve and of_curve <= set(workflow.steps("roadmap")["runs"])

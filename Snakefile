"""The steps of `chromolib book` as a graph: data, features of each cell type, each training, each notebook, the book.

`make batch PROFILE=sim` runs it; see book/batch.md. Steps are commands of the book's environment, and what there is to do
comes from `chromolib steps`: the grid of trainings is defined there alone. A command whose work is done and current does nothing.
So this file only decides what is asked for and when, not what is out of date.

Options (--config): profile, budget, threads (of a step), share (trainings on a GPU at a time), bin (with the command chromolib).
"""

import json
import re
import subprocess
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

ROOT = Path(workflow.basedir)
PROFILE, BUDGET = config.get("profile", "sim"), config.get("budget", "profile")
CHROMOLIB = Path(config.get("bin", ROOT / ".venv" / "bin")) / "chromolib"
STEPS = Path(".snakemake") / f"steps-{Path(PROFILE).stem}-{BUDGET}.json"
THREADS, SHARE = int(config.get("threads", 1)), int(config.get("share", 1))

if workflow.is_main_process:  # jobs of a cluster read what it has found
    subprocess.run([CHROMOLIB, "steps", PROFILE, "--budget", BUDGET, "--out", STEPS], check=True)
steps = json.loads(STEPS.read_text())
WORK = Path(steps["work_dir"])
PAGES = WORK / "pages"
KEPT = sorted((ROOT / "data" / "results").rglob("*.csv"))  # which the page of claims and numbers in chapters are read from

# On this machine a step takes a free GPU by itself; on a cluster it finds the one that the scheduler gave it.
NEEDS_GPU = 1 if steps["gpus"] else 0
TAKE_GPU = "" if workflow.remote_exec else f"--share {SHARE}"
if workflow.local_exec and NEEDS_GPU:
    workflow.register_resource("gpu", len(steps["gpus"]) * SHARE)


def features_of(stores):
    return [f"{work}/batch/features/{cell_type}" for work, cell_type in stores]


def records_of(runs):
    return [f"{steps['runs'][run]['work_dir']}/runs/{run}/record.json" for run in runs]


wildcard_constraints:
    work="|".join(map(re.escape, steps["profiles"])),  # of the profile, or of another whose networks it needs
    cell_type="[^/]+",
    run="[^/]+",
    notebook="[^/]+",


localrules: fetch, book, pages, trained


rule book:
    input: ROOT / "_build" / steps["name"] / "html" / "index.html"


rule pages:
    input: expand(PAGES / "{notebook}.ipynb", notebook=steps["notebooks"])


rule trained:
    input: records_of(steps["runs"])


rule fetch:
    input: lambda wanted: steps["profiles"][wanted.work]["file"]
    output: touch("{work}/batch/fetched")
    log: "{work}/batch/logs/fetch.log"
    params: profile=lambda wanted: steps["profiles"][wanted.work]["profile"]
    shell: "{CHROMOLIB} fetch {params.profile:q} > {log:q} 2>&1"


rule features:
    input: "{work}/batch/fetched"
    output: touch("{work}/batch/features/{cell_type}")
    log: "{work}/batch/logs/features/{cell_type}.log"
    params: profile=lambda wanted: steps["profiles"][wanted.work]["profile"]
    threads: THREADS
    shell: "{CHROMOLIB} preprocess {params.profile:q} --cell-type {wildcards.cell_type:q} > {log:q} 2>&1"


# `ancient`: features that were asked for once more are seldom new ones, and then the settings of a run tell. `update`: a run that
# is there stays until another takes its place, also where a killed workflow did not see it end.
rule run:
    input:
        features=lambda wanted: ancient(features_of(steps["runs"][wanted.run]["features"])),
        source=lambda wanted: records_of(steps["runs"][wanted.run]["after"]),
    output: update("{work}/runs/{run}/record.json")
    log: "{work}/batch/logs/run/{run}.log"
    params: settings=lambda wanted: steps["runs"][wanted.run]["settings"]
    threads: THREADS
    resources: gpu=NEEDS_GPU
    shell:
        "{CHROMOLIB} train {PROFILE:q} --run {wildcards.run:q} --budget {BUDGET} {TAKE_GPU} > {log:q} 2>&1 && touch -c {output:q}"


rule notebook:
    input:
        [profile["file"] for profile in steps["profiles"].values()],
        source=ROOT / "notebooks" / "{notebook}.ipynb",
        features=ancient(features_of(steps["features"])),
        runs=lambda wanted: records_of(steps["notebooks"][wanted.notebook]["runs"]),
        pages=lambda wanted: [PAGES / f"{name}.ipynb" for name in steps["notebooks"][wanted.notebook]["after"]],
        kept=lambda wanted: KEPT if wanted.notebook == "claims" else [],
    output: PAGES / "{notebook}.ipynb"
    log: WORK / "batch" / "logs" / "notebook" / "{notebook}.log"
    params: code=steps["code"]
    threads: THREADS
    resources: gpu=NEEDS_GPU
    shell:
        "{CHROMOLIB} notebook {PROFILE:q} {wildcards.notebook} --budget {BUDGET} --out {output:q} {TAKE_GPU} > {log:q} 2>&1"


rule html:
    input:
        rules.pages.input, ROOT / "_config.yml", ROOT / "_toc.yml", ROOT / "benchmarks" / "README.md",
        sorted([*(ROOT / "book").glob("*.*"), *(ROOT / "book" / "own-data").iterdir()]), KEPT,
    output: rules.book.input
    log: WORK / "batch" / "logs" / "html.log"
    shell: "{CHROMOLIB} book {PROFILE:q} --pages {PAGES:q} > {log:q} 2>&1"

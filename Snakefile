"""The steps of `chromolib book` as a graph: data, features of each cell type, each training, each notebook, the book.

`make batch PROFILE=sim` runs it; see book/batch.md. Steps are commands of the book's environment, and what there is to do
comes from `chromolib steps`: the grid of trainings is defined there alone. A command whose work is done and current does nothing.
So this file only decides what is asked for and when, not what is out of date.

Options (--config): profile, budget, threads (of a step), share (trainings on a GPU at a time), bin (with the command chromolib).
"""

import json
import os
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
BATCH, PAGES = WORK / "batch", WORK / "pages"

# On this machine a step takes a free GPU by itself; on a cluster it finds the one that the scheduler gave it.
NEEDS_GPU = 1 if steps["gpus"] else 0
TAKE_GPU = "" if workflow.remote_exec else f"--share {SHARE}"
if workflow.local_exec and NEEDS_GPU:
    workflow.register_resource("gpu", len(steps["gpus"]) * SHARE)


def features_of(cell_types):
    return [BATCH / "features" / name for name in cell_types]


def records_of(runs):
    return [WORK / "runs" / run / "record.json" for run in runs]


wildcard_constraints:
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
    input: steps["file"]
    output: touch(BATCH / "fetched")
    log: BATCH / "logs" / "fetch.log"
    shell: "{CHROMOLIB} fetch {PROFILE:q} > {log:q} 2>&1"


rule features:
    input: rules.fetch.output
    output: touch(BATCH / "features" / "{cell_type}")
    log: BATCH / "logs" / "features" / "{cell_type}.log"
    threads: THREADS
    shell: "{CHROMOLIB} preprocess {PROFILE:q} --cell-type {wildcards.cell_type:q} > {log:q} 2>&1"


# `ancient`: features that were asked for once more are seldom new ones, and then the settings of a run tell. `update`: a run that
# is there stays until another takes its place, also where a killed workflow did not see it end.
rule run:
    input:
        features=lambda wanted: ancient(features_of(steps["runs"][wanted.run]["cell_types"])),
        source=lambda wanted: records_of(steps["runs"][wanted.run]["after"]),
    output: update(WORK / "runs" / "{run}" / "record.json")
    log: BATCH / "logs" / "run" / "{run}.log"
    params: settings=lambda wanted: steps["runs"][wanted.run]["settings"]
    threads: THREADS
    resources: gpu=NEEDS_GPU
    shell:
        "{CHROMOLIB} train {PROFILE:q} --run {wildcards.run:q} --budget {BUDGET} {TAKE_GPU} > {log:q} 2>&1 && touch -c {output:q}"


rule notebook:
    input:
        steps["file"],
        steps["code"],
        source=ROOT / "notebooks" / "{notebook}.ipynb",
        features=ancient(features_of(steps["cell_types"])),
        runs=lambda wanted: records_of(steps["notebooks"][wanted.notebook]["runs"]),
        pages=lambda wanted: [PAGES / f"{name}.ipynb" for name in steps["notebooks"][wanted.notebook]["after"]],
    output: PAGES / "{notebook}.ipynb"
    log: BATCH / "logs" / "notebook" / "{notebook}.log"
    threads: THREADS
    resources: gpu=NEEDS_GPU
    shell:
        "{CHROMOLIB} notebook {PROFILE:q} {wildcards.notebook} --budget {BUDGET} --out {output:q} {TAKE_GPU} > {log:q} 2>&1"


rule html:
    input: rules.pages.input, ROOT / "_config.yml", ROOT / "_toc.yml"
    output: rules.book.input
    log: BATCH / "logs" / "html.log"
    shell: "{CHROMOLIB} book {PROFILE:q} --pages {PAGES:q} > {log:q} 2>&1"

"""What a profile needs of disk, memory and time, by stage: what the other benchmarks measured, scaled to it. Measures nothing.

    python benchmarks/sizing.py [--profile roadmap]

Downloads are the sizes that data/sources.yml gives, trainings those of `chromolib book --dry-run`, networks the parameters of one
of ours. Rows that rest on results/paper_scale.csv or results/preprocess.csv are of the paper's size: 18,955 genes, reads over hg19.
"""

from __future__ import annotations

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import Chromoformer, ModelConfig, load_profile, plans, sources

BYTES = 4  # of a float32


def measured(name: str, what: str) -> float:
    """Our value in a table of the benchmarks."""
    table = pd.read_csv(report.HOME / "results" / f"{name}.csv").set_index("what")
    return float(table.loc[what, "ours"])


def table_of(profile: str) -> pd.DataFrame:
    """stage, what, value, unit and what it rests on."""
    record = load_profile(profile)
    files = sources.plan(sources.all_ids_of(record), record.raw_dir, record.local_files)
    runs = plans.plan_table(profile)
    known = runs.dropna(subset=["seconds"])
    n_cells, n_files = len(record.cell_types), len(record.cell_types) * len(record.marks)
    weights_mb = sum(weight.numel() for weight in Chromoformer(ModelConfig()).parameters()) * BYTES / report.MB
    dataset_mb = measured("paper_scale", "of it the dataset on the device, float32")
    rows = [
        ("fetch", f"{len(files)} files, disk", files["size"].sum() / 1e9, "GB", "data/sources.yml"),
        ("features", f"{n_files} files of reads, 30 million each: hours of one core",
         n_files * measured("preprocess", "reads to depth, large file on one core") / 3600, "h", "preprocess"),
        ("features", "memory for a file of reads", measured("preprocess", "reads to depth, large file on one core, at peak") / 1000, "GB", "preprocess"),
        ("features", f"bins of {n_cells} cell types: hours of two cores", n_cells * measured("preprocess", "bins of all marks on two cores") / 3600, "h", "preprocess"),
        ("features", "memory for the bins of a cell type", measured("preprocess", "bins of all marks on two cores, at peak") / 1000, "GB", "preprocess"),
        ("features", f"{n_cells} stores, disk, at most", n_cells * dataset_mb / 1000, "GB", "paper_scale"),
        ("run", f"{len(runs):,} trainings, of which {len(known):,} have an estimate: hours of two cores", known["seconds"].sum() / 3600, "h", "the plan"),
        ("run", "one of ours: hours of two cores", measured("paper_scale", "fold, 10 epochs and start (release extrapolated)") / 3600, "h", "paper_scale"),
        ("run", "memory for one of ours", measured("paper_scale", "memory at peak") / 1000, "GB", "paper_scale"),
        ("run", "of it on the device", dataset_mb / 1000, "GB", "paper_scale"),
        ("run", f"{len(runs):,} networks, disk, at most", len(runs) * weights_mb / 1000, "GB", "parameters"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["stage", "what", "value", "unit", "from"])


def main(given: list[str] | None = None) -> None:
    parser = report.parser("sizing.py", __doc__)
    parser.add_argument("--profile", default="roadmap")
    options = report.options_of(parser, given)
    notes = (
        f"What profile {options.profile} needs with its own budget, on a machine that does nothing else. Times are of CPUs: no GPU has been "
        "measured. A store holds compressed what memory holds as float32; every network is counted as one of ours."
    )
    report.finish("sizing", table_of(options.profile), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("sizing.py"):
        main()

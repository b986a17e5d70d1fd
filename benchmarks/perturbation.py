"""In-silico perturbations of one network: what thousands of edits take, by what they edit.

    python benchmarks/perturbation.py [--profile sim] [--edits 10000] [--repeats 3] [--device cuda]

Each row asks one network for the predicted change of so many edits (`perturbation.changes`): edits are checked, made in the narrow
bins of the store, pooled, and predicted. Weights are random, which costs the same as trained ones. "features" is the part before
the network: the edited input, in memory. Where a profile has fewer edits of a kind, they are asked for again.
"""

from __future__ import annotations

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import Chromoformer, GeneDataset, load_dataset, load_profile
from chromolib.analysis import perturbation
from chromolib.config import InputError
from chromolib.train import network_for

SCAN_BP = 2000


def edits_of(data: GeneDataset, n_edits: int) -> dict[str, pd.DataFrame]:
    """Kind -> so many edits of one row each."""
    marks = perturbation.mark_removals(data)
    kinds = {
        "a pCRE cut": perturbation.removals(data),
        "a mark removed in the promoter": marks[marks["region"] == perturbation.PROMOTER],
        "a stretch of the promoter emptied": perturbation.scan(data, SCAN_BP),
    }
    if kinds["a pCRE cut"].empty:
        raise InputError(f"--profile {data.store.attrs['profile']}: has no pCREs to cut, expected contacts; take another profile")
    return {kind: repeated(edits, n_edits) for kind, edits in kinds.items()}


def repeated(edits: pd.DataFrame, n_edits: int) -> pd.DataFrame:
    """So many rows, under other names where they come again."""
    times = -(-n_edits // len(edits))
    parts = [edits.assign(edit=edits["edit"] + f", {i}") for i in range(times)]
    return pd.concat(parts, ignore_index=True).iloc[:n_edits]


def made(data: GeneDataset, edits: pd.DataFrame) -> None:
    """The edited input alone, as much at a time as `changes` takes."""
    for first in range(0, len(edits), perturbation.CHUNK):
        perturbation.edited(data, edits.iloc[first : first + perturbation.CHUNK])


def main(given: list[str] | None = None) -> None:
    parser = report.parser("perturbation.py", __doc__, repeats=3)
    parser.add_argument("--profile", default="sim")
    parser.add_argument("--edits", type=int, default=10_000)
    options = report.options_of(parser, given)
    record = load_profile(options.profile)
    data = load_dataset(record, next(iter(record.cell_types)), device=options.device, task="reg")
    model, rows = Chromoformer(network_for(data)).to(options.device), []
    for kind, edits in edits_of(data, options.edits).items():
        whole, features = (
            report.seconds(lambda call=call, edits=edits: call(edits), options.repeats, options.device)
            for call in (lambda edits: perturbation.changes(model, data, edits), lambda edits: made(data, edits))
        )
        median = pd.Series(whole).median()
        rows.append({
            "what": kind, "edits": len(edits), "seconds": median, "range_s": f"{min(whole):.3g}-{max(whole):.3g}",
            "features_s": pd.Series(features).median(), "edits_per_s": len(edits) / median,
        })  # fmt: skip
    notes = (
        f"Profile {record.name}, {data.cell_type}: {len(data):,} genes with {(data.touching()[0] >= 0).sum() / len(data):.2g} pCREs each"
        f"{', simulated' if record.simulated else ''}; one regressor of {sum(p.numel() for p in model.parameters()):,} weights; medians of "
        f"{options.repeats}. features_s: the edited input alone."
    )
    report.finish("perturbation", pd.DataFrame(rows), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("perturbation"):
        main()

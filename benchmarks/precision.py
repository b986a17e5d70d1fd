"""What rounding costs and gains: the same trainings in float32, with bfloat16 products, and with the signal kept in float16.

    python benchmarks/precision.py [--profiles promoters-18k sim] [--folds 1 2 3 4]

Each training is `cl.fit` on the first cell type of the profile with the profile's recipe, from the same weights over the
same order of genes; ROC-AUC is that of the held-out genes of each fold. Rows give the mean over folds, the difference to
float32 fold by fold (mean, smallest, largest), and the seconds of a training.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import GeneDataset, Profile, fit, load_dataset, load_profile

FLOAT32 = {"precision": "float32", "signal": "float32"}
SETTINGS = {
    "cpu": [FLOAT32, FLOAT32 | {"precision": "bfloat16"}, FLOAT32 | {"signal": "float16"}],
    "cuda": [
        FLOAT32, *(FLOAT32 | {"precision": name} for name in ("tf32", "bfloat16", "float16")), FLOAT32 | {"signal": "float16"},
    ],
}  # fmt: skip


def trained(profile: Profile, data: GeneDataset, folds: Sequence[int], device: str) -> pd.DataFrame:
    """One row per setting and fold: precision, signal, fold, roc_auc, seconds."""
    rows = []
    for fold in folds:
        genes = data.fold(fold)
        for setting in SETTINGS[device]:
            result = fit(*genes, profile.train_config(device=device, **setting), report=lambda _: None)
            rows.append({**setting, "fold": fold, "roc_auc": result.history["roc_auc"].iloc[-1], "seconds": result.seconds})
            print(f"{profile.name}, fold {fold}, {setting}: {rows[-1]['roc_auc']:.4f}", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def compared(table: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Rows of `trained` as one row per setting, held against float32."""
    by_setting = table.pivot(index=["precision", "signal"], columns="fold", values="roc_auc")
    change = by_setting - by_setting.loc[tuple(FLOAT32.values())]
    seconds = table.groupby(["precision", "signal"])["seconds"].median()
    rows = [
        {"profile": profile.name, "precision": key[0], "signal": key[1], "folds": by_setting.shape[1],
         "roc_auc": by_setting.loc[key].mean(), "change": change.loc[key].mean(), "smallest": change.loc[key].min(),
         "largest": change.loc[key].max(), "seconds": seconds[key]}
        for key in dict.fromkeys(zip(table["precision"], table["signal"], strict=True))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def main(given: list[str] | None = None) -> None:
    parser = report.parser("precision.py", __doc__)
    parser.add_argument("--profiles", nargs="+", default=["promoters-18k", "sim"])
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4])
    options = report.options_of(parser, given)
    tables, sizes = [], []
    for profile in map(load_profile, options.profiles):
        data = load_dataset(profile, next(iter(profile.cell_types)))
        tables.append(compared(trained(profile, data, options.folds, options.device), profile))
        sizes.append(f"{profile.name}: {data.cell_type}, {len(data):,} genes{', simulated' if profile.simulated else ''}")
    notes = (
        f"{'; '.join(sizes)}. Held-out ROC-AUC, mean over folds, each profile's recipe; change: against float32 from the same "
        "weights in the same order of genes, mean, smallest and largest over folds; seconds: median of a training, evaluation "
        "after each epoch included."
    )
    report.finish("precision", pd.concat(tables, ignore_index=True), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("precision"):
        main()

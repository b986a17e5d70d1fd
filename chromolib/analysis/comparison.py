"""What a network has to stand beside: simple baselines, the best possible score, the release's and the paper's numbers.

In: datasets, predictions of runs and intervals of their metrics. Out: tidy tables, one row per gene, or per model and metric.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np
import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import sources
from ..config import ROOT, InputError, Task
from ..dataset import GeneDataset
from ..evaluation import Model, cross_fit
from ..inputs import others_expression
from ..profile import Profile
from ..readers import read_demo_predictions
from ..sections import DemoInputs
from ..simulate import by_rule_of, read_truth
from ..studies import OURS
from ..train import score_of

NARROW_BP = 4000  # the second window of the simplest baseline: what the TSS's own nucleosomes carry
BASELINE_BIN_BP = 500  # or the next wider that the store's bins can fill
MIN_GENES_TO_BOOST = 2000  # with fewer, trees have too little to choose their size by
OTHERS, BEST, RELEASE = "Mean of other cell types", "Best possible", "Release, pretrained"
LEAST_SPLITS = 2  # of the training genes, by which a penalty is chosen; each needs a gene of either label
CHROMATIN_BASELINES = ("Mean signal", "Binned signal", "Gradient boosting", "Linear, ", "Boosting, ")  # how their names begin

Inputs = Callable[[GeneDataset], np.ndarray]


def mean_signal(data: GeneDataset, window_bp: int) -> np.ndarray:
    """ln(1 + mean depth) of each mark over a window around the TSS, (gene, mark); the mean itself on a logarithmic scale."""
    view = data.select(window_bp=window_bp, bin_bp=[data.bin_bp[-1]], max_pcres=0)
    signal = view.batch(range(len(view))).promoter[view.bin_bp[0]].cpu().numpy()
    return data.of_logged(np.log1p, data.mean_of(signal).mean(1))


def binned_signal(data: GeneDataset) -> np.ndarray:
    """Signal of each mark in bins of about BASELINE_BIN_BP around the TSS, (gene, bin x mark): its shape, not its mean."""
    base_bp, frame_bp = int(data.store.attrs["base_bp"]), data.frame_bp
    widths = [width for width in range(base_bp, frame_bp + 1, base_bp) if width >= BASELINE_BIN_BP and frame_bp % width == 0]
    view = data.select(bin_bp=[widths[0]], max_pcres=0)
    return view.batch(range(len(view))).promoter[widths[0]].flatten(1).cpu().numpy()


def contact_summary(data: GeneDataset) -> np.ndarray:
    """Number, sum and largest of a gene's contacts, (gene, 3): what they tell without any signal."""
    contact = data.batch(range(len(data))).contact.cpu().numpy()
    return np.stack([(contact > 0).sum(1), contact.sum(1), contact.max(1)], axis=1)


def pcre_signal(data: GeneDataset) -> np.ndarray:
    """ln(1 + mean depth) of each mark over a gene's pCREs, each weighted by its contact; how many it has, and whether any,
    (gene, mark + 2).

    Zeros for a gene without pCREs; the last column keeps them from being read as pCREs without signal, which a line through
    both would have to. The depth of a pCRE is the mean over its bases, so that a wide one counts no more.
    """
    view = data.select(window_bp=data.frame_bp, bin_bp=[data.frame_bp])  # a pCRE is one bin
    batch = view.batch(range(len(view)))
    depth = data.mean_of(batch.pcre[data.frame_bp].squeeze(2).cpu().numpy())                # (g, r, m)
    contact = batch.contact.cpu().numpy()                                                   # (g, r)
    n = (contact > 0).sum(1)
    mean = np.einsum("gr,grm->gm", contact, depth) / np.where(n, contact.sum(1), 1)[:, None]
    return np.column_stack([data.of_logged(np.log1p, mean), n, n > 0])


def with_pcres(data: GeneDataset, inputs: Inputs) -> np.ndarray:
    """`inputs` of the promoter and `pcre_signal` side by side, (gene, feature)."""
    return np.hstack([inputs(data), pcre_signal(data)])


def baseline(data: GeneDataset, inputs: Inputs, model: Model, seed: int = 0, folds: Collection[int] | None = None) -> pd.DataFrame:
    """A well-known model on simple inputs, each fold, or each of `folds`, predicted by all others.

    Parameters
    ----------
    inputs : function
        Genes of a dataset -> (gene, feature).
    model : function
        Task, training targets and seed -> an estimator of scikit-learn that tunes itself inside the training genes.

    Returns
    -------
    DataFrame
        gene_id, fold, score (log-odds or log2(RPKM + 1)), target; one row per gene of these folds.
    """
    y, genes = _target(data), data.genes[["gene_id", "fold"]]
    score = cross_fit(data.task, inputs(data), y, data.genes, model, seed, folds)
    table = genes.assign(score=score, target=y).sort_values("fold", kind="stable", ignore_index=True)
    return table if folds is None else table[table["fold"].isin(folds)].reset_index(drop=True)


def linear(task: Task, y: np.ndarray, seed: int) -> Pipeline:
    """Logistic (clf) or ridge (reg) regression, its penalty chosen by cross-validation inside the training genes."""
    if task == "reg":
        return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 6, 28)))
    n_splits = int(min(5, np.bincount(y, minlength=2).min()))
    if n_splits < LEAST_SPLITS:
        raise InputError(f"baseline: {np.bincount(y, minlength=2).tolist()} training genes per label, expected at least {LEAST_SPLITS} of each")
    search = LogisticRegressionCV(Cs=np.logspace(-5, 2, 15), cv=n_splits, scoring="neg_log_loss", max_iter=1000,
                                  random_state=seed, l1_ratios=(0,), use_legacy_attributes=False)  # fmt: skip
    return make_pipeline(StandardScaler(), search)


def can_be_fitted(data: GeneDataset) -> bool:
    """Whether `linear` has enough genes of each label to classify every fold by all others."""
    label, fold = data.genes["label"].astype(int), data.genes["fold"]
    return all(np.bincount(label[fold != held_out], minlength=2).min() >= LEAST_SPLITS for held_out in fold.unique())


def boosting(task: Task, y: np.ndarray, seed: int) -> GridSearchCV:
    """Gradient boosting of trees; their size is chosen inside the training genes, their number by early stopping."""
    kind = HistGradientBoostingClassifier if task == "clf" else HistGradientBoostingRegressor
    trees = kind(learning_rate=0.05, max_iter=500, early_stopping=True, random_state=seed)
    return GridSearchCV(trees, {"max_leaf_nodes": [7, 15, 31]}, cv=3, scoring="neg_log_loss" if task == "clf" else None)


def baselines(data: GeneDataset) -> pd.DataFrame:
    """Scores of every baseline on chromatin or contacts: model, gene_id, fold, score, target."""
    tables = []
    for window_bp in dict.fromkeys((data.window_bp, min(NARROW_BP, data.window_bp))):
        name = f"Mean signal, {window_bp // 1000} kb"
        tables.append(baseline(data, partial(mean_signal, window_bp=window_bp), linear).assign(model=name))
    models = {"Binned signal": (binned_signal, linear)}
    if len(data) >= MIN_GENES_TO_BOOST:
        models["Gradient boosting"] = (binned_signal, boosting)
    if data.has_pcres:
        models["Contacts alone"] = (contact_summary, linear)
    for name, (inputs, model) in models.items():
        tables.append(baseline(data, inputs, model).assign(model=name))
    return pd.concat(tables, ignore_index=True)


def simple_grid(data: GeneDataset, folds: Collection[int] | None = None) -> pd.DataFrame:
    """Well-known models on simple inputs, every pair: what does each step beyond the simplest add?

    Regression ("Linear") and, from MIN_GENES_TO_BOOST genes on, boosting of trees ("Boosting"); of the mean signal of each
    mark over the window, or of the signal in bins; of the promoter alone or, where the dataset has any, "+ pCREs", with
    `pcre_signal`. Each is tuned inside the training genes.

    Returns
    -------
    DataFrame
        model ("Linear, mean signal", "Boosting, binned signal + pCREs", ...), gene_id, fold, score, target.
    """
    inputs: dict[str, Inputs] = {"mean signal": partial(mean_signal, window_bp=data.window_bp), "binned signal": binned_signal}
    if data.has_pcres:
        inputs |= {f"{name} + pCREs": partial(with_pcres, inputs=of_promoter) for name, of_promoter in inputs.items()}
    models = {"Linear": linear} | ({"Boosting": boosting} if len(data) >= MIN_GENES_TO_BOOST else {})
    tables = [
        baseline(data, of_genes, model, folds=folds).assign(model=f"{kind}, {name}")
        for kind, model in models.items()
        for name, of_genes in inputs.items()
    ]
    return pd.concat(tables, ignore_index=True)


def mean_of_others(profile: Profile, data: GeneDataset) -> pd.DataFrame | None:
    """Mean log2(RPKM + 1) of each gene in other cell types as a score of this one: no chromatin, nothing learned.

    What beats it has seen something of this cell type; what does not may know no more than which genes are on everywhere.

    Returns
    -------
    DataFrame
        model (OTHERS), gene_id, fold, score (clf: distance from the median gene), target; None where the
        profile has labels of no other cell type.
    """
    others = others_expression(profile, data.cell_type)
    if others is None:
        return None
    mean = others.mean(axis=1).reindex(data.genes["gene_id"])
    if mean.isna().any():
        raise InputError(f"{profile.name}: {mean.index[mean.isna()][0]} has no expression in {', '.join(others)}; leave the gene out or correct other_cell_types")
    score = mean - mean.median() if data.task == "clf" else mean
    return data.genes[["gene_id", "fold"]].assign(model=OTHERS, score=score.to_numpy(), target=_target(data))


def _target(data: GeneDataset) -> np.ndarray:
    return data.targets.cpu().numpy()


def held_out_scores(profile: Profile, data: GeneDataset, predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of every model on the same genes, held out: ours, the simple baselines, and where there are, the release's own
    and the best possible one.

    Parameters
    ----------
    data : GeneDataset
        All genes of the cell type, for one task.
    predictions : DataFrame
        `predictions` of `grid.ensure`: one run per fold for the same cell type.

    Returns
    -------
    DataFrame
        model, gene_id, fold, score (clf: above 0 means on; reg: log2(RPKM + 1)), target.

    Raises
    ------
    InputError
        Genes of a fold have no prediction, e.g. since its run failed: models would be compared on other genes.
    """
    ours = predictions[(predictions["task"] == data.task) & (predictions["cell_type"] == data.cell_type)]
    _check_complete(data, ours)
    ours = ours.assign(model=OURS, score=score_of(ours, data.task))
    tables = [ours[["model", "gene_id", "fold", "score", "target"]]]
    tables.append(baselines(data))
    if (others := mean_of_others(profile, data)) is not None:
        tables.append(others)
    if isinstance(profile.inputs, DemoInputs):
        published = read_demo_predictions(sources.fetch_of(profile, profile.inputs.source))
        score = published["probability"] - 0.5 if data.task == "clf" else published["expression"]
        targets = ours.set_index("gene_id")[["fold", "target"]]
        tables.append(published[["gene_id"]].assign(model=RELEASE, score=score).join(targets, on="gene_id"))
    if profile.simulated:
        tables.append(best_possible(profile, data))
    return pd.concat(tables, ignore_index=True)


def _check_complete(data: GeneDataset, predictions: pd.DataFrame) -> None:
    missing = data.genes[~data.genes["gene_id"].isin(predictions["gene_id"])]
    if len(missing):
        counts = missing["fold"].value_counts().sort_index()
        found = ", ".join(f"{n} of fold {fold}" for fold, n in counts.items())
        raise InputError(
            f"{data.cell_type}: found no prediction of task {data.task} for {len(missing):,} genes ({found}), expected one for each "
            f"of {len(data):,}; train these folds (cl.ensure names in `failures` why one is missing)"
        )


def best_possible(profile: Profile, data: GeneDataset, *, rule_of: str | None = None) -> pd.DataFrame:
    """What was planted in a simulated cell type, all but the noise, as a score.

    No model has a higher ROC-AUC but by chance. For regression it is near the best: the mean of log2 RPKM put on the scale of
    the target, not the mean of the target. With `rule_of`, another cell type, it is what knows the states of this one and the
    rule of that one, which is as much as a network of that one can know.

    Returns
    -------
    DataFrame
        model (BEST), gene_id, fold, score, target. The score is the mean of log2 RPKM before noise: its distance
        from the median (clf), or the log2(RPKM + 1) that it gives (reg).
    """
    truth = read_truth(profile, "genes", data.cell_type).set_index("gene_id")
    mean, median = by_rule_of(profile, truth, data.cell_type, rule_of or data.cell_type), truth["log2_rpkm"].median()
    mean = mean.loc[data.genes["gene_id"]]
    score = mean - median if data.task == "clf" else np.log2(2**mean + 1)
    return data.genes[["gene_id", "fold"]].assign(model=BEST, score=score.to_numpy(), target=_target(data))


def best_baseline(intervals: pd.DataFrame) -> str:
    """The baseline on chromatin with the highest first metric: picked on the held-out genes, hence flattered."""
    metric = intervals["metric"].iloc[0]
    baselines = intervals[(intervals["metric"] == metric) & intervals["model"].str.startswith(CHROMATIN_BASELINES)]
    return baselines.loc[baselines["value"].idxmax(), "model"]


def published(key: str) -> dict:
    """Numbers that the paper or its release published, from data/paper.yml, with their source."""
    values = yaml.safe_load((ROOT / "data" / "paper.yml").read_text(encoding="utf-8"))
    if key not in values:
        raise InputError(f"data/paper.yml: no entry {key!r}, expected one of {', '.join(values)}")
    return values[key]


def against_published(profile: Profile, intervals: dict[Task, pd.DataFrame]) -> pd.DataFrame:
    """The release's demo result beside its recomputation and ours; empty for a profile other than the demo's.

    Returns
    -------
    DataFrame
        task, metric, published, recomputed (from the release's published predictions), ours, low, high, n.
    """
    columns = ["task", "metric", "published", "recomputed", "ours", "low", "high", "n"]
    if not isinstance(profile.inputs, DemoInputs):
        return pd.DataFrame(columns=columns)
    rows = []
    for task, table in intervals.items():
        for metric, value in published("release-demo")[task].items():
            by_model = table[table["metric"] == metric].set_index("model")
            ours = by_model.loc[OURS]
            recomputed = by_model.loc[RELEASE, "value"]
            rows.append((task, metric, value, recomputed, ours["value"], ours["low"], ours["high"], ours["n"]))
    return pd.DataFrame(rows, columns=columns)

"""What the number of active and of silenced pCREs does to a gene: does each add its share, or do several throw a switch?

In: datasets, chromatin states, peaks, and a value per gene to explain: measured expression, or what a network makes of its
pCREs. Out: tidy tables; numbers of pCREs without unit, measured expression in log2(RPKM + FLOOR), what networks predict in
log2(RPKM + 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg, special, stats
from statsmodels.regression.linear_model import OLS, RegressionResults

from .. import companions, genome
from ..dataset import GeneDataset
from ..evaluation import adjusted
from ..profile import Profile, cohort_of
from ..resampling import resamples, two_sided_p
from ..simulate import read_truth, truth
from ..studies import Study, connected
from . import marks, pcres

# States of Roadmap's model of 18 in which a region acts: active TSSs, active gene bodies, and enhancers in genes and outside.
# Weak and flanking states (TssFlnk, TxWk, EnhWk) are the surroundings of such regions, bivalent ones are Polycomb's too.
# Deviates: the paper names these three kinds in words, not the states.
ACTIVE_STATES = ("TssA", "Tx", "EnhG1", "EnhG2", "EnhA1", "EnhA2")
ACTIVE, OTHER = "active", "other"  # kinds of pCREs beside those that a protein binds; other, the control: none of these
MEASURED, CHANGE, PCRI = "measured expression", "predicted change", "PCRI"  # what is explained
PLANTED, BEST = "planted effect", "best possible change"  # and beside it, where the truth is known
# Of measured expression, RPKM: 1, as the network reads it, would hide what brings a gene that is nearly off further down, and a
# line that runs into a floor looks like a switch.
FLOOR = 0.05
OWN_PROMOTER = ((-2000, 0), (0, 2000), (2000, 10_000))  # bp from the TSS, in which a gene's own window is read
NOTHING, ADDITIVE, SWITCH = "no effect", "additive", "switch"
MIN_ROWS = 60              # fewer genes tell no curve
MIN_GENES = 10             # with the largest number of pCREs that is told apart; what is above counts as it
TRIM = 0.05                # of genes on either side of a switch: nearer to the ends it would be made of few
STEP = 0.25                # between midpoints that are tried
WIDTHS = (0.1, 0.25, 0.5)  # of a switch: it goes from 10 to 90 % within 4.4 of them, two pCREs at most; a wider one is a line
N_REFITS = 100             # resamples of genes on which curves are fitted anew
VALUES = ["cell_type", "gene_id", "group", "value"]  # group: values of different ones are not on one scale, as of networks
_KEYS = ["cell_type", "gene_id"]


# pCREs by their kind


def cell_types(study: Study) -> tuple[str, ...]:
    """Cell types of the profile that have contacts, and states or peaks that tell kinds of pCREs apart."""
    return tuple(name for name in connected(study) if kinds_of(study.record, name))


def kinds_of(profile: Profile, cell_type: str) -> list[str]:
    """Kinds of pCREs that a profile can tell apart in a cell type, without the control. Fetches nothing."""
    absent = set(companions.left_out(profile, cell_type)["what"])
    named = {ACTIVE: companions.STATES} | {protein: f"peaks of {protein}" for protein in profile.companions.polycomb}
    return [kind for kind, what in named.items() if what not in absent]


def left_out(study: Study) -> pd.DataFrame:
    """What a profile does not have for these questions: cell_type, what, why."""
    rows = [(name, "all of it", "no contacts") for name in study.every if name not in connected(study)]
    for name in connected(study):
        table = companions.left_out(study.record, name)
        rows += [(name, row.what, row.why) for row in table.itertuples() if row.what != companions.GENE_SETS]
    return pd.DataFrame(rows, columns=["cell_type", "what", "why"], dtype="str")


def within_domains(data: Mapping[str, GeneDataset]) -> dict[str, GeneDataset]:
    """The same genes with the pCREs of their promoter's own domain (TAD) only, where domains are known; else as they are."""
    return {name: genes.select(contacts="intra-TAD") if "is_intra_tad" in genes.store else genes for name, genes in data.items()}


def numbers(profile: Profile, data: Mapping[str, GeneDataset], states: Sequence[str] = ACTIVE_STATES) -> pd.DataFrame:
    """How many pCREs of each kind a gene has, of those that the network reads.

    Returns
    -------
    DataFrame
        cell_type, gene_id, label (on, off), pcres: all of them; active: those that share a base with one of `states`; a column
        for each protein: with one of its peaks; other: the rest. A region may be of several kinds. NaN where the profile does
        not tell: of `other`, where any kind that the profile names is not known in the cell type, since pCREs of that kind
        would count as the rest. Of a cell type without any kind, there are no rows.
    """
    tables = []
    named = {*profile.companions.polycomb, *([ACTIVE] if profile.companions.segmentation else [])}
    for name, genes in data.items():
        table, spans = pcres.pairs(genes), companions.polycomb(profile, name)
        segments = companions.segmentation(profile, name)
        if segments is not None:
            spans = {ACTIVE: segments[segments["state"].isin(states)]} | spans
        is_of = pd.DataFrame({kind: overlapping(table["region"], part) for kind, part in spans.items()}, index=table.index)
        is_of[OTHER] = ~is_of.any(axis=1)
        count = is_of.groupby(table["gene_id"]).sum().reindex(genes.genes["gene_id"], fill_value=0).reset_index()
        if named - set(spans):
            count[OTHER] = np.nan
        label = np.where(genes.genes["label"] == 1, "on", "off")
        tables.append(count.assign(cell_type=name, label=label, pcres=pcres.per_gene(genes)) if spans else count.iloc[:0])
    columns = [*_KEYS, "label", "pcres", ACTIVE, *profile.companions.polycomb, OTHER]
    return pd.concat([pd.DataFrame(columns=columns), *tables], ignore_index=True)[columns].infer_objects()


def overlapping(regions: pd.Series, spans: pd.DataFrame) -> np.ndarray:
    """Whether each region, "chrom:start-end", shares a base with any of the spans (chrom, start, end): (region,) boolean."""
    ends = genome.spans(regions)
    found = np.zeros(len(ends), bool)
    for chrom, rows in spans.groupby("chrom"):
        here = np.flatnonzero(ends["chrom"] == chrom)
        n_begun = np.searchsorted(np.sort(rows["start"]), ends["end"].to_numpy()[here], side="left")
        n_over = np.searchsorted(np.sort(rows["end"]), ends["start"].to_numpy()[here], side="right")
        found[here] = n_begun > n_over
    return found


def kinds(table: pd.DataFrame) -> list[str]:
    """Kinds of pCREs that a table of `numbers` tells apart, the control last where there is one."""
    known = [name for name in table if name not in (*_KEYS, "label", "pcres") and table[name].notna().any()]
    return sorted(known, key=lambda name: name == OTHER) if set(known) - {OTHER} else []


def main_kinds(table: pd.DataFrame) -> list[str]:
    """Of these kinds the active ones, those of the first protein, and the control."""
    known = kinds(table)
    first = [name for name in known if name not in (ACTIVE, OTHER)][:1]
    return [name for name in known if name in (ACTIVE, *first, OTHER)]


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """Of genes with pCREs: cell_type, kind, genes, pcres (mean number of the kind), share (of all pCREs), with_any (share of genes)."""
    rows = []
    for cell_type, part in table[table["pcres"] > 0].groupby("cell_type", sort=False):
        for kind in kinds(part):
            n = part[kind]
            rows.append((cell_type, kind, len(n), n.mean(), n.sum() / part["pcres"].sum(), (n > 0).mean()))
    return pd.DataFrame(rows, columns=["cell_type", "kind", "genes", "pcres", "share", "with_any"])


# What is explained


def own_promoter(data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """Signal of every mark in three stretches of a gene's own window: what it is like without its pCREs.

    Returns
    -------
    DataFrame
        cell_type, gene_id, and a column for each mark and stretch; of a stretch off the chromosome, the mean of the others.
    """
    tables = [pd.DataFrame(columns=_KEYS)]
    for name, genes in data.items():
        columns = {
            f"{mark}, {marks.window_name(*window)}": signal
            for window in OWN_PROMOTER
            for mark, signal in zip(genes.marks, marks.window_signal(genes, *window).T, strict=True)
        }
        table = pd.DataFrame(columns)
        tables.append(genes.genes[["gene_id"]].assign(cell_type=name).join(table.fillna(table.mean())))
    return pd.concat(tables, ignore_index=True)


def measured(data: Mapping[str, GeneDataset], floor: float = FLOOR) -> pd.DataFrame:
    """Expression, log2(RPKM + floor): columns VALUES, a group per cell type. No network is asked, so of all genes."""
    tables = [
        genes.genes[["gene_id"]].assign(cell_type=name, group=name, value=np.log2(genes.genes["expression"] + floor))
        for name, genes in data.items()
    ]
    return pd.concat([pd.DataFrame(columns=VALUES), *tables], ignore_index=True)[VALUES].astype({"value": float})


def of_network(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of a table with cell_type, fold and gene_id, such as that of PCRI: columns VALUES, a group per network."""
    group = table["cell_type"].astype(str) + ", fold " + table["fold"].astype(str)
    return table[_KEYS].assign(group=group, value=table[column])[VALUES].astype({"value": float})


def of_label(values: pd.DataFrame, table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Those of the values that are of genes on or off, by a table of `numbers`."""
    chosen = table.loc[table["label"] == label, _KEYS]
    return values.merge(chosen, on=_KEYS)


def planted(profile: Profile, data: Mapping[str, GeneDataset]) -> pd.DataFrame:
    """What was planted for the pCREs of a simulated gene, activation minus repression in log2 RPKM: columns VALUES, a group per
    cell type; no rows where the profile is not simulated."""
    tables = []
    for name in data if profile.simulated else ():
        terms = read_truth(profile, "genes", name)
        tables.append(terms[["gene_id"]].assign(cell_type=name, group=name, value=terms["activation"] - terms["repression"]))
    return pd.concat([pd.DataFrame(columns=VALUES), *tables], ignore_index=True)[VALUES].astype({"value": float})


def best_change(profile: Profile, predicted: pd.DataFrame) -> pd.DataFrame:
    """What the best possible regressor would predict as change of log2(RPKM + 1) by pCREs, of the genes and groups of
    `predicted`: what is expected under the planted noise with all planted terms, less without those of pCREs. No rows where the
    profile is not simulated."""
    known = [read_truth(profile, "genes", name).assign(cell_type=name) for name in predicted["cell_type"].unique() if profile.simulated]
    if not known:
        return predicted.iloc[:0]
    terms = predicted.drop(columns="value").merge(pd.concat(known), on=_KEYS)
    node, weight = np.polynomial.hermite_e.hermegauss(32)

    def expected(mean: pd.Series) -> np.ndarray:
        return np.log2(2 ** np.add.outer(mean.to_numpy(), truth.NOISE * node) + 1) @ weight / weight.sum()

    full = terms["mean_log2_rpkm"]
    return terms.assign(value=expected(full) - expected(full - terms["activation"] + terms["repression"]))[VALUES]


def rules(profile: Profile) -> pd.DataFrame:
    """What was planted in a simulated profile: kind, curve, what (of it), value; no rows where nothing of the kind is known."""
    rows = [
        (ACTIVE, ADDITIVE, "log2 RPKM per level (mean 1) and unit of contact above 1", truth.ACTIVATION),
        ("bound by Polycomb", SWITCH, "log2 RPKM at full strength", -truth.REPRESSION),
        ("bound by Polycomb", SWITCH, "number of pCREs at half of it", truth.SWITCH_AT),
        ("bound by Polycomb", SWITCH, "width (10 to 90 % within 4.4 of it)", truth.SWITCH_WIDTH),
        (OTHER, NOTHING, "log2 RPKM", 0.0),
    ]
    is_planted = profile.simulated and cohort_of(profile).inputs.simulation.effects == "all"
    return pd.DataFrame(rows if is_planted else [], columns=["kind", "curve", "what", "value"])


# Additive or a switch


class Problem(NamedTuple):
    """One value to explain by the number of one kind of pCREs."""

    y: np.ndarray        # (g,)
    n: np.ndarray        # (g,), at most the largest number that MIN_GENES genes reach
    base: np.ndarray     # (g, k)  whatever else counts: groups, the gene's own promoter, numbers of other kinds
    keys: pd.DataFrame   # cell_type, gene_id


class Fits(NamedTuple):
    """The same value by no number, by a line, by a switch, and by a level of its own for each number, which holds all three."""

    nothing: RegressionResults
    additive: RegressionResults
    switch: RegressionResults
    free: RegressionResults
    midpoint: float
    width: float

    def aic(self) -> dict[str, float]:
        """Akaike's criterion of each; a switch has a midpoint and a width beside what regression counts."""
        return {NOTHING: self.nothing.aic, ADDITIVE: self.additive.aic, SWITCH: self.switch.aic + 4}


def problem(values: pd.DataFrame, table: pd.DataFrame, promoter: pd.DataFrame, kind: str) -> Problem | None:
    """Genes with pCREs, since genes without any differ in more than that; None where they are too few or numbers do not differ.

    Other kinds count with a level for each of their numbers: active pCREs beside those of the first protein, those of a
    protein beside active ones, the control beside both.
    """
    others = [name for name in main_kinds(table) if name != OTHER and (kind == OTHER or (name == ACTIVE) != (kind == ACTIVE))]
    known = table[table["pcres"] > 0].dropna(subset=[kind])
    known = values.merge(known, on=_KEYS).merge(promoter, on=_KEYS)
    if len(known) < MIN_ROWS:
        return None
    n = _capped(known[kind])
    if not len(_midpoints(n)) or known["value"].std() == 0:
        return None
    # A cell type of which another kind is not known has one level of it: its groups stand for that.
    levels = [pd.get_dummies(_capped(known[name].fillna(0)), drop_first=True) for name in others]
    own = known[promoter.columns.drop(_KEYS)]
    base = np.column_stack([pd.get_dummies(known["group"]), *levels, own]).astype(float)
    return Problem(known["value"].to_numpy(), n, base, known[_KEYS])


def fit(given: Problem) -> Fits:
    """Least squares; of a switch, the midpoint and width of those tried that leave least."""
    midpoints, widths, curves = _switches(given.n)
    best = _curves(given, curves, np.ones(len(given.y)))[1]
    x = {"nothing": None, "additive": given.n, "switch": curves[:, best], "free": pd.get_dummies(given.n, drop_first=True)}
    fitted = {name: OLS(given.y, given.base if part is None else np.column_stack([given.base, part]).astype(float)).fit() for name, part in x.items()}
    return Fits(**fitted, midpoint=midpoints[best], width=widths[best])


def compare(
    values: Mapping[str, pd.DataFrame], table: pd.DataFrame, promoter: pd.DataFrame, *, n_resamples: int = 1000,
    n_refits: int = N_REFITS, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Is each value better told by a line in the number of each kind of pCREs, or by a switch in it?

    Neither of the two holds the other, so they are compared by AIC, whose difference gets an interval from resampling genes
    while both curves stay as they are: that is Vuong's test, with the penalty for each parameter. Both are held by a model
    with a level for each number, against which each gets a Wald test (F, a gene a cluster). Slope, size and midpoint get
    theirs from curves that are fitted anew on resamples. A gene of several cell types is drawn with all its rows.

    Parameters
    ----------
    values : mapping
        What is explained -> columns VALUES.
    table, promoter : DataFrame
        From `numbers` and `own_promoter`.

    Returns
    -------
    DataFrame
        response, kind; n (genes of cell types), most (largest number that is told apart)
        slope: of the line, per pCRE; midpoint: number at half of the switch, size: between its two sides, width (10 to 90 %
        within 4.4 of it); slope_low, slope_high, size_low, ...: 95 %
        aic_additive, aic_switch: less that of no effect, so below 0 where a curve is worth its parameters
        value: AIC of the line less that of the switch, above 0 where the switch is better; low, high, p (two-sided)
        p_any: whether numbers have levels at all; p_additive, p_switch: whether levels tell more than the curve
        q, q_any: p and p_any adjusted over the rows; verdict: "no effect" where q_any is 0.05 or more or no curve is worth its
        parameters, "additive" or "switch" where the interval lies on one side of 0, else "not told apart"
    """
    rows = []
    for response, kind, given in _problems(values, table, promoter):
        fits = fit(given)
        aic = fits.aic()
        rows.append({
            "response": response, "kind": kind, "n": len(given.y), "most": int(given.n.max()), **_parameters(given, fits, n_refits, seed),
            "aic_additive": aic[ADDITIVE] - aic[NOTHING], "aic_switch": aic[SWITCH] - aic[NOTHING],
            **_difference(given, fits, n_resamples, seed), **_against_levels(given, fits),
        })  # fmt: skip
    columns = ["response", "kind", "n", "most", "slope", "slope_low", "slope_high", "size", "size_low", "size_high", "midpoint",
               "midpoint_low", "midpoint_high", "width", "aic_additive", "aic_switch", "value", "low", "high", "p", "p_any",
               "p_additive", "p_switch"]  # fmt: skip
    found = pd.DataFrame(rows, columns=columns)
    found = found.assign(q=adjusted(found["p"]), q_any=adjusted(found["p_any"]))
    return found.assign(verdict=[_verdict(row) for row in found.itertuples()])


def curves(values: Mapping[str, pd.DataFrame], table: pd.DataFrame, promoter: pd.DataFrame) -> pd.DataFrame:
    """The levels of each number beside everything else that counts, and the two curves through them.

    Returns
    -------
    DataFrame
        response, kind, number, n (genes of cell types), value (the level, so that their mean is that of all values), low, high
        (95 % of the level beside that mean, a gene of several cell types as one cluster), additive, switch (the curves there)
    """
    rows = []
    for response, kind, given in _problems(values, table, promoter):
        fits = fit(given)
        number, at, n = np.unique(given.n, return_inverse=True, return_counts=True)
        line, step = fits.additive.params[-1] * number, fits.switch.params[-1] * _switch(number, fits.midpoint, fits.width)
        levels, covariance = _levels(given, fits)
        beside = (np.eye(len(n)) - n / n.sum())[:, 1:]  # each level less the mean of all; the lowest number's is 0
        levels = np.append(0.0, levels)
        level, line, step = (part - part[at].mean() + given.y.mean() for part in (levels, line, step))
        half = stats.t.ppf(0.975, given.keys["gene_id"].nunique() - 1) * np.sqrt(np.diag(beside @ covariance @ beside.T))
        rows.append(pd.DataFrame({"response": response, "kind": kind, "number": number.astype(int), "n": n, "value": level,
                                  "low": level - half, "high": level + half, ADDITIVE: line, SWITCH: step}))  # fmt: skip
    columns = ["response", "kind", "number", "n", "value", "low", "high", ADDITIVE, SWITCH]
    found = pd.concat([pd.DataFrame(columns=columns), *rows], ignore_index=True)
    return found.astype({"number": int, "n": int} | dict.fromkeys(columns[4:], float))


def by_number(values: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> pd.DataFrame:
    """Means as they are, with nothing else taken into account, of genes with pCREs (figure 7).

    Returns
    -------
    DataFrame
        response, kind, number, n (genes of cell types), value (mean), low, high (95 % interval of the mean, t; a gene of several
        cell types as one cluster)
    """
    rows = []
    for response, part in values.items():
        known = part.merge(table[table["pcres"] > 0], on=_KEYS)
        for kind in kinds(table):
            told = known.dropna(subset=[kind])
            by = told.groupby(_capped(told[kind]))
            rows += [(response, kind, number, len(part), part["value"].mean(), *_t_interval(part)) for number, part in by]
    found = pd.DataFrame(rows, columns=["response", "kind", "number", "n", "value", "low", "high"])
    return found.astype({"number": int})


def choices(profile: Profile, data: Mapping[str, GeneDataset], promoter: pd.DataFrame) -> pd.DataFrame:
    """How much the comparison on measured expression depends on what counts as an active pCRE, on domains, and on the scale.

    Returns
    -------
    DataFrame
        choice, kind (see `main_kinds`), n, slope, size, midpoint, value (AIC of the line less that of the switch),
        low, high, p, verdict; of domains only where they are known
    """
    regulatory = [state for state in ACTIVE_STATES if state != "Tx"]
    table, near = numbers(profile, data), within_domains(data)
    usual = measured(data)
    tried = {
        "as above": (table, usual), "active without gene bodies": (numbers(profile, data, regulatory), usual),
        "expression as log2(RPKM + 1)": (table, measured(data, 1.0)),
    }  # fmt: skip
    if any(near[name] is not data[name] for name in data):
        tried["pCREs of the gene's own domain"] = (numbers(profile, near), usual)
    columns = ["choice", "kind", "n", "slope", "size", "midpoint", "value", "low", "high", "p", "verdict"]
    tables = [pd.DataFrame(columns=columns)]
    for choice, (counted, values) in tried.items():
        chosen = counted[[*_KEYS, "label", "pcres", *main_kinds(counted)]]
        tables.append(compare({MEASURED: values}, chosen, promoter, n_refits=0).assign(choice=choice))
    return pd.concat(tables, ignore_index=True)[columns]


def _problems(values: Mapping[str, pd.DataFrame], table: pd.DataFrame, promoter: pd.DataFrame) -> Iterator[tuple[str, str, Problem]]:
    for response, part in values.items():
        for kind in kinds(table):
            if (given := problem(part, table, promoter, kind)) is not None:
                yield response, kind, given


def _capped(number: pd.Series) -> np.ndarray:
    """Numbers, those that fewer than MIN_GENES genes reach counted as the largest that as many do."""
    values = number.to_numpy(float)
    return np.minimum(values, np.sort(values)[-min(MIN_GENES, len(values))]) if len(values) else values


def _switch(n: np.ndarray, midpoint: float, width: float) -> np.ndarray:
    return special.expit((n - midpoint) / width)


def _midpoints(n: np.ndarray) -> np.ndarray:
    """Midpoints with TRIM of the genes on either side."""
    tried = np.arange(STEP, n.max(), STEP)
    above = (n[:, None] > tried).mean(0)
    return tried[(above >= TRIM) & (above <= 1 - TRIM)]


def _switches(n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Midpoint and width of every switch that is tried, (c,), and its curve, (g, c)."""
    midpoint, width = (part.ravel() for part in np.meshgrid(_midpoints(n), WIDTHS))
    return midpoint, width, _switch(n[:, None], midpoint, width)


def _curves(given: Problem, curves: np.ndarray, weight: np.ndarray) -> tuple[float, int, float]:
    """Slope of the line, which switch leaves least, and its size, with genes counted as often as `weight` says."""
    z = np.column_stack([given.base, given.n, curves, given.y])
    products, k = z.T @ (weight[:, None] * z), given.base.shape[1]
    beside = products[k:, :k] @ linalg.pinvh(products[:k, :k])                               # all others on the base
    left = products[k:, k:] - beside @ products[:k, k:]
    own, with_y = np.diag(left)[:-1], left[:-1, -1]
    slope = np.divide(with_y, own, out=np.zeros_like(own), where=own > 1e-9 * np.diag(products)[k:-1])
    best = int(np.argmax((slope * with_y)[1:]))
    return slope[0], best, slope[1 + best]


def _parameters(given: Problem, fits: Fits, n_refits: int, seed: int) -> dict[str, float]:
    """Slope, size and midpoint with their intervals, and the width."""
    midpoints, _, curves = _switches(given.n)
    found = {"slope": fits.additive.params[-1], "size": fits.switch.params[-1], "midpoint": fits.midpoint, "width": fits.width}
    code, genes = pd.factorize(given.keys["gene_id"])
    draws = []
    for weights in resamples(len(genes), n_refits, seed):
        for weight in weights:
            slope, best, size = _curves(given, curves, weight[code])
            draws.append((slope, size, midpoints[best]))
    low, high = np.quantile(draws, (0.025, 0.975), axis=0) if draws else np.full((2, 3), np.nan)
    for name, *ends in zip(("slope", "size", "midpoint"), low, high, strict=True):
        found |= dict(zip((f"{name}_low", f"{name}_high"), ends, strict=True))
    return found


def per_gene(given: Problem, fits: Fits) -> pd.DataFrame:
    """cell_type, gene_id, and of each model what the gene adds to -AIC / 2: its log likelihood less its share of the penalty."""
    found = given.keys.copy()
    for name, result in {NOTHING: fits.nothing, ADDITIVE: fits.additive, SWITCH: fits.switch}.items():
        variance = result.ssr / result.nobs
        log_likelihood = -(np.log(2 * np.pi * variance) + result.resid**2 / variance) / 2
        found[name] = log_likelihood - (fits.aic()[name] / 2 + result.llf) / result.nobs
    return found


def _difference(given: Problem, fits: Fits, n_resamples: int, seed: int) -> dict[str, float]:
    """AIC of the line less that of the switch: value, low, high, p."""
    table = per_gene(given, fits)
    change = 2 * (table[SWITCH] - table[ADDITIVE]).groupby(table["gene_id"]).sum().to_numpy()
    draws = np.concatenate([weight @ change for weight in resamples(len(change), n_resamples, seed)])
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"value": change.sum(), "low": low, "high": high, "p": two_sided_p(draws)}


def _levels(given: Problem, fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Level of each number beside that of the lowest, (m - 1,), and their covariance, in which the rows of a gene are one draw."""
    k = given.base.shape[1]
    clustered = fits.free.get_robustcov_results("cluster", groups=pd.factorize(given.keys["gene_id"])[0])
    return fits.free.params[k:], clustered.cov_params()[k:, k:]


def _against_levels(given: Problem, fits: Fits) -> dict[str, float]:
    """p of Wald tests: that the levels are not all the same, and not on each curve, of which a switch has two parameters more."""
    levels, covariance = _levels(given, fits)
    weight, number = linalg.pinvh(covariance), np.unique(given.n)
    curves = {"p_any": (0 * number, 0), "p_additive": (number, 1), "p_switch": (_switch(number, fits.midpoint, fits.width), 3)}
    found = {}
    for name, (curve, n_parameters) in curves.items():
        rise, df = curve[1:] - curve[0], len(levels) - n_parameters
        size = (rise @ weight @ levels) / (rise @ weight @ rise) if n_parameters else 0.0  # of the curve nearest to the levels
        left = levels - size * rise
        found[name] = stats.f.sf(left @ weight @ left / df, df, given.keys["gene_id"].nunique() - 1) if df > 0 else np.nan
    return found


def _verdict(row) -> str:
    if row.q_any >= 0.05 or min(row.aic_additive, row.aic_switch) >= 0:
        return NOTHING
    return SWITCH if row.low > 0 else ADDITIVE if row.high < 0 else "not told apart"


def _t_interval(table: pd.DataFrame) -> tuple[float, float]:
    """Of the mean of column value; of rows that are all of different genes, the usual one."""
    mean = table["value"].mean()
    by_gene = (table["value"] - mean).groupby(table["gene_id"]).sum()
    if (n := len(by_gene)) < 2:
        return np.nan, np.nan
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * (by_gene**2).sum()) / len(table)
    return mean - half, mean + half


# For claims


def for_claims(values: Mapping[str, pd.DataFrame], table: pd.DataFrame, promoter: pd.DataFrame) -> pd.DataFrame:
    """Scores as `claims.evaluate` takes them, of genes with pCREs: what is explained against the number of each kind ("PCRI by
    EZH2 pCREs"), and how well each model tells it ("PCRI: switch, EZH2 pCREs": a gene's part of -AIC / 2).

    Returns
    -------
    DataFrame
        cell_type, task (reg), model, gene_id, score, target (the value)
    """
    tables = [pd.DataFrame(columns=["cell_type", "task", "model", "gene_id", "score", "target"])]
    for response, part in values.items():
        known = part.merge(table[table["pcres"] > 0], on=_KEYS)
        for kind in kinds(table):
            rows = known.dropna(subset=kind)
            tables.append(rows[_KEYS].assign(model=f"{response} by {kind} pCREs", score=rows[kind], target=rows["value"]))
            if (given := problem(part, table, promoter, kind)) is None:
                continue
            found = per_gene(given, fit(given))
            for model in (NOTHING, ADDITIVE, SWITCH):
                tables.append(found[_KEYS].assign(model=f"{response}: {model}, {kind} pCREs", score=found[model], target=given.y))
    return pd.concat(tables, ignore_index=True).assign(task="reg").astype({"score": float, "target": float})


def by_label(table: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """The subsets "on" and "off" of each cell type."""
    return {
        label: {name: part.loc[part["label"] == label, "gene_id"].tolist() for name, part in table.groupby("cell_type", sort=False)}
        for label in ("on", "off")
    }

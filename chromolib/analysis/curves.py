"""What the number of active and of silenced pCREs does to a gene: does each add its share, or do several throw a switch?

In: a value per gene to explain, numbers of pCREs by kind and signal of promoters, as `cis_regulation` has them. Out: tidy
tables; levels, slopes and sizes in the unit of the value, midpoints in pCREs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg, special, stats
from statsmodels.regression.linear_model import OLS, RegressionResults

from ..dataset import GeneDataset
from ..evaluation import adjusted
from ..profile import Profile
from ..resampling import resamples, two_sided_p
from .cis_regulation import (
    ACTIVE,
    ACTIVE_STATES,
    ADDITIVE,
    KEYS,
    MEASURED,
    NOTHING,
    OTHER,
    SWITCH,
    kinds,
    main_kinds,
    measured,
    numbers,
    within_domains,
)

MIN_ROWS = 60              # fewer genes tell no curve
MIN_GENES = 10             # with the largest number of pCREs that is told apart; what is above counts as it
TRIM = 0.05                # of genes on either side of a switch: nearer to the ends it would be made of few
STEP = 0.25                # between midpoints that are tried
WIDTHS = (0.1, 0.25, 0.5)  # of a switch: it goes from 10 to 90 % within 4.4 of them, two pCREs at most; a wider one is a line
N_REFITS = 100             # resamples of genes on which curves are fitted anew


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
    known = values.merge(known, on=KEYS).merge(promoter, on=KEYS)
    if len(known) < MIN_ROWS:
        return None
    n = _capped(known[kind])
    if not len(_midpoints(n)) or known["value"].std() == 0:
        return None
    # A cell type of which another kind is not known has one level of it: its groups stand for that.
    levels = [pd.get_dummies(_capped(known[name].fillna(0)), drop_first=True) for name in others]
    own = known[promoter.columns.drop(KEYS)]
    base = np.column_stack([pd.get_dummies(known["group"]), *levels, own]).astype(float)
    return Problem(known["value"].to_numpy(), n, base, known[KEYS])


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
        What is explained -> columns `cis_regulation.VALUES`.
    table, promoter : DataFrame
        From `cis_regulation.numbers` and `cis_regulation.own_promoter`.

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


def levels(values: Mapping[str, pd.DataFrame], table: pd.DataFrame, promoter: pd.DataFrame) -> pd.DataFrame:
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
        known = part.merge(table[table["pcres"] > 0], on=KEYS)
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
        choice, kind (see `cis_regulation.main_kinds`), n, slope, size, midpoint, value (AIC of the line less that of the switch),
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
        chosen = counted[[*KEYS, "label", "pcres", *main_kinds(counted)]]
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
        known = part.merge(table[table["pcres"] > 0], on=KEYS)
        for kind in kinds(table):
            rows = known.dropna(subset=kind)
            tables.append(rows[KEYS].assign(model=f"{response} by {kind} pCREs", score=rows[kind], target=rows["value"]))
            if (given := problem(part, table, promoter, kind)) is None:
                continue
            found = per_gene(given, fit(given))
            for model in (NOTHING, ADDITIVE, SWITCH):
                tables.append(found[KEYS].assign(model=f"{response}: {model}, {kind} pCREs", score=found[model], target=given.y))
    return pd.concat(tables, ignore_index=True).assign(task="reg").astype({"score": float, "target": float})

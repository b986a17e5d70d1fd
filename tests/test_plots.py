"""Figures: a colour belongs to a meaning, each is saved with its table, and says where its numbers are from."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from chromolib import GeneDataset, load_profile, plots
from chromolib.analysis import comparison, cross, fold_change
from chromolib.analysis.tracks import Locus
from chromolib.config import MARKS
from tests.stores import random_store


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    plt.close("all")


@pytest.fixture
def profile(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    return load_profile("smoke")


def draw(n=3):
    figure, ax = plots.new_figure(size=(2, 2))
    ax.plot(range(n), range(n))
    return figure


def published(profile, **changed):
    given = {"figure": draw(), "profile": profile, "name": "fig1", "caption": "A line of 3 points.", "alt": "A line"}
    return plots.publish(table=pd.DataFrame({"x": [1, 2]}), **(given | changed))


def test_every_mark_has_a_colour_of_its_own():
    assert set(plots.MARK_COLOURS) == set(MARKS)
    for colours in (plots.MARK_COLOURS, plots.MODEL_COLOURS):
        assert len(set(colours.values())) == len(colours)
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_every_model_of_the_tables_has_a_colour_of_its_own():
    data = GeneDataset(random_store(24, frame_bp=20_000, n_pcres=9), bin_bp=(2000, 100))
    models = {*comparison.baselines(data)["model"], "Gradient boosting", "Chromoformer", "Release, pretrained", "Best possible",
              fold_change.TWO_REGRESSORS, comparison.OTHERS, "Other cell types"}  # fmt: skip
    assert {"Mean signal, 20 kb", "Mean signal, 4 kb", "Binned signal"} < models
    assert plots.OTHER not in map(plots.model_colour, models)
    assert len(set(map(plots.model_colour, models))) == len(models)
    assert plots.model_colour("Mean signal, 40 kb") == plots.model_colour("Mean signal, 10 kb") == plots.WHOLE_WINDOW
    assert plots.model_colour("a model that a reader adds") == plots.OTHER


# What eyes without one kind of cone see of linear RGB (Machado, Oliveira & Fernandes 2009, severity 1).
SEEN = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colour, seen):
    """CIELAB of a colour as these eyes see it; a distance of 2 is just noticed."""
    rgb = np.array(plt.matplotlib.colors.to_rgb(colour))
    rgb = np.clip(seen @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
def test_colours_of_models_are_told_apart_without_one_kind_of_cone(eyes):
    seen = [lab(colour, np.array(SEEN[eyes])) for colour in {*plots.MODEL_COLOURS.values(), plots.WHOLE_WINDOW}]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10


def test_figure_is_saved_under_its_label_with_its_table(profile):
    shown = published(profile)
    folder = profile.work_dir / "results"
    assert sorted(path.name for path in folder.iterdir()) == ["fig1.csv", "fig1.svg"]
    assert (folder / "fig1.csv").read_text() == "x\n1\n2\n"
    assert (folder / "fig1.svg").read_bytes() == shown.svg and b"<svg" in shown.svg


def test_captions_link_to_the_table_that_lies_beside_the_page(profile):
    link = '<a href="tables/fig1.csv" download>Table fig1.csv</a>'
    assert f"Profile smoke: simulated data. {link}</figcaption>" in published(profile)._repr_html_()
    page = plots.show_table(pd.DataFrame({"x": [1]}), profile=profile, name="fig1", caption="One row.").to_html()
    assert f"Profile smoke: simulated data. {link}</caption>" in page


def test_columns_of_text_are_as_wide_as_their_texts_up_to_a_line(profile):
    table = pd.DataFrame({"why": ["long " * 30, ""], "value": ["0.1 [0.0, 0.2]"] * 2, "short": ["on", "off"], "n": [10**9, 2], "half": ["x" * 30, ""]})
    page = plots.show_table(table, profile=profile, name="x", caption="Two rows.").to_html()
    found = dict(re.findall(r"td\.(col\d) \{\s*(.*?);", page))
    assert found == {"col0": "min-width: min(40ch, 70vw)", "col1": "white-space: nowrap", "col2": "white-space: nowrap", "col4": "min-width: min(30ch, 70vw)"}


@pytest.mark.parametrize(("n", "words"), [([3, None, 1200.0], "3 to 1,200 genes"), ([64, 64], "64 genes"), ([None], "no genes"), ([], "no genes")])
def test_captions_say_of_how_many_the_rows_of_a_table_are(n, words):
    assert plots.n_of(pd.DataFrame({"n": n}, dtype=float)) == words


def draw_genes(n=3, **columns):
    figure, ax = plots.new_figure(size=(2, 2))
    table = pd.DataFrame({"gene_id": [f"G{i}" for i in range(n)], "target": np.arange(n), "score": np.arange(n) / 2} | columns)
    plots.plot_expression(table, ax, model="Chromoformer", title="")
    return figure


def test_points_of_genes_say_their_names_in_a_figure_that_is_part_of_the_page(profile):
    figure = draw_genes(symbol=["A&<B>", None, ""])
    page = published(profile, figure=figure)._repr_html_()
    titles = re.findall(r'<g pointer-events="all"><title>([^<]*)</title><g clip-path="[^"]*"><use [^>]*/></g></g>', page)
    assert titles == ["A&amp;&lt;B&gt;: 0.00, 0.00", "G1: 1.00, 0.50", "G2: 2.00, 1.00"]
    assert "A line of 3 points. Points name their gene under the pointer. Profile smoke" in page
    assert page.startswith('<figure><svg role="img" aria-label="A line"') and "<style" not in page and "<img" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert ids and all(name.startswith("fig1-") for name in ids)                  # pages have several figures
    assert {name for pair in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page) for name in pair if name} <= set(ids)
    assert b"<title>G1: 1.00, 0.50</title>" in (profile.work_dir / "results" / "fig1.svg").read_bytes()


def test_points_that_become_an_image_keep_silent(profile):
    page = published(profile, figure=draw_genes(plots.MANY_POINTS + 1))._repr_html_()
    assert "<title>" not in page and '<img src="data:image/svg+xml' in page


def test_same_figure_is_the_same_bytes(profile):
    assert published(profile).svg == published(profile).svg


def test_caption_says_where_the_numbers_are_from(profile):
    assert published(profile).caption == "A line of 3 points. Profile smoke: simulated data."
    assert published(load_profile("h1-demo")).caption == "A line of 3 points. Profile h1-demo: real data."


def test_caption_of_a_page_on_several_profiles_names_them_all_real_first(profile):
    shows = [profile, load_profile("h1-demo"), load_profile("sim"), load_profile("promoters-18k")]
    ending = "Profiles h1-demo, promoters-18k: real data; profiles smoke, sim: simulated data."
    assert published(profile, shows=shows).caption == f"A line of 3 points. {ending}"
    page = plots.show_table(pd.DataFrame({"x": [1]}), profile=profile, name="x", caption="One row.", shows=shows).to_html()
    assert f"One row. {ending}" in page
    assert (profile.work_dir / "results" / "x.csv").exists()                     # saved where the page is made
    assert published(profile, shows=shows[1:2]).caption.endswith("Profile h1-demo: real data.")
    assert published(profile, shows=[]).caption.endswith("Profile smoke: simulated data.")


def test_text_of_a_figure_is_escaped(profile):
    page = published(profile, alt='P < 0.05, "on" & <off>', caption="n > 3 & <b>")._repr_html_()
    assert 'alt="P &lt; 0.05, &quot;on&quot; &amp; &lt;off&gt;"' in page
    assert "<figcaption>n &gt; 3 &amp; &lt;b&gt; Profile" in page


def test_figures_do_not_pile_up_in_pyplot(profile):
    for _ in range(3):
        published(profile)
    assert plt.get_fignums() == []


def locus():
    """A promoter with the TSS at 500 on the axis of the figure, a pCRE before and two after it; two marks."""
    regions = pd.DataFrame({"what": ["promoter", "pCRE", "pCRE", "pCRE"], "region": list("abcd"), "contact": [np.nan, 4, 2, 1],
                            "distance": [0, -20_400, 999_600, 1_500_000], "x_start": [300, 0, 800, 1000], "x_end": [700, 200, 900, 1200]})  # fmt: skip
    marks = ["H3K4me3", "H3K27me3"]
    tracks = pd.DataFrame({"region": list("aab") * 2, "mark": np.repeat(marks, 3), "x": [400, 600, 100] * 2, "depth": [0, 5, 1, 2, 9, 2]})
    _, axes = plots.new_figure(3, 1, size=(4, 3), sharex=True)
    return plots.plot_locus(tracks, regions, axes, strand="-"), marks


def test_contacts_are_drawn_as_arcs_from_the_tss_to_the_middle_of_each_pcre():
    axes, _ = locus()
    arcs = axes[0].patches
    ends = [(arc.center[0] - arc.width / 2, arc.center[0] + arc.width / 2) for arc in arcs]
    np.testing.assert_allclose(ends, [(100, 500), (500, 850), (500, 1100)])
    widths = [arc.get_linewidth() for arc in arcs]
    assert widths[0] > widths[1] > widths[2] > 0
    assert arcs[1].height < arcs[0].height < arcs[2].height <= 2                 # the wider the higher
    assert axes[-1].get_xlim() == (0, 1200)
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == ["TSS", "-20", "+1,000", "+1,500"]


def test_tracks_are_drawn_in_the_colour_of_their_mark():
    axes, marks = locus()
    for ax, mark, top in zip(axes[1:], marks, (5, 9), strict=True):
        fills = [fill for fill in ax.collections if isinstance(fill, FillBetweenPolyCollection)]
        assert {plt.matplotlib.colors.to_hex(fill.get_facecolor()[0]) for fill in fills} == {plots.MARK_COLOURS[mark]}
        assert len(fills) == 2                                                   # one for each region that has a track
        assert ax.get_ylabel() == mark and ax.get_ylim() == (0, top)
        assert [(patch.get_x(), patch.get_width()) for patch in ax.patches] == [(0, 200), (800, 100), (1000, 200)]
    assert axes[0].texts[0].xy[0] < 500                                          # the arrow of a minus-strand gene


def test_gene_without_pcres_is_drawn_without_arcs():
    regions = pd.DataFrame({"contact": [np.nan], "distance": [0], "x_start": [0], "x_end": [400]})
    tracks = pd.DataFrame({"region": "a", "mark": "H3K9ac", "x": [100, 300], "depth": [1, 2]})
    axes = plots.plot_locus(tracks, regions, plots.new_figure(2, 1, size=(4, 3), sharex=True)[1], strand="+")
    assert len(axes[0].patches) == 0 and axes[1].get_xlim() == (0, 400) and axes[0].texts[0].xy[0] > 200


# What is missing, contact regions, single numbers


def test_gaps_are_shares_by_mark_and_of_genes_with_a_dash_where_a_mark_is_missing():
    table = pd.DataFrame({"cell_type": ["E1", "E1", "E2", "E2"], "mark": ["H3K4me3", "H3K9ac"] * 2, "empty_bins": [0.25, np.nan, 0.9, np.nan],
                          "empty_pcre_bins": np.nan, "empty_genes": [0, np.nan, 0.001, np.nan], "cut_genes": [0.5, 0.5, 0, 0],
                          "off_chromosome": [0.1, 0.1, 0, 0], "lone_genes": 1.0})  # fmt: skip
    axes = plots.plot_gaps(table, plots.new_figure(1, 4, size=(8, 2))[1])
    texts = [[text.get_text() for text in ax.texts] for ax in axes]
    assert texts == [["25.0%", "–", "90.0%", "–"], ["–"] * 4, ["0.0%", "–", "0.1%", "–"], ["50.0%", "10.0%", "100.0%", "0.0%", "0.0%", "100.0%"]]
    assert [ax.images[0].get_clim() for ax in axes] == [(0, 1)] * 4
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["E1", "E2"]
    assert [label.get_text() for label in axes[3].get_xticklabels()] == ["windows cut", "bp cut off", "no pCRE"]


def histograms():
    """One row per bin, as pcres.histograms has them: genes with 0 and 1 pCRE, three bins of each other quantity."""
    parts = [pd.DataFrame({"quantity": "n_pcres", "group": group, "low": [-0.5, 0.5], "high": [0.5, 1.5], "share": share})
             for group, share in (("on", [0.25, 0.75]), ("off", [0.5, 0.5]))]  # fmt: skip
    for quantity, edges in (("width", [0, 1e3, 2e3, 3e3]), ("distance", [1e3, 1e4, 1e5, 1e6]), ("contact", [1.5, 2, 3, 5])):
        for group, share in (("all", [0.5, 0.25, 0.25]), ("strongest", [0, 0, 1])):
            parts.append(pd.DataFrame({"quantity": quantity, "group": group, "low": edges[:-1], "high": edges[1:], "share": share,
                                       "q25": 1.0, "median": [2, np.nan, 3] if quantity == "distance" else np.nan, "q75": 4.0}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_pcres_are_bars_by_label_steps_of_all_and_of_the_strongest_and_medians_by_distance():
    axes = plots.plot_pcres(histograms(), plots.panels(4, 2, size=(2, 2), sharex=False)[1])
    bars = [(round(bar.get_x() + bar.get_width() / 2, 3), bar.get_height()) for bar in axes[0].patches]
    assert bars == [(-0.2, 0.25), (0.8, 0.75), (0.2, 0.5), (1.2, 0.5)]
    for ax, edges in ((axes[1], [1, 10, 100, 1000]), (axes[2], [1.5, 2, 3, 5])):
        everything, strongest = (patch.get_data() for patch in ax.patches)
        assert everything.edges.tolist() == edges and everything.values.tolist() == [0.5, 0.25, 0.25]
        assert strongest.values.tolist() == [0, 0, 1] and ax.get_xscale() == "log"
    np.testing.assert_allclose(axes[3].lines[0].get_xdata(), [np.sqrt(10), np.sqrt(1e5)])    # a gap where pairs are few
    assert axes[3].lines[0].get_ydata().tolist() == [2, 3]


def test_widths_have_lines_at_their_median_and_at_published_ones():
    widths = pd.DataFrame({"fragments": ["ours", "theirs"], "median": [1500, 4797], "source": ["this profile", "paper"]})
    ax = plots.plot_widths(histograms(), widths, Figure().subplots())
    assert [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches] == [(0, 1, 0.5), (1, 1, 0.25), (2, 1, 0.25)]
    assert [line.get_xdata()[0] for line in ax.lines] == [1.5, 4.797]
    assert [line.get_color() for line in ax.lines] == [plots.PCRE, plots.H1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ours: 1.5", "theirs: 4.8"]


def test_boxes_of_genes_on_are_filled_and_those_of_genes_off_empty():
    rows = [(window, "H3K4me3", label, 9, 1, 2, *spread) for window in ("TSS", "4 kb downstream")
            for label, spread in (("on", (3, 4, 5)), ("off", (1.5, 3, 6)))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["window", "mark", "label", "n", "q05", "q25", "median", "q75", "q95"])
    axes = plots.plot_spread_by_label(table, plots.panels(1, size=(2, 2))[1], unit="u")
    colour = plots.MARK_COLOURS["H3K4me3"]
    fills = [plt.matplotlib.colors.to_hex(box.get_facecolor()) for box in axes[0].patches]
    assert fills == [colour, "#ffffff"] * 2
    assert {plt.matplotlib.colors.to_hex(box.get_edgecolor()) for box in axes[0].patches} == {colour}
    medians = [line.get_ydata()[0] for line in axes[0].lines if plt.matplotlib.colors.to_hex(line.get_color()) == "#000000"]
    assert medians == [3, 1.5, 3, 1.5]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["TSS", "4 kb\ndownstream"]
    assert [ax.get_visible() for ax in axes] == [True, False, False, False]


def test_ranking_stands_in_the_order_of_the_table_hollow_for_the_other_window():
    rows = [(mark, statistic, window, 0.5 + k, k, 1 + k) for mark in ("H3K9ac", "H3K4me1") for statistic in ("on_minus_off", "roc_auc")
            for k, window in enumerate(("TSS", "downstream"))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["mark", "statistic", "window", "value", "low", "high"])
    figure, axes = plots.new_figure(1, 2, size=(4, 2))
    plots.plot_ranking(table, axes)
    points = [line for line in axes[1].lines if line.get_marker() == "o"]
    assert [point.get_markerfacecolor() for point in points] == [plots.MARK_COLOURS["H3K9ac"], "white", plots.MARK_COLOURS["H3K4me1"], "white"]
    np.testing.assert_allclose([point.get_ydata()[0] for point in points], [-0.15, 0.15, 0.85, 1.15])
    assert [ax.lines[0].get_xdata()[0] for ax in axes] == [0, 0.5]               # what a number without meaning would have
    assert [ax.get_xlabel() for ax in axes] == ["mean signal, on - off", "ROC-AUC"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["H3K9ac", "H3K4me1"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["TSS", "downstream"]


def test_rank_correlation_keeps_the_order_of_the_table_and_writes_every_number():
    names = ["H3K9ac", "H3K4me1", "expression"]
    table = pd.DataFrame({"mark": np.repeat(names, 3), "other": names * 3, "r": [1, 0.1, 0.7, 0.1, 1, -0.2, 0.7, -0.2, np.nan]})
    ax = plots.plot_rank_correlation(table, plots.new_figure(size=(3, 3))[1])
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.10", "0.70", "0.10", "1.00", "-0.20", "0.70", "-0.20", "–"]
    assert [label.get_text() for label in ax.get_yticklabels()] == names and ax.images[0].get_clim() == (-1, 1)


# Beside real promoters


def beside(columns):
    """A table of this profile and of H1, whose values are ten times as high."""
    here = pd.DataFrame({"mark": "H3K4me3", "low": 0.0, "high": 1.0, "n": 5, "source": "here"} | columns)
    h1 = here.assign(source="H1")
    h1[list(columns)[-1]] *= 10
    return pd.concat([here, h1], ignore_index=True)


def colours(ax):
    return [plt.matplotlib.colors.to_hex(line.get_color()) for line in ax.lines if len(line.get_xdata()) > 2]


def test_means_are_drawn_in_the_colour_of_the_mark_and_those_of_h1_in_black_within_the_limits():
    table = beside({"label": ["on"] * 3 + ["off"] * 3, "offset": [-500, 0, 500] * 2, "mean": [1.0, 2, 3] * 2})
    figure, axes = plots.panels(1, size=(2, 2))
    plots.plot_mean_beside(table, axes, unit="u")
    assert colours(axes[0]) == [plots.MARK_COLOURS["H3K4me3"]] * 2 + [plots.H1] * 2
    assert axes[0].get_ylim()[0] == 0 and axes[0].get_ylim()[1] > 30
    assert [ax.get_visible() for ax in axes] == [True, False, False, False]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["this profile, on", "this profile, off", "H1, real, on", "H1, real, off"]


def test_tail_is_the_share_of_bins_above_a_depth():
    table = beside({"quantile": [0.5, 0.9, 0.99], "depth": [1.0, 2, 4]})
    axes = plots.plot_depth_tail(table, plots.panels(1, size=(2, 2))[1])
    here, h1 = axes[0].lines
    np.testing.assert_allclose(here.get_ydata(), [0.5, 0.1, 0.01])
    assert here.get_xdata().tolist() == [1, 2, 4] and h1.get_xdata().tolist() == [10, 20, 40]
    assert axes[0].get_xlim()[1] > 40 and colours(axes[0]) == [plots.MARK_COLOURS["H3K4me3"], plots.H1]


def test_neighbours_are_drawn_by_distance_in_kb():
    table = beside({"distance": [100, 1000, 10_000], "r": [0.09, 0.05, 0.01]})
    axes = plots.plot_neighbours(table, plots.panels(1, size=(2, 2))[1])
    _, here, h1 = axes[0].lines
    assert here.get_xdata().tolist() == [0.1, 1, 10] and here.get_ydata().tolist() == [0.09, 0.05, 0.01]
    np.testing.assert_allclose(h1.get_ydata(), [0.9, 0.5, 0.1])


def test_correlations_stand_as_numbers_in_two_maps_of_one_scale():
    marks = ["H3K4me3", "H3K27ac"]
    table = beside({"mark": np.repeat(marks, 2), "other": marks * 2, "r": [0.1, 0.02, 0.02, 0.1]})
    axes = plots.plot_correlations(table, plots.new_figure(1, 2, size=(4, 2))[1])
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [["0.10", "0.02", "0.02", "0.10"], ["1.00", "0.20", "0.20", "1.00"]]
    assert [ax.images[0].get_clim() for ax in axes] == [(-1, 1)] * 2
    assert [ax.get_title("left") for ax in axes] == ["this profile", "H1"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == marks


def test_summary_puts_a_point_of_each_mark_at_h1_and_here():
    table = pd.DataFrame({"mark": ["H3K4me3", "H3K27ac"] * 2, "statistic": ["mean_depth"] * 2 + ["depth_max"] * 2,
                          "here": [1.0, 2, 8, 9], "h1": [1.5, 2.5, 7, 6], "low": [1, 2, np.nan, np.nan], "high": [2, 3, np.nan, np.nan]})  # fmt: skip
    axes = plots.plot_summary_beside(table, plots.panels(2, size=(2, 2), sharex=False)[1])
    points = [[(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "o"] for ax in axes[:2]]
    assert points == [[(1.5, 1), (2.5, 2)], [(7, 8), (6, 9)]]
    assert [ax.get_title("left") for ax in axes[:2]] == ["mean depth", "maximum depth"]
    assert [ax.get_visible() for ax in axes] == [True, True, False, False]


@pytest.mark.parametrize("draw_empty", [
    lambda axes: plots.plot_mean_beside(pd.DataFrame(), axes, unit="u"),
    lambda axes: plots.plot_depth_tail(pd.DataFrame(), axes),
    lambda axes: plots.plot_neighbours(pd.DataFrame(), axes),
    lambda axes: plots.plot_correlations(pd.DataFrame(), axes),
    lambda axes: plots.plot_summary_beside(pd.DataFrame(), axes),
    lambda axes: plots.plot_intervals(pd.DataFrame({"metric": []}), axes, metrics=["roc_auc"]),
    lambda axes: plots.plot_folds(pd.DataFrame({"metric": []}), axes, metrics=["roc_auc"]),
    lambda axes: plots.plot_probability(pd.DataFrame({"cell_type": []}), axes),
    lambda axes: plots.plot_fold_change(pd.DataFrame({"model": []}), axes, models=[], cell_types=""),
])  # fmt: skip
def test_figure_of_an_empty_table_says_so(draw_empty):
    axes = draw_empty(plots.panels(0, size=(2, 2))[1])
    assert axes[0].texts[0].get_text() == "nothing to compare"
    assert axes[0].figure.get_figheight() < 1                                    # no taller than its line


def test_figures_of_a_profile_without_pcres_say_so():
    empty = pd.DataFrame()
    for ax in (plots.plot_pcres(empty, plots.panels(4, 2, size=(2, 2))[1])[0], plots.plot_widths(empty, empty, plots.new_figure(size=(2, 2))[1])):
        assert ax.texts[0].get_text() == "no pCREs" and not ax.axison


def test_panels_above_a_gap_keep_their_numbers():
    _, axes = plots.panels(6, size=(1, 1))
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in axes[:4]] == [False, False, True, True]


def test_history_shows_each_run_and_their_mean():
    history = pd.DataFrame({"run": list("aabb"), "epoch": [1, 2, 1, 2], "roc_auc": [0.5, 0.7, 0.7, 0.8],
                            "loss": [4, 2, 6, 3], "train_loss": [3, 1, 5, 2]})  # fmt: skip
    ax = plots.plot_history(history, Figure().subplots(), metric="roc_auc", label="ROC-AUC")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.5, 0.7], [0.7, 0.8], [0.6, 0.75]]
    ax = plots.plot_history(history, Figure().subplots(), metric="loss", label="loss")
    assert ax.lines[-1].get_linestyle() == "--" and ax.lines[-1].get_ydata().tolist() == [4, 1.5]  # training's mean


def test_epochs_have_a_panel_per_task_and_a_line_per_model():
    table = pd.DataFrame({"task": ["clf"] * 3 + ["reg"], "model": ["Chromoformer"] * 2 + ["DeepChrome", "DeepChrome"], "epoch": [1, 2, 1, 1],
                          "metric": ["roc_auc"] * 3 + ["pearson"], "value": [0.5, 0.7, 0.6, 0.4], "n": 4})  # fmt: skip
    axes = plots.plot_epochs(table, Figure().subplots(1, 2))
    assert [[line.get_ydata().tolist() for line in ax.lines] for ax in axes] == [[[0.5, 0.7], [0.6]], [[0.4]]]
    assert [ax.get_ylabel() for ax in axes] == ["held-out ROC-AUC", "held-out Pearson r"]
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["Chromoformer", "DeepChrome"]


def test_roc_curve_passes_through_the_rates_of_each_threshold():
    scores = pd.DataFrame({"model": "Chromoformer", "target": [0, 0, 1, 1], "score": [0.1, 0.6, 0.4, 0.9]})
    intervals = pd.DataFrame({"model": ["Chromoformer"], "value": [0.75], "low": [0.5], "high": [1.0], "n": [4]})
    ax = plots.plot_roc(scores, Figure().subplots(), intervals=intervals)
    points = list(zip(ax.lines[1].get_xdata(), ax.lines[1].get_ydata(), strict=True))
    assert points == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert ax.get_legend().texts[0].get_text() == "Chromoformer: 0.750 [0.500, 1.000]"


def scored(*rows):
    table = pd.DataFrame(rows, columns=["row", "model", "metric", "value", "simulated"])
    return table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1)


def test_intervals_stand_in_bands_and_those_of_simulated_data_are_hollow():
    table = scored(("real", "Chromoformer", "roc_auc", 0.8, False), ("real", "Binned signal", "roc_auc", 0.7, False),
                   ("made", "Chromoformer", "roc_auc", 0.9, True), ("made", "Chromoformer", "pearson", np.nan, True))  # fmt: skip
    figure, axes = plots.new_figure(1, 2, size=(4, 2))
    plots.plot_intervals(table, axes, metrics=("roc_auc", "pearson"))
    points = [line for line in axes[0].lines if line.get_marker() == "o"]
    assert [point.get_xdata()[0] for point in points] == [0.8, 0.7, 0.9]
    np.testing.assert_allclose([point.get_ydata()[0] for point in points], [-0.2, 0.2, 0.8])
    bars = [line for line in axes[0].lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(bars[0].get_xdata(), [0.7, 0.9])
    blue, orange = plots.MODEL_COLOURS["Chromoformer"], plots.MODEL_COLOURS["Binned signal"]
    assert [point.get_markerfacecolor() for point in points] == [blue, orange, "white"]
    assert [point.get_markeredgecolor() for point in points] == [blue, orange, blue]
    assert len(axes[1].lines) == 0                                               # a metric that means nothing
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["real", "made"]
    assert axes[0].get_ylim() == (1.5, -0.5)                                     # the first row on top
    assert [ax.get_xlabel() for ax in axes] == ["ROC-AUC", "Pearson r"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["Chromoformer", "Binned signal", "simulated data"]


def test_intervals_of_real_data_alone_do_not_speak_of_simulated_ones():
    figure, axes = plots.new_figure(1, 1, size=(4, 2))
    plots.plot_intervals(scored(("real", "Chromoformer", "roc_auc", 0.8, False)), [axes], metrics=["roc_auc"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Chromoformer"]


def verdicts():
    return pd.DataFrame({"id": ["one", "two", "three"], "figure": ["2b", "3a", "S8"], "verdict": ["seen", "not seen", "not testable"],
                         "value": [0.3, -0.1, np.nan], "low": [0.2, -0.2, np.nan], "high": [0.4, 0.0, np.nan],
                         "threshold": [0.1, 0, 0]})  # fmt: skip


def test_claims_stand_around_their_threshold_and_verdicts_differ_in_shape():
    figure, ax = plots.new_figure(size=(4, 2))
    plots.plot_claims(verdicts(), ax)
    points = [line for line in ax.lines if line.get_marker() not in ("None", None)]
    np.testing.assert_allclose([point.get_xdata()[0] for point in points], [0.2, -0.1, 1])
    assert points[2].get_transform() == ax.get_yaxis_transform()                 # at the edge: it is no number
    assert [point.get_marker() for point in points] == ["o", "D", "x"]
    assert [point.get_markerfacecolor() for point in points][:2] == [plots.VERDICTS["seen"][0], "white"]
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    np.testing.assert_allclose(bars, [[0.1, 0.3], [-0.2, 0]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2b  one", "3a  two", "S8  three"]
    assert ax.get_ylim() == (2.5, -0.5)                                          # the first claim on top
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seen", "not seen", "not testable"]


def test_claims_none_of_which_could_be_tested_are_drawn_too():
    figure, ax = plots.new_figure(size=(4, 2))
    plots.plot_claims(verdicts().iloc[2:], ax)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["not testable"]
    assert plots.plot_claims(verdicts().iloc[:0], plots.new_figure(size=(4, 2))[1]).texts[0].get_text() == "no claims"


@pytest.mark.parametrize("eyes", SEEN)
def test_colours_of_verdicts_are_told_apart_without_one_kind_of_cone(eyes):
    seen = [lab(colour, np.array(SEEN[eyes])) for colour, _ in plots.VERDICTS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10


def test_fold_changes_are_drawn_on_equal_axes_around_zero():
    table = pd.DataFrame({"model": ["Chromoformer"] * 2 + ["Binned signal"] * 2, "gene_id": list("abab"), "target": [1.0, -4, 1, -4], "score": [2.0, -1, 0, 0]})
    models = ("Binned signal", "Chromoformer")
    _, axes = plots.new_figure(1, 2, size=(4, 2))
    plots.plot_fold_change(table, axes, models=models, cell_types="B over A")
    for ax, model in zip(axes, models, strict=True):
        assert ax.get_title("left") == model and ax.get_aspect() == 1
        assert ax.get_xlim() == ax.get_ylim() == pytest.approx((-4.2, 4.2))
        assert ax.xaxis.get_majorticklocs().tolist() == ax.yaxis.get_majorticklocs().tolist()
        np.testing.assert_allclose(ax.collections[0].get_facecolor()[0][:3], plt.matplotlib.colors.to_rgb(plots.model_colour(model)))
    assert axes[1].collections[0].get_offsets().tolist() == [[1, 2], [-4, -1]]
    assert "B over A" in axes[0].figure.get_supxlabel()


def test_measured_changes_are_bars_of_the_table():
    table = pd.DataFrame({"low": [-1.0, 0], "high": [0.0, 1], "n": [3, 5]})
    ax = plots.plot_changes(table, Figure().subplots(), cell_types="B over A")
    assert [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches] == [(-1, 1, 3), (0, 1, 5)]
    assert ax.get_ylabel() == "genes" and "B over A" in ax.get_xlabel()


def test_table_is_saved_as_it_is_and_shown_with_full_names(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    profile = load_profile("smoke")
    table = pd.DataFrame({"metric": ["roc_auc"], "value": [0.123456], "pearson": [np.nan]})
    page = plots.show_table(table, profile=profile, name="x", caption="One row.").to_html()
    assert "ROC-AUC" in page and "Pearson r" in page and "0.123" in page and "–" in page
    assert "One row. Profile smoke: simulated data." in page
    pd.testing.assert_frame_equal(pd.read_csv(profile.work_dir / "results" / "x.csv"), table)
    page = plots.show_table(table, profile=profile, name="x", caption="One row.", hide=["pearson"]).to_html()
    assert "ROC-AUC" in page and "Pearson r" not in page
    pd.testing.assert_frame_equal(pd.read_csv(profile.work_dir / "results" / "x.csv"), table)  # saved none the less
    empty = plots.show_table(table.iloc[:0], profile=profile, name="x", caption="Nothing.").to_html()
    assert "Nothing. There are none." in empty


def test_table_shows_places_as_whole_numbers_and_no_p_as_zero(profile):
    table = pd.DataFrame({"offset": [-7000.0, None], "p": [2e-9, 0.25], "p, Wilcoxon": [0.04, None], "pearson": [1e-9, 0.5]})
    page = plots.show_table(table, profile=profile, name="x", caption="Two rows.").to_html()
    shown = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert shown == ["-7,000", "&lt;0.001", "0.040", "0.000", "–", "0.250", "–", "0.500"]


def test_changes_stand_in_rows_with_their_folds_and_marks_keep_their_colour():
    table = pd.DataFrame({"model": ["without H3K36me3", "without pCREs"], "beside": "Chromoformer", "metric": "roc_auc",
                          "value": [-0.2, 0.1], "low": [-0.3, 0.0], "high": [-0.1, 0.2]})  # fmt: skip
    folds = pd.DataFrame({"model": ["without H3K36me3"] * 2, "value": [-0.25, -0.15]})
    ax = plots.plot_model_changes(table, plots.new_figure(size=(4, 2))[1], folds=folds)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["without H3K36me3", "without pCREs"]
    _, single, interval, point = ax.lines[:4]
    assert list(single.get_xdata()) == [-0.25, -0.15] and list(interval.get_xdata()) == [-0.3, -0.1] and list(point.get_xdata()) == [-0.2]
    assert point.get_color() == plots.MARK_COLOURS["H3K36me3"] and ax.lines[-1].get_color() == plots.model_colour("without pCREs")
    assert ax.get_xlabel() == "ROC-AUC, minus that of “Chromoformer”"
    nothing = plots.plot_model_changes(table[:0], plots.new_figure(size=(4, 2))[1], folds=folds)
    assert nothing.texts[0].get_text() == "nothing to compare"


def folds(n):
    rows = [(model, "roc_auc", 0.5 + 0.01 * i) for model in ("Chromoformer", "HM-CRNN") for i in range(n)]
    return pd.DataFrame(rows, columns=["model", "metric", "value"])


def test_each_fold_is_a_point_and_many_get_a_box():
    for n, is_boxed in ((2, False), (plots.MANY_FOLDS, True)):
        _, ax = plots.new_figure(size=(4, 2))
        plots.plot_folds(folds(n), [ax], metrics=["roc_auc"])
        points = [line for line in ax.lines if line.get_marker() == "o"]
        assert [point.get_xdata().tolist() for point in points] == [(0.5 + 0.01 * np.arange(n)).tolist()] * 2
        assert [point.get_color() for point in points] == [plots.model_colour(name) for name in ("Chromoformer", "HM-CRNN")]
        assert (len(ax.lines) > 2 * 2) == is_boxed                               # a point and a mean of each model, no more
        assert [label.get_text() for label in ax.get_yticklabels()] == ["Chromoformer", "HM-CRNN"]
        assert ax.get_ylim() == (1.5, -0.5) and ax.get_xlabel() == "ROC-AUC"


def test_a_panel_shows_the_probabilities_of_a_cell_type():
    _, axes = plots.new_figure(1, 2, size=(4, 2))
    table = pd.DataFrame({"cell_type": ["A", "A", "B"], "gene_id": list("aba"), "target": [1.0, 2, 3], "score": [0.2, 0.9, 0.5]})
    plots.plot_probability(table, axes)
    assert [ax.get_title(loc="left") for ax in axes] == ["A", "B"]
    assert [ax.collections[0].get_offsets().tolist() for ax in axes] == [[[1, 0.2], [2, 0.9]], [[3, 0.5]]]


def test_models_of_one_kind_share_a_colour():
    assert plots.model_colour("Linear, binned signal + pCREs") == plots.model_colour("Binned signal")
    assert plots.model_colour("DeepDiff aux") == plots.model_colour("DeepDiff raw_d") != plots.model_colour("DeepDiff raw_aux")
    assert plots.model_colour("Chromoformer on GC-MERGE's genes") == plots.model_colour("Chromoformer")


def curves(model, height, groups=("on", "off", "on - off")):
    """Attention with one peak of this height, 5 kb downstream, in bins of 2,000 bp, as `attention.by_label` gives it."""
    offset = np.arange(-19_000, 20_000, 2000)
    value = np.where(offset == 5000, height, 1.0)
    keys = pd.MultiIndex.from_product([(2000,), ("1", "2", "both"), groups, range(20)], names=["bin_bp", "head", "genes", "at"])
    table = keys.to_frame(index=False)
    table = table.assign(model=model, cell_type="S01", offset=offset[table["at"]], value=value[table["at"]], n=9)
    return table.assign(low=table["value"] * 0.9, high=table["value"] * 1.1)


def test_attention_shows_both_labels_beside_a_control_and_where_they_are_highest():
    table = pd.concat([curves("Chromoformer", 4), curves("without signal", 2)])
    maxima = table[table["offset"] == 5000].assign(bins="2000", attention=lambda rows: rows["value"], low=3000, high=7000)
    _, axes = plots.new_figure(2, 1, size=(3, 4), sharex=True)
    plots.plot_attention(table, maxima, axes, model="Chromoformer", control="without signal")
    for ax, head in zip(axes, ("1", "2"), strict=True):
        assert ax.get_title(loc="left") == f"head {head}, bins of 2,000 bp"
        control, on, off = (line for line in ax.lines if len(line.get_xdata()) == 20)
        assert control.get_ydata().max() == 2 and on.get_ydata().max() == off.get_ydata().max() == 4
        assert on.get_linestyle() == "-" and off.get_linestyle() == "--"
        assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D"] == [5, 5]
    _, axes = plots.new_figure(2, 1, size=(3, 4))
    plots.plot_attention(table, maxima, axes, model="without H3K36me3", control="untrained")
    assert axes[0].texts[0].get_text() == "no network “without H3K36me3”"


def test_on_less_off_draws_what_was_planted_where_there_is_something():
    table = pd.concat([curves("Chromoformer", 4), curves("without H3K36me3", 3), curves("untrained", 1)])
    planted = pd.DataFrame({"offset": np.arange(-19_000, 20_000, 2000), "value": 1.0})
    for known in (planted, planted[:0]):
        figure, ax = plots.new_figure(size=(3, 3))
        plots.plot_on_less_off(table, known, [ax])
        assert len(figure.axes) == 1 + bool(len(known))
        lines = {line.get_label(): line for line in ax.lines if len(line.get_xdata()) == 20}
        assert lines["without H3K36me3"].get_color() == plots.MARK_COLOURS["H3K36me3"]
        assert lines["untrained"].get_linestyle() == ":" and lines["Chromoformer"].get_ydata().max() == 4


def test_marks_that_draw_attention_lie_to_the_right_of_one():
    value = {"H3K4me3": -1.0, "H3K36me3": np.log(2)}
    table = pd.DataFrame([(2000, head, "on", mark, v, v - 0.1, v + 0.1) for head in ("1", "2") for mark, v in value.items()],
                         columns=["bin_bp", "head", "genes", "mark", "value", "low", "high"])  # fmt: skip
    _, ax = plots.new_figure(size=(3, 3))
    plots.plot_drawn(table, [ax])
    points = {line.get_color(): line.get_xdata()[0] for line in ax.lines if line.get_marker() in "oD"}
    assert points[plots.MARK_COLOURS["H3K36me3"]] == pytest.approx(2) and points[plots.MARK_COLOURS["H3K4me3"]] < 1


def test_attention_maps_lie_below_exons_and_marks():
    offset = np.array([-3000.0, -1000.0, 1000.0, 3000.0])
    at = pd.MultiIndex.from_product([(2000,), (1, 2), offset, offset], names=["bin_bp", "head", "query", "key"]).to_frame(index=False)
    maps = at.assign(attention=np.where(at["key"] == 3000, 4.0, 0.0))            # all look there, and nowhere else
    signal = pd.DataFrame({"bin_bp": 2000, "mark": "H3K36me3", "offset": offset, "signal": 1.0})
    exons = pd.DataFrame({"transcript": ["A", "A", "B"], "start": [0, 2000, 0], "end": [500, 2500, 900]})
    for known, n_lines in ((exons, 4), (exons[:0], 0)):
        _, axes = plots.new_figure(4, 1, size=(3, 6), squeeze=False)
        plots.plot_attention_maps(maps, signal, known, axes)
        assert len(axes[0, 0].collections) == n_lines and bool(axes[0, 0].texts) == (n_lines == 0)
        for ax in axes[2:, 0]:
            image = ax.images[0].get_array()
            assert image.mask[:, :3].all() and (image[:, 3] == 2).all()          # log2 of 4; grey where there is none
            assert ax.images[0].get_extent() == [-4, 4, 4, -4]


def test_terms_stand_by_p_with_their_overlap_and_grey_where_q_is_large():
    table = pd.DataFrame(
        {"term": ["planted (SIM:1)", "b" * 60], "overlap": [4, 1], "size": [5, 9], "p": [1e-4, 0.5], "q": [2e-4, 0.5]}
    )
    _, ax = plots.new_figure(size=(4, 2))
    plots.plot_enrichment(table, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b" * 46 + "...", "planted"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([-np.log10(0.5), -np.log10(2e-4)])
    assert [text.get_text() for text in ax.texts] == ["1 of 9", "4 of 5"]
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()
    figure, ax = plots.new_figure(size=(4, 2))
    assert plots.plot_enrichment(table.iloc[:0], ax).texts[0].get_text() == "no set has a chosen gene"
    assert figure.get_figheight() == 2  # which a figure of other axes needs


def test_numbers_stand_in_a_panel_per_response_and_kind_with_curves_where_there_are_any():
    rows = [(response, kind, n, n + 1.0, n + 0.5, n + 1.5) for response in ("a", "b") for kind in ("active", "other") for n in range(3)]
    table = pd.DataFrame(rows, columns=["response", "kind", "number", "value", "low", "high"])
    for curves, n_lines in (({}, 0), ({"additive": 1.0, "switch": 2.0}, 2)):
        figure, axes = plots.panels(4, 2, size=(2, 2), sharex=False)
        plots.plot_numbers(table.assign(**curves), axes)
        assert [ax.get_ylabel() for ax in axes] == ["a", "", "b", ""] and [ax.get_xlabel() for ax in axes] == ["", "", "active pCREs", "other pCREs"]
        assert all(len(ax.lines) == n_lines + 3 for ax in axes)                  # points and two caps each
        assert bool(figure.legends) == bool(n_lines)


def test_curves_that_are_told_apart_have_full_points_and_each_row_its_verdict():
    rows = [("measured", "active", -50.0, -80.0, -20.0, "additive"), ("measured", "EZH2", 5.0, -3.0, 12.0, "not told apart")]
    table = pd.DataFrame(rows, columns=["response", "kind", "value", "low", "high", "verdict"])
    _, ax = plots.new_figure(size=(4, 2))
    plots.plot_curve_test(table, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["measured, active", "measured, EZH2"]
    assert [text.get_text() for text in ax.texts] == ["additive", "not told apart"]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [point.get_markerfacecolor() for point in points] == [plots.KIND_COLOURS["active"], "white"]


@pytest.mark.parametrize("draw", [lambda ax: plots.plot_numbers(pd.DataFrame(), [ax]), lambda ax: plots.plot_curve_test(pd.DataFrame(), ax)])
def test_figures_of_a_profile_without_kinds_of_pcres_say_so(draw):
    _, ax = plots.new_figure(size=(4, 2))
    draw(ax)
    assert [text.get_text() for text in ax.texts] == ["no kinds of pCREs are known"]


# PCRI


def moved():
    """One gene on, one off and one without pCREs, as pcri.of_runs has them."""
    return pd.DataFrame({"gene_id": list("abc"), "label": ["on", "off", "on"], "n_pcres": [2, 3, 0], "pcri": [5.0, 6, 9], "pcre_change": [1.0, -1, 0],
                         "others_change": [0.5, 0.25, 0], "pcri_own": [4.0, 2, 0], "own_change": [0.5, -1.25, 0]})  # fmt: skip


def test_changes_are_boxes_by_label_and_by_whose_pcres_they_are():
    table = pd.concat([moved()] * 3)
    ax = plots.plot_change_by_label(table[table["n_pcres"] > 0], Figure().subplots())
    colour = {name: plots.KIND_STYLES[name][0] for name in ("on", "off")}
    fills = [plt.matplotlib.colors.to_hex(box.get_facecolor()) for box in ax.patches]
    assert fills == [colour["on"], "#ffffff"] * 2
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "black" and line.get_linestyle() == "-"]
    assert medians == [1, -1, 0.5, 0.25]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["its own pCREs", "other genes' pCREs"]
    assert plots.plot_change_by_label(table.iloc[:0], Figure().subplots()).texts[0].get_text() == "no pCREs"


def test_each_gene_is_a_point_with_all_its_pcres_and_beyond_those_of_others():
    axes = plots.plot_pcri(moved(), plots.new_figure(1, 2, size=(4, 2))[1])
    points = [[part.get_offsets().tolist() for part in ax.collections] for ax in axes]
    assert points == [[[[5, 1]], [[6, -1]], [[9, 0]]], [[[4, 0.5]], [[2, -1.25]], [[0, 0]]]]
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == ["genes on (1)", "genes off (1)", "genes without pCREs (1)"]


def test_clusters_are_rows_in_order_with_a_line_between_them():
    table = pd.DataFrame({"gene_id": list("abc"), "cluster": [1, 1, 2], "order": [0, 1, 2]}).merge(pd.DataFrame({"cell_type": ["E2", "E1"]}), how="cross")
    ax = plots.plot_clusters(table.assign(z=[1.0, -1, 0.5, -0.5, -1, 1]), Figure().subplots())
    assert ax.images[0].get_array().tolist() == [[1, -1], [0.5, -0.5], [-1, 1]] and ax.images[0].get_clim() == (-1, 1)
    assert [line.get_ydata()[0] for line in ax.lines] == [1.5] and ax.get_yticks().tolist() == [0.5, 2]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["E2", "E1"]
    assert "fewer than three cell types" in plots.plot_clusters(table.iloc[:0], Figure().subplots()).texts[0].get_text()


def test_loci_side_by_side_have_a_mark_at_one_scale():
    regions = pd.DataFrame({"contact": [np.nan], "distance": [0], "x_start": [0], "x_end": [400]})
    tracks = pd.DataFrame({"region": "a", "mark": "H3K9ac", "x": [100, 300], "depth": [1.0, 2]})
    loci = [Locus("E1", "+", regions, tracks), Locus("E2", "+", regions, tracks.assign(depth=[7.0, 3]))]
    _, axes = plots.locus_axes(loci, 1)
    plots.plot_loci(loci, axes)
    assert axes.shape == (2, 2) and [ax.get_ylim() for ax in axes[1]] == [(0, 7)] * 2
    assert [ax.get_title(loc="left") for ax in axes[0]] == ["E1", "E2"]
    assert plots.plot_loci([], plots.locus_axes([], 1)[1])[0].texts[0].get_text() == "no such gene"


def test_means_around_something_else_than_a_tss_say_so():
    table = pd.DataFrame({"mark": "H3K9ac", "label": ["on", "off"], "offset": 50, "mean": 1.0, "low": 0.5, "high": 1.5})
    axes = plots.plot_mean_by_label(table, plots.panels(1, size=(2, 2))[1], unit="u", around="middle of the pCRE")
    assert axes[0].figure._supxlabel.get_text() == "distance from middle of the pCRE (kb)"
    assert plots.plot_mean_by_label(table.iloc[:0], plots.panels(1, size=(2, 2))[1], unit="u")[0].texts[0].get_text() == "too few genes"


def by_label(**more):
    rows = [(label, x, y, y - 0.1, y + 0.1, 5) for label, sign in (("on", 1), ("off", -1)) for x, y in ((-1000, 0.0), (1000, 2.0 * sign))]
    return pd.DataFrame(rows, columns=["label", "offset", "mean", "low", "high", "n"]).assign(**more)


def test_attributions_and_scans_are_drawn_in_kb_genes_off_dashed():
    (ax, spare), table = plots.new_figure(1, 2, size=(4, 2))[1], by_label(mark="H3K27ac")
    plots.plot_attribution(table, [ax, spare], unit="log2")
    for axis, colour in ((ax, plots.MARK_COLOURS["H3K27ac"]), (plots.plot_scan(table, plots.new_figure(size=(2, 2))[1], unit="log2"), plots.MODEL_COLOURS["Chromoformer"])):
        on, off = axis.lines[:2]
        assert on.get_xdata().tolist() == [-1, 1] and on.get_ydata().tolist() == [0, 2] and off.get_ydata().tolist() == [0, -2]
        assert (on.get_linestyle(), off.get_linestyle()) == ("-", "--") and on.get_color() == colour
    assert not spare.get_visible()


def test_removed_marks_stand_in_rows_genes_off_hollow():
    table = by_label(where="promoter", mark="H3K27ac").iloc[[1, 3]]
    ax, spare = plots.new_figure(1, 2, size=(4, 2))[1]
    plots.plot_mark_changes(table, [ax, spare], unit="log2")
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [point.get_xdata()[0] for point in points] == [2, -2] and points[1].get_markerfacecolor() == "white" and not spare.get_visible()


def test_rankings_by_networks_are_told_from_others_and_chance_is_a_line():
    rows = [("raises", name, 0.5, 0.4, 0.6, 0.2, 10, 3) for name in ("pCRE cut", "contact frequency")]
    table = pd.DataFrame(rows, columns=["metric", "ranking", "value", "low", "high", "random", "pairs", "genes"])
    ax = plots.plot_precision(table, [plots.new_figure(size=(2, 2))[1]], networks=["pCRE cut"])[0]
    chance, _, cut, _, contact = ax.lines
    assert chance.get_xdata()[0] == 0.2 and cut.get_color() == plots.MODEL_COLOURS["Chromoformer"] and contact.get_color() == plots.WHOLE_WINDOW
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pCRE cut", "contact frequency"]


def test_contributions_are_coloured_by_what_was_planted():
    table = pd.DataFrame({"ranking": "pCRE cut", "state": ["active", "polycomb"], "gene_id": "a", "region": ["chr1:0-9", "chr1:90-99"],
                          "contribution": [1.0, -2.0], "contribution_planted": [0.5, -0.5]})  # fmt: skip
    ax = plots.plot_contributions(table, [plots.new_figure(size=(2, 2))[1]])[0]
    assert [points.get_offsets().tolist() for points in ax.collections] == [[[0.5, 1]], [[-0.5, -2]], []]
    assert ax.collections[1].get_urls() == ["point:a, chr1:90-99: -0.50, -2.00"]


def test_arcs_of_a_gene_are_as_thick_as_its_contributions_and_coloured_by_their_sign():
    regions = pd.DataFrame({"x_start": [0, 50, 80], "x_end": [40, 60, 90], "contribution": [np.nan, 1.0, -0.5], "distance": [0, 4000, -9000]})
    track = pd.DataFrame({"start": [0, 10], "end": [10, 20], "value": [1.0, -1.0], "x": [5, 15]})
    arcs, bars = plots.plot_gene_scores(regions, track, plots.new_figure(2, 1, size=(3, 3))[1], unit="log2")
    up, down = arcs.patches
    assert up.get_linewidth() > down.get_linewidth() and [bar.get_height() for bar in bars.patches] == [1, -1]
    assert [text.get_text() for text in arcs.texts] == ["+1.00", "-0.50"]
    lone = plots.plot_gene_scores(regions[:1], track, plots.new_figure(2, 1, size=(3, 3))[1], unit="log2")[0]
    assert not lone.patches


def test_spread_stands_beside_errors_and_intervals_beside_what_they_should_hold():
    errors = pd.DataFrame({"group": [1, 2, 3], "rmse": [1.0, 1, 2], "low": 0.5, "high": 2.5, "sd": [0.1, 0.2, 0.3]})
    coverage = pd.DataFrame({"interval": ["spread of seeds"], "should": 0.9, "value": 0.3, "low": 0.2, "high": 0.4})
    left, right = plots.plot_spread(errors, coverage, plots.new_figure(1, 2, size=(4, 2))[1], unit="log2")
    assert left.lines[-1].get_ydata().tolist() == [0.1, 0.2, 0.3] and right.lines[-1].get_xdata()[0] == 0.9
    assert plots.plot_spread(errors[:0], coverage[:0], plots.new_figure(1, 2, size=(4, 2))[1], unit="log2")[0].texts[0].get_text() == "one seed"


def relative_table(names):
    rows = [(a, b, 1.0 if a == b else 0.9) for a in names for b in names]
    return pd.DataFrame(rows, columns=["cell_type", "source", "value"])


def test_heat_map_of_relative_roc_auc_stands_under_its_tree():
    table = relative_table(["A", "B", "C"])
    table.loc[table["cell_type"].isin(["A", "C"]) & table["source"].isin(["A", "C"]) & (table["value"] < 1), "value"] = 0.99
    _, axes = plots.new_figure(2, 1, size=(4, 4))
    plots.plot_relative(table, axes, linkage=cross.tree(table).linkage)
    names = [label.get_text() for label in axes[1].get_yticklabels()]
    assert abs(names.index("A") - names.index("C")) == 1 and names == [label.get_text() for label in axes[1].get_xticklabels()]
    assert len(axes[0].collections) and "0.990" in {text.get_text() for text in axes[1].texts}


@pytest.mark.filterwarnings("error")
def test_tree_of_cell_types_that_are_all_alike_has_no_height_and_no_warning():
    table = relative_table(["A", "B", "C"]).assign(value=1.0)
    _, axes = plots.new_figure(2, 1, size=(4, 4))
    plots.plot_relative(table, axes, linkage=cross.tree(table).linkage)
    assert [text.get_text() for text in axes[1].texts] == ["1.000"] * 9


def test_curve_has_a_line_per_way_and_a_square_where_nothing_was_trained_on():
    rows = [("not trained on it", 0), ("from scratch", 50), ("from scratch", 100), ("fine-tuned", 50), ("fine-tuned", 100)]
    table = pd.DataFrame(rows, columns=["way", "n_genes"]).assign(metric="roc_auc", value=0.8, low=0.7, high=0.9)
    _, ax = plots.new_figure(size=(4, 3))
    plots.plot_curve(table, ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(labels) == ["fine-tuned", "from scratch", "not trained on it"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "50", "100"] and ax.get_ylabel() == "ROC-AUC"


ALONE = "one cell type has none beside it"


@pytest.mark.parametrize(("draw", "words"), [
    (lambda axes: plots.plot_relative(relative_table(["A"]), axes, linkage=None), ALONE),
    (lambda axes: plots.plot_curve(pd.DataFrame(), axes[0]), "one cell type, or too few genes in each fold"),
    (lambda axes: plots.plot_species(pd.DataFrame(), axes), "no second species"),
    (lambda axes: plots.plot_likeness(pd.DataFrame(), axes, measures={}), ALONE),
])  # fmt: skip
def test_figures_of_one_cell_type_and_one_species_say_that_there_is_nothing_beside_it(draw, words):
    _, axes = plots.new_figure(1, 2, size=(4, 3))
    draw(axes)
    assert [text.get_text() for text in axes[0].texts] == [words]


def test_species_have_an_axis_per_target_and_a_row_per_source():
    rows = [("M", "trained on M", 0.9), ("M", "trained on M", 0.7), ("M", "trained on H", 0.6), ("H", "trained on H", 0.95), ("H", "trained on M", 0.5)]
    table = pd.DataFrame(rows, columns=["cell_type", "model", "value"]).assign(metric="roc_auc")
    _, axes = plots.new_figure(1, 2, size=(4, 2))
    plots.plot_species(table, axes)
    points = [[line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"] for ax in axes]
    assert points == [[[0.9, 0.7], [0.6]], [[0.95], [0.5]]] and [ax.get_title(loc="left") for ax in axes] == ["genes of M", "genes of H"]
    assert [label.get_text() for label in axes[1].get_yticklabels()] == ["trained on H", "trained on M"] and axes[0].get_xlabel() == "ROC-AUC"


def test_likeness_has_an_axis_per_measure_and_a_named_point_per_pair():
    table = pd.DataFrame({"first": ["A", "A"], "second": ["B", "C"], "signal": [0.9, 0.4], "labels": [0.8, 0.7], "loss": [0.01, 0.2]})
    _, axes = plots.new_figure(1, 2, size=(4, 2))
    plots.plot_likeness(table, axes, measures={"labels": "same label", "signal": "r"})
    for ax, (x, label) in zip(axes, (([0.8, 0.7], "same label"), ([0.9, 0.4], "r")), strict=True):
        points = ax.lines[-1]
        assert points.get_xdata().tolist() == x and points.get_ydata().tolist() == [0.01, 0.2] and ax.get_xlabel() == label
        assert [(text.get_text(), text.xy) for text in ax.texts] == [("A, B", (x[0], 0.01)), ("A, C", (x[1], 0.2))]
    assert axes[0].get_ylabel() == "loss, 1 - relative ROC-AUC"


def drawn_errors(ax):
    """Points and ends of each errorbar of an axis: x, y, low, high."""
    found = []
    for points, _, (bars,) in ax.containers:
        ends = [(low, high) for (_, low), (_, high) in bars.get_segments()]
        found.append([(x, y, *end) for x, y, end in zip(points.get_xdata(), points.get_ydata(), ends, strict=True)])
    return found


def test_calibration_stands_at_its_shares_with_their_intervals():
    table = pd.DataFrame({"predicted": [0.1, 0.8], "observed": [0.2, 0.7], "low": [0.1, 0.65], "high": [0.5, 0.9]})
    ax = plots.plot_calibration(table, plots.new_figure(size=(2, 2))[1])
    (found,) = drawn_errors(ax)
    np.testing.assert_allclose(found, [(0.1, 0.2, 0.1, 0.5), (0.8, 0.7, 0.65, 0.9)])
    assert ax.lines[0].get_xdata().tolist() == ax.lines[0].get_ydata().tolist() == [0, 1] and ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted probability of being on", "share of genes that are on")


def test_windows_have_a_mean_with_its_error_and_behind_it_each_fold():
    rows = [("Chromoformer", 10_000, 0.9, 0.8, 0.05), ("Chromoformer", 10_000, 0.7, 0.8, 0.05), ("Chromoformer", 2000, 0.6, 0.6, 0.1),
            ("Linear, binned signal", 2000, 0.5, 0.5, 0.2)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "window_bp", "value", "mean", "se"]).assign(metric="roc_auc")
    ax = plots.plot_windows(table, plots.new_figure(size=(3, 2))[1])
    left, right = 1.012**-0.5, 1.012**0.5                                       # models stand beside one another
    ours, linear = drawn_errors(ax)
    np.testing.assert_allclose(ours, [(2 * left, 0.6, 0.5, 0.7), (10 * left, 0.8, 0.75, 0.85)])
    np.testing.assert_allclose(linear, [(2 * right, 0.5, 0.3, 0.7)])
    folds = [line for line in ax.lines if line.get_alpha() == 0.4]
    np.testing.assert_allclose(folds[0].get_xydata(), [(10 * left, 0.9), (10 * left, 0.7), (2 * left, 0.6)])
    assert [container[0].get_linestyle() for container in ax.containers] == ["-", "--"]
    assert [container[0].get_color() for container in ax.containers] == [plots.model_colour(name) for name in ("Chromoformer", "Linear, binned signal")]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "10"] and ax.get_ylabel() == "ROC-AUC"


def test_kinds_by_window_have_an_axis_per_model_and_intervals_as_in_the_table():
    first, second = list(plots.KIND_STYLES)[:2]
    rows = [("Chromoformer", first, 10_000, 0.5, 0.1, 0.6), ("Chromoformer", first, 2000, 0.2, 0.0, 0.3), ("Chromoformer", second, 2000, -0.1, -0.4, 0.5),
            ("HM-CRNN", first, 2000, 0.3, 0.2, 0.6)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "genes", "window_bp", "gain", "low", "high"])
    _, axes = plots.new_figure(1, 3, size=(6, 2))
    plots.plot_kinds_by_window(table, axes, kind="genes", value="gain", label="what is gained")
    ours, peer = drawn_errors(axes[0]), drawn_errors(axes[1])
    np.testing.assert_allclose(ours[0], [(2 / 1.03, 0.2, 0.0, 0.3), (10 / 1.03, 0.5, 0.1, 0.6)])
    np.testing.assert_allclose(ours[1], [(2, -0.1, -0.4, 0.5)])
    np.testing.assert_allclose(peer[0], [(2 / 1.03, 0.3, 0.2, 0.6)])
    for container, name in zip(axes[0].containers, (first, second), strict=True):
        assert (container[0].get_color(), container[0].get_marker()) == plots.KIND_STYLES[name]
    assert [ax.get_title(loc="left") for ax in axes[:2]] == ["Chromoformer", "HM-CRNN"] and not axes[2].get_visible()
    assert axes[0].get_ylim() == axes[1].get_ylim() == (-0.45, 0.65) and axes[0].figure._supylabel.get_text() == "what is gained"
    nothing = plots.plot_kinds_by_window(table[:0], [plots.new_figure(size=(2, 2))[1]], kind="genes", value="gain", label="")
    assert nothing[0].texts[0].get_text() == "too few genes of any kind"


def test_network_s_input_is_an_image_per_bin_width_on_one_scale_marks_in_their_order():
    rows = [(bin_bp, mark, offset, signal)
            for bin_bp, offsets in ((200, (-100, 100)), (100, (-150, -50, 50, 150)))
            for mark, height in (("H3K9ac", 1.0), ("H3K27ac", 2.0))
            for offset, signal in zip(offsets, height * np.arange(1, 5), strict=False)]  # fmt: skip
    _, axes = plots.new_figure(2, 1, size=(3, 3))
    plots.plot_network_input(pd.DataFrame(rows, columns=["bin_bp", "mark", "offset", "signal"]), axes, unit="ln")
    assert [ax.images[0].get_array().tolist() for ax in axes] == [[[1, 2], [2, 4]], [[1, 2, 3, 4], [2, 4, 6, 8]]]
    assert [ax.images[0].get_clim() for ax in axes] == [(0, 8)] * 2 and [ax.images[0].get_extent() for ax in axes] == [[-0.2, 0.2, 1.5, -0.5]] * 2
    assert [ax.get_title(loc="left") for ax in axes] == ["200 bp, 2 bins", "100 bp, 4 bins"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["H3K9ac", "H3K27ac"]

"""Figures: a colour belongs to a meaning, each is saved with its table, and says where its numbers are from."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromolib import load_profile, plots
from chromolib.config import MARKS


@pytest.fixture
def profile(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    return load_profile("smoke")


def draw(n=3):
    figure, ax = plots.new_figure(size=(2, 2))
    ax.plot(range(n), range(n))
    return figure


def published(profile, **changed):
    given = {"profile": profile, "name": "fig1", "caption": "A line of 3 points.", "alt": "A line"}
    return plots.publish(draw(), pd.DataFrame({"x": [1, 2]}), **(given | changed))


def test_every_mark_has_a_colour_of_its_own():
    assert set(plots.MARK_COLOURS) == set(MARKS)
    for colours in (plots.MARK_COLOURS, plots.MODEL_COLOURS):
        assert len(set(colours.values())) == len(colours)
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_figure_is_saved_under_its_label_with_its_table(profile):
    shown = published(profile)
    folder = profile.work_dir / "results"
    assert sorted(path.name for path in folder.iterdir()) == ["fig1.csv", "fig1.svg"]
    assert (folder / "fig1.csv").read_text() == "x\n1\n2\n"
    assert (folder / "fig1.svg").read_bytes() == shown.svg and b"<svg" in shown.svg


def test_same_figure_is_the_same_bytes(profile):
    assert published(profile).svg == published(profile).svg


def test_caption_says_where_the_numbers_are_from(profile):
    assert published(profile).caption == "A line of 3 points. Profile smoke: simulated data."
    assert published(load_profile("h1-demo")).caption == "A line of 3 points. Profile h1-demo: real data."


def test_text_of_a_figure_is_escaped(profile):
    page = published(profile, alt='P < 0.05, "on" & <off>', caption="n > 3 & <b>")._repr_html_()
    assert 'alt="P &lt; 0.05, &quot;on&quot; &amp; &lt;off&gt;"' in page
    assert "<figcaption>n &gt; 3 &amp; &lt;b&gt; Profile" in page


def test_figures_do_not_pile_up_in_pyplot(profile):
    for _ in range(3):
        published(profile)
    assert plots.plt.get_fignums() == []


def test_contacts_are_drawn_as_arcs_from_the_tss_to_the_middle_of_each_pcre():
    ax = Figure().subplots()
    table = pd.DataFrame({"start": [3_000_000, 900_000], "end": [3_200_000, 1_100_000], "contact": [2.0, 3.0],
                          "distance": [1_100_000, -1_000_000]})  # fmt: skip
    plots.plot_contacts(table, ax, tss=2_000_000, window_bp=40_000)
    ends = [(arc.center[0] - arc.width / 2, arc.center[0] + arc.width / 2) for arc in ax.patches]
    np.testing.assert_allclose(ends, [(2.0, 3.1), (1.0, 2.0)])
    assert ax.patches[1].get_linewidth() > ax.patches[0].get_linewidth()
    low, high = ax.get_xlim()
    assert low < 0.9 and high > 3.2


def test_tracks_are_drawn_in_the_colour_of_their_mark():
    marks = ["H3K4me3", "H3K27me3"]
    table = pd.DataFrame({"mark": np.repeat(marks, 3), "position": [100, 200, 300] * 2, "depth": [0, 5, 1, 2, 9, 2]})
    axes = Figure().subplots(2, 1)
    plots.plot_tracks(table, axes, tss=200, strand="-")
    for ax, mark, top in zip(axes, marks, (5, 9), strict=True):
        assert plots.MARK_COLOURS[mark] == plots.plt.matplotlib.colors.to_hex(ax.collections[0].get_facecolor()[0])
        assert ax.get_ylabel() == mark and ax.get_ylim() == (0, top)
    assert axes[0].texts[0].xy[0] < 0.5                                          # the arrow of a minus-strand gene


def test_history_shows_each_run_and_their_mean():
    history = pd.DataFrame({"run": list("aabb"), "epoch": [1, 2, 1, 2], "roc_auc": [0.5, 0.7, 0.7, 0.8],
                            "loss": [4, 2, 6, 3], "train_loss": [3, 1, 5, 2]})  # fmt: skip
    ax = plots.plot_history(history, Figure().subplots(), metric="roc_auc", label="ROC-AUC")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.5, 0.7], [0.7, 0.8], [0.6, 0.75]]
    ax = plots.plot_history(history, Figure().subplots(), metric="loss", label="loss")
    assert ax.lines[-1].get_linestyle() == "--" and ax.lines[-1].get_ydata().tolist() == [4, 1.5]  # training's mean


def test_roc_curve_passes_through_the_rates_of_each_threshold():
    scores = pd.DataFrame({"model": "Chromoformer", "target": [0, 0, 1, 1], "score": [0.1, 0.6, 0.4, 0.9]})
    intervals = pd.DataFrame({"model": ["Chromoformer"], "value": [0.75], "low": [0.5], "high": [1.0], "n": [4]})
    ax = plots.plot_roc(scores, Figure().subplots(), intervals=intervals)
    points = list(zip(ax.lines[1].get_xdata(), ax.lines[1].get_ydata(), strict=True))
    assert points == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert ax.get_legend().texts[0].get_text() == "Chromoformer: 0.750 [0.500, 1.000]"


def test_table_is_saved_as_it_is_and_shown_with_full_names(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    profile = load_profile("smoke")
    table = pd.DataFrame({"metric": ["roc_auc"], "value": [0.123456], "pearson": [np.nan]})
    page = plots.show_table(table, profile=profile, name="x", caption="One row.").to_html()
    assert "ROC-AUC" in page and "Pearson r" in page and "0.123" in page and "–" in page
    assert "One row. Profile smoke: simulated data." in page
    pd.testing.assert_frame_equal(pd.read_csv(profile.work_dir / "results" / "x.csv"), table)
    empty = plots.show_table(table.iloc[:0], profile=profile, name="x", caption="Nothing.").to_html()
    assert "Nothing. There are none." in empty

"""The picture of the network: sizes and parameters are those that a gene meets on its way."""

import torch

from chromolib import Chromoformer, GeneDataset, ModelConfig, plots
from chromolib.analysis import anatomy
from tests.stores import random_store

MARKS = ("A", "B", "C")
SMALL = ModelConfig(marks=MARKS, bin_bp=(1000, 500), frame_bp=4000, max_pcres=5, d_embedding=16, regulation_layers=2, head_width=24)


def kept(call, name, n_axes, met):
    def called(*arguments):
        out = call(*arguments)
        met.setdefault(name, tuple(out.shape[n_axes:]))
        return out

    return called


def sizes_met(model, batch):
    """Sizes of what each block gives of all genes, axes of bin width and gene left out."""
    met = {}
    for name, n_axes in {"_embed_promoters": 2, "_embed_pcres": 2, "_regulate": 2, "features": 1}.items():
        setattr(model, name, kept(getattr(model, name), f"Chromoformer.{name}", n_axes, met))
    met["Chromoformer.forward"] = tuple(model(batch).shape[1:])
    return met


def test_sizes_are_those_of_a_gene_that_passes_through():
    model = Chromoformer(SMALL).eval()
    table = anatomy.blocks(model).set_index("code")
    data = GeneDataset(random_store(6, frame_bp=4000, marks=MARKS), bin_bp=SMALL.bin_bp)
    batch = data.select(max_pcres=5).batch([0, 1, 2])
    with torch.no_grad():
        met = sizes_met(model, batch)
    assert {code: tuple(int(n) for n in gives.split(" × ")[-1:]) for code, gives in table["gives"].items()} == met
    read = {bin_bp: tuple(batch.promoter[bin_bp].shape[1:]) for bin_bp in SMALL.bin_bp}
    assert table["takes"].iloc[0] == ", ".join(f"{n} × {m}" for n, m in read.values()) == "4 × 3, 8 × 3"
    assert table["takes"].tolist()[1:] == ["5 × 4 × 3, 5 × 8 × 3", "6 × 16", "2 × 2 × 16", "32"]


def test_every_parameter_is_counted_once():
    for config in (SMALL, ModelConfig(), ModelConfig(task="reg")):
        model = Chromoformer(config)
        assert anatomy.blocks(model)["parameters"].sum() == sum(parameter.numel() for parameter in model.parameters())


def test_picture_says_the_paper_s_sizes():
    model = Chromoformer()
    _, ax = plots.new_figure(size=(8, 7))
    plots.plot_network(anatomy.blocks(model), ax, bin_bp=model.config.bin_bp)
    text = "\n".join(words.get_text() for words in ax.texts)
    for told in ("20 × 7, 80 × 7, 400 × 7", "6 layers of 8 heads, feed-forward 256", "head: 384 → 128 → ReLU → 2", "2,000, 500, 100 bp", "8 × 128"):
        assert told in text

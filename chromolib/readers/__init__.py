"""Public file formats, each read into one tidy, checked table.

In: files as their providers publish them. Out: tables with 0-based positions in bp; `attrs` of a table hold "kept"
(rows) and "dropped" ({reason: rows}), so that nothing is filtered silently.
"""

from .annotation import read_gene_info, read_transcripts
from .bigwig import BigWig, load_bigwig
from .demo import DEMO_FRAME_BP, demo_promoter, read_demo, read_demo_predictions
from .expression import read_expression
from .interactions import read_contacts
from .reads import read_reads
from .table import blocks_of_lines, checked, fingerprint, reading, stat

__all__ = [
    "DEMO_FRAME_BP", "BigWig", "blocks_of_lines", "checked", "demo_promoter", "fingerprint", "load_bigwig", "read_contacts",
    "read_demo", "read_demo_predictions", "read_expression", "read_gene_info", "read_reads", "read_transcripts", "reading",
    "stat",
]  # fmt: skip

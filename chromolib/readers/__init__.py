"""Public file formats, each read into one tidy, checked table.

In: files as their providers publish them. Out: tables with 0-based positions in bp; `attrs` of a table hold "kept"
(rows) and "dropped" ({reason: rows}), so that nothing is filtered silently.
"""

from .annotation import read_exons, read_gene_info, read_gtf, read_transcripts, transcription_start
from .bigwig import BigWig, largest_value, load_bigwig
from .chicago import read_ibed, read_peak_matrix
from .demo import DEMO_FRAME_BP, demo_promoter, read_demo, read_demo_predictions, read_metadata
from .expression import read_expression, read_rsem
from .gene_sets import read_gene_sets
from .interactions import read_contacts, read_geo_contacts, read_significant_contacts
from .matrices import read_hic
from .orthologues import read_orthologues
from .pickles import read_release_contacts, read_release_fragments
from .reads import aligned_reads, read_reads
from .segments import read_compartments, read_peaks, read_segments, read_tads
from .table import blocks_of_lines, checked, fingerprint, first_bytes, reading, stat
from .written import read_bedpe, read_contact_table, read_expression_table, read_samples, read_screen, read_tss_table

__all__ = [
    "DEMO_FRAME_BP", "BigWig", "aligned_reads", "blocks_of_lines", "checked", "demo_promoter", "fingerprint", "first_bytes",
    "largest_value", "load_bigwig", "read_bedpe", "read_compartments", "read_contact_table", "read_contacts", "read_demo", "read_demo_predictions",
    "read_exons", "read_expression", "read_expression_table", "read_gene_info", "read_gene_sets", "read_geo_contacts", "read_gtf",
    "read_hic", "read_ibed", "read_metadata", "read_orthologues", "read_peak_matrix", "read_peaks", "read_reads", "read_release_contacts",
    "read_release_fragments", "read_rsem", "read_samples", "read_screen", "read_segments", "read_significant_contacts",
    "read_tads", "read_transcripts", "read_tss_table", "reading", "stat", "transcription_start",
]  # fmt: skip

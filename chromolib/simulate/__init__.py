"""A cohort with known truth, written in the public raw formats.

In: a profile with `inputs.simulation`. Out: the files that `inputs` names, companions in the formats of their publishers,
and truth/: what was planted, in units of log2 RPKM. The same settings give the same bytes.
"""

from .cohort import by_rule_of, ensure_raw, read_truth, simulate, simulate_features
from .truth import acting_contributions, acting_together

__all__ = ["acting_contributions", "acting_together", "by_rule_of", "ensure_raw", "read_truth", "simulate", "simulate_features"]

"""The five published networks that Chromoformer is compared with, each in a module with its authors' training settings.

In: signal of marks in bins around the TSS, (b, m, l); GC-MERGE: marks of genome bins and the graph of their contacts.
Out: logits, log2 expression or log2 fold change, one row per gene (GC-MERGE: per genome bin).
"""

"""The models that the paper compares Chromoformer with."""

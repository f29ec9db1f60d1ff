"""Evaluation by the paper's protocols: metrics here, then protocols, runs and reports."""

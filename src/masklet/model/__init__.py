"""The network: weights and pure verbs."""

"""Factorized mixtures, the family of :func:`isogmm.fit_factorized`."""

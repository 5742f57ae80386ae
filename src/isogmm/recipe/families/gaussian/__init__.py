"""Mixtures with full or diagonal covariances, the family of :func:`isogmm.fit_gmmvi`."""

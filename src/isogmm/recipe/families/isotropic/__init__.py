"""Mixtures of isotropic Gaussians, the family of :func:`isogmm.fit_isogmm`."""

"""Isotropic components first, then full covariances: ``family="auto"`` of ``fit_isogmm``."""

"""Parallel Hamiltonian Monte Carlo chains and their diagnostics."""

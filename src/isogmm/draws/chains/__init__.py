"""Parallel Hamiltonian Monte Carlo: transitions, tuning, coordinates and what is recorded."""

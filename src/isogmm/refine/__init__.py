"""Better draws from a finished fit: parallel Hamiltonian Monte Carlo and importance weights."""

"""The draws that a fit delivers: of the mixture, reweighted, or of HMC chains."""

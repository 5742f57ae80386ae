"""The thresholds by which draws are chosen and judged."""

#: Importance weights are trusted up to this Pareto k (Vehtari et al. 2024, arXiv 1507.02646).
MAX_PARETO_K = 0.7
#: Draws of the mixture are delivered without weights up to this Pareto k.
MAX_GOOD_K = 0.5
#: Above this relative ESS all weights are practically equal.  Draws of the mixture need no weights
#: then, and k describes rounding: on a Gaussian fitted exactly k was 1.3 with an ESS of 3,999.85
#: of 4,000.  At 0.98 the sds of two skewed variables were 7 % too large.
FLAT_RELATIVE_ESS = 0.99
#: Largest change of a mean (in sds) or of a log sd by the importance weights for which draws of the
#: mixture are reliable without weights.
MAX_WEIGHT_EFFECT = 0.05
#: Reweighted draws are delivered without refinement below this k and above this relative ESS.
MAX_REWEIGHT_K, MIN_REWEIGHT_RELATIVE_ESS = 0.4, 0.6
#: Relative ESS below which draws are not chosen by importance weights.
MIN_IMPORTANCE_RELATIVE_ESS = 0.02
#: Relative ESS below which draws chosen by weights, and draws of the mixture, are unreliable.
MIN_RELIABLE_IMPORTANCE_ESS, MIN_RELIABLE_MIXTURE_ESS = 0.05, 0.5
#: The same where HMC chains are possible but switched off, so that nothing confirms the weights.
#: On a funnel in ten dimensions whose ends the mixture missed (log sd wrong by 0.37), the relative
#: ESS was 0.42 to 0.66 and k 0.37.  Of 28 posteriors with accurate weights 24 were above 0.85.
MIN_UNCONFIRMED_ESS = 0.8
#: Largest share of the positions of random-walk chains that a mixture misses, for log densities
#: without a gradient.  On a banana whose tails of mass 0.01 were missing, a log sd was off by 0.2.
MAX_MISSED_SHARE = 0.002
#: R-hat of the delivered draws above which the chains disagree.
MAX_RHAT = 1.03
#: Excess of R-hat by chance, as a multiple of 1 / (number of draws).  The largest R-hat of 100
#: coordinates of independent draws exceeds 1 by 8 to 10 of these on average, by 14 at most (20
#: repetitions each of 100 to 4,000 draws in 4 chains).
RHAT_NOISE = 10.0
#: Largest Monte Carlo error of a mean, in standard deviations of the draws.
MAX_MCSE_SD = 0.1
#: Largest share of chains that move in less than a tenth of the recorded transitions.
MAX_STUCK_SHARE = 0.02
#: Largest spread of the draws of the chains, in units of that of their starting points, where these
#: come from a Gaussian without a dense covariance.  Up to 2.4 the errors of hierarchies with 502
#: parameters were at most 0.05; at 6 the lower tail of log tau was missing.
MAX_SPREAD_GROWTH = 4.0
#: Skewness of the draws of a coordinate below which this spread does no harm.  A Gaussian with
#: 2,000 coordinates had spreads of 10 to 156, skewnesses below 0.1, and accurate draws.  In
#: hierarchies that lacked the lower tail of log tau, its skewness was -0.8 and -0.9.
MIN_SKEWNESS = 0.3
#: Largest share of the draws of the mixture outside the support.
MAX_NONFINITE_SHARE = 0.05
#: Largest posterior mass without a gradient, which the draws lack.  A normal tail of this mass
#: contributes 0.014 sd to the mean and 0.02 to the log sd.
MAX_MASS_WITHOUT_GRADIENT = 0.005
#: Largest probability that a further starting point leads to a new mode.
MAX_UNSEEN_PROBABILITY = 0.02
#: The same probability from which the posterior probably has a symmetry.
MANY_UNSEEN_PROBABILITY = 0.1
#: Dimension from which the advice of a fit with several modes says that others may be missing.  On
#: random targets with several modes, no fit in fewer dimensions missed a mode, and 13 of 70 in 10
#: to 30 dimensions did.
MIN_DIM_OF_MISSED_MODES = 10
#: Largest rounding error of the log density, in nats, for which draws are not affected; and the
#: largest for which the search is not.  An optimizer ends where the log density rises by less than
#: the error: at half the square of a gradient of 0.05, in standard deviations, at which the end of
#: a path counts as a maximum.
MAX_ROUNDING_ERROR, MAX_ROUNDING_ERROR_OF_SEARCH = 0.1, 0.00125
#: Largest standard error of the mass of a mode.  Between two modes that are two standard deviations
#: of the whole apart, an error of this size moves the mean by twice as many standard deviations.
MAX_MASS_SE = 0.05
#: Largest difference between the ELBOs of two chains beyond their noise, in nats.
MAX_ELBO_GAP = 1.0
#: Standard error of the log evidence above which the evidence is withheld.  The mixture and the
#: chains hardly overlap then: in d = 62 the errors were as large as the standard error up to 0.5,
#: and 10 or 56 nats where it was 1 to 2.
MAX_EVIDENCE_SE = 0.5

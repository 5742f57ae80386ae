"""The verdict: one word and one sentence, from thresholds that are written down here."""

from dataclasses import dataclass

#: Importance weights are trusted below this Pareto k (Vehtari et al. 2024, arXiv 1507.02646).
PARETO_K = 0.7
#: Draws of q pass as they are below this k.
GOOD_K = 0.5
#: Above this relative ESS the log ratios are all but constant, draws of q need no weights, and the
#: shape of their tail (k) says nothing: on a Gaussian fitted exactly k was 1.3 with an ESS of
#: 3,999.85 of 4,000.  Where it was 0.98 the sds of two skewed variables were 7 % too large.
FLAT_ESS = 0.99
#: Reweighted draws are delivered without refinement below this k and above this relative ESS.
REWEIGHT_K, REWEIGHT_ESS = 0.4, 0.6
#: R-hat of the delivered draws above this is a disagreement of the chains.
RHAT = 1.03
#: What so many draws add to R-hat by chance, as a multiple of 1 / (all draws): the largest of
#: 100 coordinates of independent draws exceeds 1 by 8 to 10 of these on average, by 14 at most
#: (20 repetitions each of 100 to 4,000 draws in 4 chains).
RHAT_NOISE = 10.0
#: Monte Carlo error of a mean, in standard deviations, that is too large to deliver.
MCSE = 0.1
#: Share of chains that may hardly move while recording.
STUCK = 0.02
#: Share of the mixture's draws that may lie outside the support.
NONFINITE = 0.05
#: Chance that a further start finds a new mode, above which modes may be missing.
UNSEEN = 0.02
#: Standard error of the mass of a mode above which masses are guesses: two modes two standard
#: deviations of the whole apart move its mean by twice that.
MASS_SE = 0.05
#: Standard error of the log evidence above which it is withheld, because mixture and chains hardly
#: overlap: in d = 62 errors were as large as it said up to 0.5, and 10 or 56 where it said 1 to 2.
EVIDENCE_SE = 0.5


@dataclass(frozen=True)
class Findings:
    """What the verdict looks at; missing pieces are None.

    Parameters
    ----------
    source
        Where the delivered draws come from: ``mixture``, ``importance`` or ``chains``.
    pareto_k, relative_ess
        Of the importance ratios against the pooled mixture.
    rhat
        Largest R-hat of the delivered draws.
    rhat_name, num_draws
        The coordinate that has it; draws of all chains.
    forgotten, still_drifting, stuck, mcse
        Of the refinement: memory faded, halves differ, share of chains that hardly moved,
        largest Monte Carlo error of a mean in sds.
    num_modes, unseen, mass_se
        Modes found, chance of a new one, largest standard error of a mode's mass.
    elbo_gap
        ELBO of the best chain minus that of the worst, beyond noise.
    nonfinite_share
        Draws of q outside the support.
    improper
        The direction along which the density has no finite integral, or an empty string.
    neck
        Where chains needed steps many times smaller, ``tau is small``, or an empty string.
    stopped_early
        The sentence of a stop reason other than convergence, or None.
    single_precision
        Whether the model computes in 32 bits.
    """

    source: str
    pareto_k: float
    relative_ess: float
    rhat: float
    rhat_name: str
    num_draws: int = 4000
    forgotten: bool | None = None
    still_drifting: bool | None = None
    stuck: float = 0.0
    mcse: float = 0.0
    mcse_name: str = ""
    drift_name: str = ""
    num_modes: int = 1
    unseen: float = 0.0
    mass_se: float = 0.0
    elbo_gap: float = 0.0
    nonfinite_share: float = 0.0
    improper: str = ""
    neck: str = ""
    stopped_early: str | None = None
    single_precision: bool = False


def decide(findings: Findings) -> tuple[str, str]:
    """The verdict (``good``, ``reweighted``, ``refined``, ``unreliable``) and the advice."""
    complaints = _complaints(findings)
    if complaints:
        return "unreliable", " ".join(complaints)
    if findings.source == "chains":
        return "refined", (
            "The mixture was improved by parallel chains that forgot their starts; use the draws "
            "like those of MCMC." + _neck(findings) + _modes(findings)
        )
    if findings.source == "importance":
        return "reweighted", (
            f"The draws were chosen by importance weights (Pareto k {findings.pareto_k:.2f}); use "
            "them like those of MCMC." + _modes(findings)
        )
    why = (
        f"Pareto k {findings.pareto_k:.2f}"
        if findings.relative_ess <= FLAT_ESS
        else f"importance weights are all but equal: {findings.relative_ess:.1%} effective"
    )
    return "good", (
        f"The mixture describes the posterior well ({why}); use the draws like those of MCMC."
        + _modes(findings)
    )


def _neck(findings: Findings) -> str:
    if not findings.neck:
        return ""
    return (
        f" Where {findings.neck} (unconstrained), chains needed much smaller steps: the tail "
        "beyond may be cut short. isogmm.fit_gmmvi or a non-centered form often reaches it."
    )


def _modes(findings: Findings) -> str:
    if findings.num_modes < 2:
        return ""
    return (
        f" There are {findings.num_modes} modes: look at their masses before you summarize "
        "a variable by its mean."
    )


def _complaints(f: Findings) -> list[str]:
    found = []
    if f.improper:
        found.append(
            "The posterior is improper: the log density falls off too slowly along "
            f"{f.improper} to have a finite integral. Give it a proper prior."
        )
    if f.stopped_early:
        found.append(f.stopped_early)
    if f.single_precision and (f.stuck > STUCK or f.nonfinite_share > NONFINITE):
        # Matrices lose their positive definiteness, differences of large numbers their digits.
        found.append(
            "The model computes in single precision, where its log density is rough or not "
            "finite: try double first (numpyro.enable_x64(), or floatX=float64 in PyMC)."
        )
    if f.source == "chains":
        if f.still_drifting:
            found.append(
                f"The refining chains still move (most in {f.drift_name}): the draws lag behind "
                "the posterior. Reparameterize (a non-centered form often helps), or continue "
                "with isogmm.nuts_from(idata, model)."
            )
        elif not f.forgotten:
            found.append(
                "The refining chains still remember where they started. Raise the budget with "
                "refine=isogmm.Refine(max_gradients=...), or continue with isogmm.nuts_from."
            )
        if f.stuck > STUCK:
            found.append(
                f"{f.stuck:.0%} of the refining chains hardly moved: there are regions that need "
                "much smaller steps. Reparameterize the model."
            )
    elif f.relative_ess < FLAT_ESS and not f.pareto_k <= (
        PARETO_K if f.source == "importance" else GOOD_K
    ):
        found.append(
            f"Pareto k is {f.pareto_k:.2f}: the mixture misses part of the posterior. Leave "
            'refine="auto" on, or continue with isogmm.nuts_from(idata, model).'
        )
    elif f.relative_ess < (0.05 if f.source == "importance" else 0.5):
        found.append(
            f"Importance weights leave {f.relative_ess:.0%} of the draws: the mixture is only a "
            'rough description. Leave refine="auto" on.'
        )
    if f.mcse > MCSE:
        found.append(
            f"The mean of {f.mcse_name} has a Monte Carlo error of {f.mcse:.2f} sd: the chains "
            "move too slowly there."
        )
    if f.rhat > RHAT + RHAT_NOISE / f.num_draws and f.num_modes < 2:
        found.append(
            f"The chains disagree (R-hat {f.rhat:.2f} for {f.rhat_name}): some of them miss part "
            "of the posterior."
        )
    if f.num_modes > 1 and f.unseen > UNSEEN:
        found.append(
            f"{f.num_modes} modes were found, and one start in {1 / f.unseen:.0f} may still find "
            "a new one: raise the number of starts with init=isogmm.Locate(max_starts=...)."
        )
    if f.num_modes > 1 and f.mass_se > MASS_SE:
        found.append(
            f"The masses of the {f.num_modes} modes are uncertain by up to {f.mass_se:.2f}."
        )
    if f.elbo_gap > 1.0:
        found.append(
            f"The ELBOs of the chains differ by {f.elbo_gap:.1f} nats beyond their noise: some "
            "chains are trapped."
        )
    if f.nonfinite_share > NONFINITE:
        found.append(
            f"{f.nonfinite_share:.0%} of the mixture's draws have no finite log density: the "
            "posterior has a hard edge. Constrain the parameter with a transform."
        )
    return found

"""Arithmetic of uncertain minutes: what is left of a visit, the later of two times, the quantiles of a wait.

Touches nothing. Minutes are floats; variances are minutes squared.
"""

import math

Z80 = 1.2816
"""Standard deviations to the 10th and 90th percentile of a normal."""
Z90 = 1.6449
ROOT_2 = math.sqrt(2)
DENSITY_0 = 1 / math.sqrt(2 * math.pi)
FAR_TAIL = 1e-9
"""Below this chance the ratio of normal tails is noise, and its limit takes over."""
SHORTEST_WAIT = 0.01


def phi(x: float) -> float:
    """The chance that a standard normal is below x."""
    return 0.5 * math.erfc(-x / ROOT_2)


def later_of(mean_a: float, var_a: float, mean_b: float, var_b: float) -> tuple[float, float]:
    """Mean and variance of the later of two independent normal times.

    C. E. Clark, "The greatest of a finite set of random variables", Operations Research 9, 1961.
    """
    theta = math.sqrt(var_a + var_b)
    if theta == 0:
        return max(mean_a, mean_b), 0.0
    alpha = (mean_a - mean_b) / theta
    density = math.exp(-alpha * alpha / 2) * DENSITY_0
    a_later = phi(alpha)
    mean = mean_a * a_later + mean_b * (1 - a_later) + theta * density
    second = (mean_a**2 + var_a) * a_later + (mean_b**2 + var_b) * (1 - a_later) + (mean_a + mean_b) * theta * density
    return max(mean, mean_a, mean_b), max(second - mean * mean, 0.0)


def remaining(log_mean: float, sigma2: float, elapsed: float) -> tuple[float, float]:
    """Mean and variance of the minutes left of a lognormal visit that has lasted `elapsed` (above 0).

    W. Whitt, "Predicting queueing delays", Management Science 45, 1999: condition on the time in service.
    """
    sigma = math.sqrt(sigma2)
    a = (log_mean - math.log(elapsed)) / sigma
    beyond = phi(a)
    if beyond < FAR_TAIL:  # what is left then grows like an exponential of mean elapsed * sigma / |a|
        left = elapsed * sigma / abs(a)
        return left, left * left
    mean = math.exp(log_mean + sigma2 / 2) * phi(a + sigma) / beyond
    second = math.exp(2 * log_mean + 2 * sigma2) * phi(a + 2 * sigma) / beyond
    return max(mean - elapsed, 0.0), max(second - mean * mean, 0.0)


def wait_quantiles(
    wait: float, variance: float, widen_low: float, widen_high: float, z: float = Z80
) -> tuple[float, float, float]:
    """Low, median and high minutes of a lognormal wait of that mean and variance (Fenton-Wilkinson).

    L. F. Fenton, "The sum of log-normal probability distributions", IRE Trans. Communications Systems 8, 1960.
    """
    wait = max(wait, SHORTEST_WAIT)
    ratio = 1 + variance / (wait * wait)
    median = wait / math.sqrt(ratio)
    step = z * math.sqrt(math.log(ratio))
    return median * math.exp(-widen_low * step), median, median * math.exp(widen_high * step)

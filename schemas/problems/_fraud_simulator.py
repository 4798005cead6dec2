"""What would a year of card payments look like, with fraud that changes its habits half-way?

A seeded simulator in the tradition of the Fraud Detection Handbook (Le Borgne et al., 2022):
customers pay at terminals, some terminals and some cards are compromised for a while, prepaid cards
buy goods to be sold on, and a label arrives days after the payment. Four things are planted, each on
a day counted from `START`:

- a seasonal wave in the amounts, all year, which is normal variation and no drift;
- `CONCEPT_DAY`: fraud moves to card testing (small online payments at night), features stay put;
- `COVARIATE_DAY`: dearer payments in shops and more payments online, fraud given features stays put;
- `VIRTUAL_CARD_DAY`: a card type that no model has seen.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

__all__ = [
    "CONCEPT_DAY",
    "COVARIATE_DAY",
    "START",
    "VIRTUAL_CARD_DAY",
    "WAVE_PERIOD_DAYS",
    "payments",
    "rule",
]

START = datetime(2025, 1, 1, tzinfo=UTC)
CONCEPT_DAY = 217
COVARIATE_DAY = 238
VIRTUAL_CARD_DAY = 342
WAVE_PERIOD_DAYS = 56

N_CUSTOMERS = 5_000
N_TERMINALS = 1_500
# Simulated before START and dropped, so that what looks back is as full on day 0 as on any later
# day: 28 days of known frauds after 14 days of label delay, and one wave of amounts.
BURN_IN_DAYS = 60
DAY_US = 86_400_000_000
WEEKDAY_VOLUME = (0.96, 0.97, 0.98, 1.00, 1.06, 1.08, 0.95)  # Monday first; mean 1

# Relative volume of each hour of the day, 0 to 23. A quarter of online payments are made at night.
POS_HOURS = np.array([1] * 6 + [4, 8, 10, 10, 12, 14, 16, 14, 12, 12, 14, 16, 16, 12, 8, 6, 3, 2])
ONLINE_HOURS = np.array([9] * 6 + [4, 5, 6, 7, 8, 9, 10, 9, 8, 8, 8, 9, 11, 13, 14, 14, 12, 10])

# Share of the payments concerned that are fraud, by mechanism, before CONCEPT_DAY.
TERMINAL_FRAUD, CARD_FRAUD, PREPAID_FRAUD, STRAY_FRAUD = 0.60, 0.50, 0.20, 0.0003
PREPAID_AMOUNT = 60.0  # above it, online: goods bought to be sold on, with a card that names nobody
OLD_FRAUD_KEPT = 0.30  # from CONCEPT_DAY on
CARD_TESTING_FRAUD = 0.37  # from CONCEPT_DAY on: replaces what the old mechanisms lost
CARD_TESTING_AMOUNT = 12.0


@dataclass(frozen=True, kw_only=True)
class _World:
    """What does not change from one payment to the next; rows of the matrices are days."""

    log_taste: np.ndarray  # (N_CUSTOMERS,) log of a customer's amounts relative to the median
    card_type: np.ndarray  # (N_CUSTOMERS,)
    customer_cdf: np.ndarray  # (N_CUSTOMERS,) cumulated share of the payments
    terminal_cdf: np.ndarray  # (N_TERMINALS,)
    card_compromised: np.ndarray  # (BURN_IN_DAYS + days, N_CUSTOMERS) bool
    terminal_compromised: np.ndarray  # (BURN_IN_DAYS + days, N_TERMINALS) bool


def payments(*, seed: int, days: int = 365, per_day: int = 2_000) -> pd.DataFrame:
    """One row per payment of the first `days` days, about `per_day` a day, in order of `paid_at`.

    A function of its arguments alone; fewer days give the first rows of the longer frame.
    `fraud` (0 or 1) is known from `fraud_known_at` on, and so is `review_score`, which gives it away.
    All else was known at `paid_at`: `amount_ratio` is the amount relative to the customer's mean of
    the 56 days before (1.0 if there is none), and `*_frauds_known_28d` counts frauds of the 28 days
    before whose label had arrived.
    """
    if not 1 <= days <= 900 or per_day < 1:
        raise ValueError(f"days must be 1 to 900 and per_day at least 1, got {days=}, {per_day=}")
    world = _world(seed=seed, days=days)
    simulated = range(-BURN_IN_DAYS, days)
    every_day = [_one_day(world, seed=seed, day=day, per_day=per_day) for day in simulated]
    frame = pd.concat(every_day, ignore_index=True)
    frame = frame.assign(**_known_at_payment(frame))
    frame = frame[frame["paid_us"] >= 0].reset_index(drop=True)
    return _dated(frame)


def rule(frame: pd.DataFrame) -> np.ndarray:
    """The analysts' score in [0, 1], shape (n_rows,); a payment at 0.5 or above is reviewed."""
    score = (
        0.10 * frame["terminal_frauds_known_28d"].clip(upper=6)
        + 0.10 * frame["customer_frauds_known_28d"].clip(upper=3)
        + 0.10 * (frame["amount_ratio"] - 1).clip(0, 5)
        + 0.20 * (frame["amount"] > 200)
    )
    return score.clip(0, 1).to_numpy(dtype=float)


def _world(*, seed: int, days: int) -> _World:
    rng = np.random.default_rng([seed, 0])
    return _World(
        log_taste=rng.normal(0, 0.2, N_CUSTOMERS),
        card_type=rng.choice(np.array(["debit", "credit", "prepaid"], dtype=object), N_CUSTOMERS, p=[0.6, 0.32, 0.08]),
        customer_cdf=_cdf(rng.gamma(4.0, size=N_CUSTOMERS)),
        terminal_cdf=_cdf(rng.gamma(12.0, size=N_TERMINALS)),
        card_compromised=_compromised(
            n=N_CUSTOMERS, at_a_time=30, shortest=12, longest=16, days=days, rng=rng.spawn(1)[0]
        ),
        terminal_compromised=_compromised(
            n=N_TERMINALS, at_a_time=10, shortest=21, longest=28, days=days, rng=rng.spawn(1)[0]
        ),
    )


def _cdf(weight: np.ndarray) -> np.ndarray:
    return np.cumsum(weight) / np.sum(weight)


def _draw(cdf: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices 0 to len(cdf) - 1, drawn with the cumulated probabilities `cdf`."""
    return np.searchsorted(cdf[:-1], rng.random(size), side="right")


def _compromised(
    *, n: int, at_a_time: int, shortest: int, longest: int, days: int, rng: np.random.Generator
) -> np.ndarray:
    """Who is compromised on which day, shape (BURN_IN_DAYS + days, n).

    When one spell (of `shortest` to `longest` days) ends the next begins elsewhere, so that the
    intensity of fraud has no trend that a drift monitor could mistake for the planted one.
    """
    length = rng.integers(shortest, longest + 1, at_a_time)
    offset = rng.integers(0, length)
    day = np.arange(BURN_IN_DAYS + days)[:, None]
    spell = (day + offset) // length
    victim = rng.integers(0, n, (spell.max() + 1, at_a_time))  # last: `days` may only append
    result = np.zeros((len(day), n), dtype=bool)
    result[day, victim[spell, np.arange(at_a_time)]] = True
    return result


def _one_day(world: _World, *, seed: int, day: int, per_day: int) -> pd.DataFrame:
    """The payments of one day in order of time, from random numbers of that day's own."""
    rng = np.random.default_rng([seed, 1, day + BURN_IN_DAYS])
    weekday = (START.weekday() + day) % 7
    n = max(1, round(per_day * WEEKDAY_VOLUME[weekday] * rng.normal(1, 0.01)))
    online = rng.random(n) < (0.50 if day >= COVARIATE_DAY else 0.35)
    hour = np.where(online, _draw(_cdf(ONLINE_HOURS), n, rng), _draw(_cdf(POS_HOURS), n, rng))
    customer = _draw(world.customer_cdf, n, rng)
    virtual = (rng.random(n) < 0.03) & (day >= VIRTUAL_CARD_DAY)
    frame = pd.DataFrame(
        {
            "paid_us": day * DAY_US + hour * (DAY_US // 24) + rng.integers(0, DAY_US // 24, n),
            "customer_id": customer,
            "terminal_id": _draw(world.terminal_cdf, n, rng),
            "amount": _amount(world.log_taste[customer], online=online, hour=hour, day=day, rng=rng),
            "hour": hour,
            "weekday": weekday,
            "channel": np.where(online, "online", "pos"),
            "card_type": np.where(virtual, "virtual", world.card_type[customer]),
        }
    )
    return _with_fraud(frame, world, day=day, rng=rng).sort_values("paid_us", kind="stable")


def _amount(
    log_taste: np.ndarray, *, online: np.ndarray, hour: np.ndarray, day: int, rng: np.random.Generator
) -> np.ndarray:
    """Amounts of honest payments: shop baskets, larger ones online, and small digital goods."""
    n = len(log_taste)
    drifted = day >= COVARIATE_DAY
    centre, spread = np.where(online, 4.2, 3.4), np.where(online, 0.65, 0.6)
    basket = np.exp(centre + log_taste + spread * rng.normal(size=n))
    digital = np.exp(rng.normal(1.9, 0.35, n))
    # What moves online then is baskets: were there more digital goods, there would be more card testing.
    share = np.where(hour < 6, 0.24, 0.12) * (0.7 if drifted else 1.0)
    is_digital = online & (rng.random(n) < share)
    dearer = np.where(online, 1.0, 1.35 if drifted else 1.0)
    wave = 1 + 0.06 * np.sin(2 * np.pi * day / WAVE_PERIOD_DAYS)
    return np.where(is_digital, digital, basket * dearer) * wave * rng.normal(1, 0.01)


def _with_fraud(frame: pd.DataFrame, world: _World, *, day: int, rng: np.random.Generator) -> pd.DataFrame:
    """Add `fraud`, the day its label arrives and the review score; stolen cards pay 3 to 6 times."""
    n, kept = len(frame), OLD_FRAUD_KEPT if day >= CONCEPT_DAY else 1.0
    customer, terminal = frame["customer_id"].to_numpy(), frame["terminal_id"].to_numpy()
    compromised = world.card_compromised[day + BURN_IN_DAYS, customer]
    stolen = compromised & (rng.random(n) < CARD_FRAUD * kept)
    amount = (frame["amount"].to_numpy() * np.where(stolen, rng.uniform(3, 6, n), 1.0)).clip(0.01).round(2)
    skimmed = world.terminal_compromised[day + BURN_IN_DAYS, terminal]
    online = (frame["channel"] == "online").to_numpy()
    resale = online & (frame["card_type"] == "prepaid").to_numpy() & (amount > PREPAID_AMOUNT)
    share = np.select([skimmed, resale], [TERMINAL_FRAUD, PREPAID_FRAUD], STRAY_FRAUD)
    testable = online & (frame["hour"] < 6).to_numpy() & (amount < CARD_TESTING_AMOUNT)
    tested = testable & (rng.random(n) < CARD_TESTING_FRAUD) & (day >= CONCEPT_DAY)
    fraud = stolen | (rng.random(n) < share * kept) | tested
    delay = np.where(fraud, 14 * rng.beta(2.2, 3.7, n), 3 * rng.random(n))  # days; median 5 if fraud
    return frame.assign(
        amount=amount,
        # Most tests of a night are made at one merchant, another one each night: known
        # frauds then say little about where testers are now, and the counts hardly move.
        terminal_id=np.where(tested & (rng.random(n) < 0.6), rng.integers(N_TERMINALS), terminal),
        fraud=fraud.astype("int64"),
        known_us=frame["paid_us"] + (delay * DAY_US).astype("int64"),
        review_score=rng.normal(np.where(fraud, 8.0, 2.0), 1.0),
    )


def _known_at_payment(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The features that look back, each from what was known when the payment was made."""
    total, count = _earlier(frame, back_us=WAVE_PERIOD_DAYS * DAY_US)  # the wave cancels
    mean = total / np.maximum(count, 1)
    cents = frame["amount"].to_numpy() * 100
    return {
        "amount_ratio": np.divide(cents, mean, out=np.ones(len(frame)), where=count > 0),
        "customer_payments_24h": _earlier(frame, back_us=DAY_US)[1],
        "customer_frauds_known_28d": _frauds_known(frame, "customer_id"),
        "terminal_frauds_known_28d": _frauds_known(frame, "terminal_id"),
    }


def _key(owner: pd.Series, time_us: pd.Series) -> np.ndarray:
    """One integer that sorts by owner and then by time, for times of -200 to 1,000 days."""
    return owner.to_numpy() * (1_200 * DAY_US) + time_us.to_numpy() + 200 * DAY_US


def _earlier(frame: pd.DataFrame, *, back_us: int) -> tuple[np.ndarray, np.ndarray]:
    """Total (cents) and number of the same customer's payments in the `back_us` before each row."""
    key = _key(frame["customer_id"], frame["paid_us"])
    order = np.argsort(key, kind="stable")
    # In whole cents the running total is exact, so it cannot depend on the other customers.
    cents = (frame["amount"].to_numpy()[order] * 100).round().astype("int64")
    running = np.concatenate([[0], np.cumsum(cents)])
    last = np.searchsorted(key[order], key, side="left")
    first = np.searchsorted(key[order], key - back_us, side="left")
    return running[last] - running[first], last - first


def _frauds_known(frame: pd.DataFrame, owner: str) -> np.ndarray:
    """Frauds of the same owner in the 28 days before each payment whose label had arrived by then.

    Labels take less than 28 days, so these are the labels that have arrived less the frauds that
    are older than 28 days.
    """
    frauds = frame[frame["fraud"] == 1]
    known = np.sort(_key(frauds[owner], frauds["known_us"]))
    paid = np.sort(_key(frauds[owner], frauds["paid_us"]))
    now = _key(frame[owner], frame["paid_us"])
    arrived = np.searchsorted(known, now, side="right")
    return arrived - np.searchsorted(paid, now - 28 * DAY_US, side="left")


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Number the payments, turn microseconds since START into dates, and order the columns."""
    start = pd.Timestamp(START).as_unit("us")
    dates = {
        "payment_id": np.arange(1, len(frame) + 1),
        "paid_at": start + pd.to_timedelta(frame["paid_us"], unit="us"),
        "fraud_known_at": start + pd.to_timedelta(frame["known_us"], unit="us"),
    }
    at_payment = ["payment_id", "paid_at", "customer_id", "terminal_id", "amount", "hour", "weekday"]
    at_payment += ["channel", "card_type", "amount_ratio", "customer_payments_24h"]
    at_payment += ["customer_frauds_known_28d", "terminal_frauds_known_28d"]
    return frame.assign(**dates)[[*at_payment, "fraud", "fraud_known_at", "review_score"]]

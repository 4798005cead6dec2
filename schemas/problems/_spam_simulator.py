"""What would three months of a firm's mail look like, with three kinds of spam that are found in three different ways?

A seeded simulator. What a message is made of is planted, so that each step of looking at errors has something to find:

- `offer`, half of the spam: bulk offers, whose words newsletters use as well, but not so many at once. Words find them.
- `phishing`: notices that look like a bank's or a shop's, from which one habit parts them: a brand that is misspelt, each
  time in another way, so that no word is seen twice, and links that lead elsewhere than they say. Derived columns find it.
- `transfer`: ordinary business mail that wants money sent to another account. It has the words of honest business mail
  and no link; only the order of its words is another, so that pairs of words find a part of it. The rest is what is left.

One label in fifty is wrong: somebody reported a newsletter, or never reported an offer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

__all__ = ["BRANDS", "KINDS", "START", "messages"]

START = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
BRANDS = ("paypal", "amazon", "microsoft", "netflix", "dhl", "sparkasse", "vodafone", "linkedin")
WRONG_LABELS = 0.02
DAY_US = 86_400_000_000
WEEKDAY_VOLUME = (1.15, 1.15, 1.1, 1.1, 1.0, 0.75, 0.75)  # Monday first; mean 1
_LOOKALIKES = {"a": "4", "o": "0", "i": "1", "l": "1", "e": "3", "s": "5", "n": "m", "d": "cl"}


@dataclass(frozen=True)
class _Kind:
    """How messages of one kind are drawn. `senders` are shares of company, webmail, list and unknown."""

    share: float
    spam: bool
    senders: tuple[float, float, float, float]
    links: float  # mean
    attached: float  # share with an attachment
    by_night: float  # share sent at any hour, the rest in office hours
    mismatch: float  # share with a link whose text names another domain
    pools: Mapping[str, float]  # of which pieces its body is put together
    pieces: tuple[int, int]


_OFFER = (
    "limited offer just for you|save up to seventy percent today|free trial with no risk|you have been selected|"
    "claim your prize now|cheap meds without prescription|earn money from home|double your income in weeks|"
    "act now before it ends|click here to order|exclusive deal for winners|lose weight fast|hot stocks that explode|"
    "guaranteed approval for your loan|no credit check needed|risk free investment|cash bonus waiting|congratulations winner"
)
_NEWSLETTER = (
    "this week in our newsletter|new articles on our blog|limited offer for subscribers|save on your next order today|"
    "free trial of the new release|read the full story online|our spring collection is here|unsubscribe at any time|"
    "upcoming webinar on data quality|you receive this because you signed up|click here to read more|members get a bonus|"
    "recipes for the weekend|events near you this month|the editors recommend"
)
_BUSINESS = (
    "thanks for the call this morning|minutes of our meeting are attached|could you review the draft|let us meet on thursday|"
    "the project is on schedule|please find the report attached|the contract needs your signature|looking forward to your feedback|"
    "the supplier confirmed the delivery|see the agenda below|can you send the figures|the offer is ready for the customer|"
    "budget for the next quarter|our colleagues from sales|kind regards from the office|the order was shipped"
)
_PERSONAL = (
    "how are you doing|see you at the weekend|happy birthday to you|the kids say hello|dinner at our place|"
    "pictures from the holiday|did you see the match|mum asks when you come|good luck with the exam|free on saturday|"
    "let me know when you arrive|thanks for the lovely evening"
)
_NOTICE = (
    "your account statement is ready|please verify your email address|a new sign in to your account|your password was changed|"
    "your parcel arrives tomorrow|confirm your payment method|your subscription renews soon|security notice for your account|"
    "log in to see the details|update your account settings|if this was not you contact us|your invoice is available online"
)
# Each second one has the words of the first, in another order: what parts them is which word follows which.
_MONEY = (
    ("there are no changes to our bank account and payment is due", "there are changes to our bank account and no payment is due"),
    ("pay to the known account and not to a new one", "pay to a new account and not to the known one"),
    ("please transfer after the call and do not call before the transfer", "please do not call before the transfer and transfer after the call"),
    ("the invoice is as agreed and the account is the same", "the account is as agreed and the invoice is the same"),
    ("i am back in the office and not travelling so call me", "i am not back in the office and travelling so call me"),
    ("this is not urgent and can wait until the board has met", "this is urgent and can not wait until the board has met"),
)  # fmt: skip
_POOLS: Mapping[str, Sequence[str]] = {
    "offer": _OFFER.split("|"),
    "newsletter": _NEWSLETTER.split("|"),
    "business": _BUSINESS.split("|"),
    "personal": _PERSONAL.split("|"),
    "notice": _NOTICE.split("|"),
    "agreed": [honest for honest, _ in _MONEY],
    "changed": [other for _, other in _MONEY],
}
KINDS: Mapping[str, _Kind] = {
    "business": _Kind(
        0.30, False, (0.85, 0.1, 0, 0.05), 0.5, 0.35, 0.1, 0.01, {"business": 0.75, "agreed": 0.25}, (4, 9)
    ),
    "personal": _Kind(
        0.12, False, (0.05, 0.85, 0, 0.1), 0.3, 0.15, 0.5, 0.0, {"personal": 0.9, "business": 0.1}, (2, 6)
    ),
    "newsletter": _Kind(
        0.15, False, (0.2, 0, 0.75, 0.05), 5.0, 0.02, 0.3, 0.06, {"newsletter": 0.85, "offer": 0.15}, (5, 10)
    ),
    "notice": _Kind(0.13, False, (0.7, 0, 0.25, 0.05), 2.0, 0.1, 0.4, 0.03, {"notice": 0.9, "business": 0.1}, (2, 5)),
    "offer": _Kind(
        0.15, True, (0.15, 0.35, 0.3, 0.2), 4.0, 0.05, 0.7, 0.25, {"offer": 0.55, "newsletter": 0.45}, (3, 8)
    ),
    "phishing": _Kind(0.09, True, (0.5, 0.15, 0.15, 0.2), 2.0, 0.1, 0.5, 0.7, {"notice": 0.9, "business": 0.1}, (2, 5)),
    "transfer": _Kind(
        0.06, True, (0.75, 0.2, 0, 0.05), 0.4, 0.3, 0.15, 0.01, {"business": 0.7, "changed": 0.3}, (4, 9)
    ),
}
_SUBJECTS: Mapping[str, Sequence[str]] = {
    "business": ("project status", "meeting on thursday", "re: draft contract", "invoice and payment", "figures for the quarter"),
    "personal": ("hello", "weekend", "pictures", "happy birthday", "re: dinner"),
    "newsletter": ("news of the week", "our latest offer", "new on our blog", "deals for members"),
    "notice": ("your account", "security notice", "your parcel", "your invoice", "please confirm"),
    "offer": ("our latest offer", "you won", "deals only today", "re: your request", "news for winners"),
    "phishing": ("your account", "security notice", "your parcel", "action needed", "please confirm"),
    "transfer": ("invoice and payment", "re: draft contract", "project status", "payment today"),
}  # fmt: skip
_SENDERS = np.array(["company", "webmail", "list", "unknown"], dtype=object)


def messages(*, seed: int, days: int = 90, per_day: int = 60) -> pd.DataFrame:
    """One row a message of the first `days` days, about `per_day` a day, in order of `received_at`.

    A function of its arguments alone; fewer days give the first rows of the longer frame. `spam` (0 or 1) is known from
    `spam_known_at` on, within two days. All else was known at `received_at`: `brand_misspelt` says whether the body has
    a word that nearly is one of BRANDS, `link_mismatch` whether a link leads elsewhere than its text says.
    """
    if not 1 <= days <= 900 or per_day < 1:
        raise ValueError(f"days must be 1 to 900 and per_day at least 1, got {days=}, {per_day=}")
    rows = [row for day in range(days) for row in _one_day(np.random.default_rng([seed, day]), day, per_day)]
    frame = pd.DataFrame(rows)
    start = pd.Timestamp(START).as_unit("us")
    received = (start + pd.to_timedelta(frame.pop("at"), unit="us")).astype("datetime64[us, UTC]")
    known = (start + pd.to_timedelta(frame.pop("known"), unit="us")).astype("datetime64[us, UTC]")
    frame.insert(0, "message_id", np.arange(1, len(frame) + 1))
    frame.insert(1, "received_at", received)
    texts = dict.fromkeys(("sender", "subject", "body"), "str")
    return frame.astype(texts | {"spam": float}).assign(spam_known_at=known)


def _one_day(rng: np.random.Generator, day: int, per_day: int) -> list[dict[str, object]]:
    n = max(1, round(per_day * WEEKDAY_VOLUME[day % 7] * rng.normal(1, 0.05)))
    names, shares = list(KINDS), np.array([kind.share for kind in KINDS.values()])
    drawn = rng.choice(len(names), n, p=shares / shares.sum())
    return sorted((_message(rng, names[k], day) for k in drawn), key=lambda row: int(str(row["at"])))


def _message(rng: np.random.Generator, name: str, day: int) -> dict[str, object]:
    kind = KINDS[name]
    hour = int(rng.integers(0, 24) if rng.random() < kind.by_night else rng.integers(7, 19))
    at = day * DAY_US + hour * (DAY_US // 24) + int(rng.integers(0, DAY_US // 24))
    body, misspelt = _body(rng, name, kind)
    mismatch = int(rng.random() < kind.mismatch)
    spam = kind.spam != (rng.random() < WRONG_LABELS)
    known = at + int(rng.uniform(0.02, 1.9) * DAY_US)
    return {
        "at": at,
        "sender": rng.choice(_SENDERS, p=kind.senders),
        "hour": hour,
        "weekday": day % 7,
        "links": int(rng.poisson(kind.links)) + mismatch,
        "recipients": 1 + int(rng.poisson(0.8 if name in ("business", "transfer", "personal") else 0.2)),
        "attachments": int(rng.random() < kind.attached),
        "words": len(body.split()),
        "subject": _one_of(rng, _SUBJECTS[name]),
        "body": body,
        "brand_misspelt": int(misspelt),
        "link_mismatch": mismatch,
        "spam": int(spam),
        "known": known,
    }


def _body(rng: np.random.Generator, name: str, kind: _Kind) -> tuple[str, bool]:
    """The text, and whether a brand in it is misspelt."""
    pools, weights = list(kind.pools), np.array(list(kind.pools.values()))
    drawn = rng.choice(len(pools), int(rng.integers(*kind.pieces, endpoint=True)), p=weights / weights.sum())
    pieces = [_one_of(rng, _POOLS[pools[k]]) for k in drawn]
    misspelt = False
    if name in ("notice", "phishing", "newsletter") and rng.random() < 0.85:
        # Honest people mistype a brand once in a while, and one forger in four can spell.
        misspelt = bool(rng.random() < (0.75 if name == "phishing" else 0.01))
        brand = _one_of(rng, BRANDS)
        pieces.insert(0, f"from {_misspelt(rng, brand) if misspelt else brand}")
    return ". ".join(pieces), misspelt


def _one_of(rng: np.random.Generator, texts: Sequence[str]) -> str:
    return texts[int(rng.integers(len(texts)))]


def _misspelt(rng: np.random.Generator, brand: str) -> str:
    """The brand with one letter that looks like another, one doubled, or one left out: hardly ever the same twice."""
    k = int(rng.integers(len(brand)))
    way = rng.integers(3)
    if way == 0 and brand[k] in _LOOKALIKES:
        return brand[:k] + _LOOKALIKES[brand[k]] + brand[k + 1 :]
    doubled = brand[: k + 1] + brand[k] + brand[k + 1 :]
    return doubled + str(rng.integers(10)) if way == 1 else brand[:k] + brand[k + 1 :] + str(rng.integers(100))

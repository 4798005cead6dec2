"""What do the names of columns usually mean? A name alone decides nothing: it only tips what the values leave open."""

import re

__all__ = ["bare", "has", "tokens"]


def tokens(name: str) -> tuple[str, ...]:
    """The words of a column's name, in lower case: at signs of any kind, and where capitals begin.

    >>> tokens("arrival_date_dayOfMonth")
    ('arrival', 'date', 'day', 'of', 'month')
    >>> tokens("PatientID")
    ('patient', 'id')
    """
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", parted)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", parted) if word)


def bare(name: str) -> str:
    """The name without anything but letters and digits, in lower case.

    >>> bare("No-show")
    'noshow'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def has(name: str, words: frozenset[str]) -> bool:
    """Is one of the words a word of this name, or all of it?"""
    return bool(set(tokens(name)) & words) or bare(name) in words


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TARGETS = _set(
    "target label class y outcome churn churned exited attrition canceled cancelled cancellation fraud isfraud default "
    "defaulted survived noshow converted conversion subscribed responded response deposit diagnosis income price saleprice "
    "sales revenue cnt count demand quality species delay arrdelay consumption demand load traffic volume medv grade "
    "defaultpaymentnextmonth loanstatus statusgroup tripduration pm25 rating result won win failure fail readmitted "
    "appliances ridership wage totalamount fare approved satisfaction satisfied click clicked purchase purchased stroke disease "
    "rentedbikecount trafficvolume medianhousevalue charges strength resale left winner renewed reordered yield"
)
# Words that name a kind of thing to be predicted wherever they stand in a name.
TARGET_WORDS = _set(
    "target label churn churned attrition cancel canceled cancelled fraud default survived noshow converted conversion "
    "subscribed delay price sales ridership demand consumption traffic failure readmitted exited satisfaction risk duration"
)
IDS = _set(
    "id uuid guid key code no number num nr customer user patient client account member store shop card machine device "
    "sensor driver vendor tailnum employee person passenger household merchant terminal rider station subscriber "
    "policyholder borrower agent company player student"
)
PERSONS = _set(
    "customer user patient client account member employee person passenger household subscriber borrower student card "
    "cust rider driver policyholder guest"
)
PERSONAL = _set(
    "email mail phone telephone mobile address street ssn passport birth birthday birthdate dob iban ip firstname lastname "
    "surname forename fullname latitude longitude lat lon long lng zip zipcode postcode postal plate licence license"
)
EVENTS = _set(
    "time date timestamp datetime created start started pickup order ordered arrival scheduled dteday day issue issued "
    "opened open event transaction trans purchase invoice booking booked sold sale request requested hour when at ts "
    "registered registration trip sched"
)
# A time with one of these words in its name is when something became known, not when it was asked.
LATE_TIMES = _set(
    "status closed close resolution resolved paid payment updated modified dropoff end ended finish finished return "
    "returned delivered delivery actual completed completion settled settlement review reviewed decision reported labeled "
    "labelled last known pymnt credit expired cancelled canceled exit left churned pull"
)
NO_EVENTS = _set("birth birthday birthdate dob born built renovated expiry expires expiration earliest")
# Planned before the event: a day in the future that is known all the same.
PLANNED = _set("appointment arrival due planned scheduled departure checkin promised deadline maturity")
# What happens with or after the event, whatever the table: never known when the question is asked.
LATE = _set(
    "outcome resolution resolved actual recovery recoveries recovered refund refunded refunds collected settled settlement "
    "chargeback dropoff returned"
)
LATE_NAMES = _set(
    "totalpymnt totalpymntinv totalrecprncp totalrecint totalreclatefee lastpymntd lastpymntamnt lastcreditpulld nextpymntd "
    "collectionrecoveryfee outprncp outprncpinv reservationstatus arrtime arrdelay deptime depdelay airtime taxiin taxiout "
    "wheelson wheelsoff actualelapsedtime cancellationcode cancellationreason churnreason churnscore churncategory "
    "churnlabel churnvalue customerstatus carrierdelay weatherdelay nasdelay securitydelay lateaircraftdelay tripduration "
    "hardshipflag debtsettlementflag lastficorangehigh lastficorangelow assignedroomtype boat body alive"
)
# Where somebody wants to go is said when they ask; "dropoff" and its like are late of times and amounts only.
PLACES = frozenset({"longitude", "latitude", "lon", "lat", "long", "location", "zone", "borough", "address", "city"})
# How long before the event it was asked for.
LEADS = frozenset({"lead", "advance", "notice"})
# Often filled with the label, often not: a suspicion only where the column also predicts best.
PERHAPS_LATE = _set(
    "duration status closed closing paid payment pymnt final reason customers visitors transactions casual registered units "
    "delivered delivery review shipped completed"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

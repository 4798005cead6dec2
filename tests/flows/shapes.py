"""The shapes of well-known public tables: columns, formats and quirks from memory, values simulated. Each writes a file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["SHAPES"]

SHAPES: dict[str, Callable[[Path, int], Path]] = {}


def shape(make: Callable[[np.random.Generator, int], tuple[pd.DataFrame, dict]]) -> Callable:
    def write(folder: Path, rows: int = 3_000) -> Path:
        frame, options = make(np.random.default_rng(11), rows)
        path = folder / f"{make.__name__}.csv"
        frame.to_csv(path, **({"index": False} | options))
        return path

    SHAPES[make.__name__] = write
    return write


def _logit(x):
    return 1 / (1 + np.exp(-x))


def _flip(rng, p):
    return rng.random(len(p)) < p


@shape
def hotel(rng, n):
    lead = rng.gamma(1.2, 80, n).astype(int)
    arrival = pd.Timestamp("2015-07-01") + pd.to_timedelta(np.sort(rng.integers(0, 790, n)), "D")
    segment = rng.choice(
        ["Online TA", "Offline TA/TO", "Groups", "Direct", "Corporate"], n, p=[0.47, 0.2, 0.17, 0.11, 0.05]
    )
    deposit = np.where(rng.random(n) < 0.12, "Non Refund", "No Deposit")
    canceled = _flip(rng, _logit(-1.3 + lead / 150 + 3 * (deposit == "Non Refund") - (segment == "Direct")))
    back = np.where(canceled, -(lead * rng.random(n)), rng.integers(1, 8, n)).astype(int)
    status = np.where(canceled, np.where(rng.random(n) < 0.03, "No-Show", "Canceled"), "Check-Out")
    return pd.DataFrame(
        {
            "hotel": rng.choice(["City Hotel", "Resort Hotel"], n, p=[0.66, 0.34]),
            "is_canceled": canceled.astype(int),
            "lead_time": lead,
            "arrival_date_year": arrival.year,
            "arrival_date_month": arrival.strftime("%B"),
            "arrival_date_week_number": arrival.isocalendar().week.to_numpy(),
            "arrival_date_day_of_month": arrival.day,
            "stays_in_week_nights": rng.poisson(2.5, n),
            "adults": rng.integers(1, 4, n),
            "children": np.where(rng.random(n) < 0.001, np.nan, rng.integers(0, 3, n)),
            "meal": rng.choice(["BB", "HB", "SC", "Undefined"], n),
            "country": np.where(rng.random(n) < 0.01, "NULL", rng.choice(["PRT", "GBR", "FRA", "ESP", "DEU"], n)),
            "market_segment": segment,
            "is_repeated_guest": (rng.random(n) < 0.03).astype(int),
            "deposit_type": deposit,
            "agent": np.where(rng.random(n) < 0.14, "NULL", rng.integers(1, 300, n).astype(str)),
            "company": np.where(rng.random(n) < 0.94, "NULL", rng.integers(1, 300, n).astype(str)),
            "adr": np.round(rng.gamma(4, 25, n), 2),
            "total_of_special_requests": rng.integers(0, 4, n),
            "reservation_status": status,
            "reservation_status_date": (arrival + pd.to_timedelta(back, "D")).strftime("%Y-%m-%d"),
        }
    ), {}


@shape
def no_show(rng, n):
    scheduled = pd.Timestamp("2016-03-01T08:00:00Z") + pd.to_timedelta(np.sort(rng.integers(0, 90 * 86400, n)), "s")
    wait = np.where(rng.random(n) < 0.35, 0, rng.gamma(1.2, 10, n)).astype(int)
    age = rng.integers(0, 95, n)
    missed = _flip(rng, _logit(-2.4 + 0.9 * np.log1p(wait) - age / 80))
    return pd.DataFrame(
        {
            "PatientId": rng.choice(rng.integers(10**10, 10**14, n // 2).astype(float), n),
            "AppointmentID": rng.permutation(np.arange(5_000_000, 5_000_000 + n)),
            "Gender": rng.choice(["F", "M"], n),
            "ScheduledDay": scheduled.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "AppointmentDay": (scheduled.normalize() + pd.to_timedelta(wait, "D")).strftime("%Y-%m-%dT00:00:00Z"),
            "Age": age,
            "Neighbourhood": rng.choice([f"PLACE {i}" for i in range(60)], n),
            "Scholarship": rng.integers(0, 2, n),
            "Hipertension": rng.integers(0, 2, n),
            "SMS_received": (rng.random(n) < 0.3).astype(int),
            "No-show": np.where(missed, "Yes", "No"),
        }
    ), {}


@shape
def bank(rng, n):
    duration = rng.gamma(1.5, 170, n).astype(int)
    balance = rng.normal(1300, 2500, n).astype(int)
    poutcome = rng.choice(["unknown", "failure", "success", "other"], n, p=[0.8, 0.11, 0.04, 0.05])
    yes = _flip(rng, _logit(-4.2 + duration / 170 + 2.0 * (poutcome == "success") + balance / 5000))
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "job": rng.choice(["admin.", "technician", "services", "management", "retired"], n),
            "marital": rng.choice(["married", "single", "divorced"], n),
            "education": rng.choice(["primary", "secondary", "tertiary", "unknown"], n),
            "default": rng.choice(["no", "yes"], n, p=[0.98, 0.02]),
            "balance": balance,
            "housing": rng.choice(["yes", "no"], n),
            "loan": rng.choice(["yes", "no"], n),
            "contact": rng.choice(["cellular", "telephone", "unknown"], n),
            "day": rng.integers(1, 32, n),
            "month": rng.choice(["may", "jul", "aug", "jun", "nov"], n),
            "duration": duration,
            "campaign": rng.integers(1, 10, n),
            "pdays": np.where(rng.random(n) < 0.8, -1, rng.integers(1, 400, n)),
            "previous": rng.poisson(0.5, n),
            "poutcome": poutcome,
            "y": np.where(yes, "yes", "no"),
        }
    ), {"sep": ";", "quoting": 2}


@shape
def telco(rng, n):
    tenure = rng.integers(0, 73, n)
    monthly = np.round(rng.uniform(18, 120, n), 2)
    contract = rng.choice(["Month-to-month", "One year", "Two year"], n, p=[0.55, 0.21, 0.24])
    churn = _flip(rng, _logit(-1.2 + 1.8 * (contract == "Month-to-month") - tenure / 25 + monthly / 100))
    return pd.DataFrame(
        {
            "customerID": [f"{a:04d}-{''.join(rng.choice(list('ABCDEFGHJKLMNP'), 5))}" for a in rng.permutation(n)],
            "gender": rng.choice(["Male", "Female"], n),
            "SeniorCitizen": rng.integers(0, 2, n),
            "Partner": rng.choice(["Yes", "No"], n),
            "tenure": tenure,
            "InternetService": rng.choice(["DSL", "Fiber optic", "No"], n),
            "Contract": contract,
            "PaperlessBilling": rng.choice(["Yes", "No"], n),
            "PaymentMethod": rng.choice(["Electronic check", "Mailed check", "Bank transfer (automatic)"], n),
            "MonthlyCharges": monthly,
            "TotalCharges": np.where(tenure == 0, " ", np.round(tenure * monthly, 2).astype(str)),
            "Churn": np.where(churn, "Yes", "No"),
        }
    ), {}


@shape
def adult(rng, n):
    age, hours = rng.integers(17, 90, n), rng.integers(10, 80, n)
    education = rng.choice(["HS-grad", "Some-college", "Bachelors", "Masters"], n)
    married = rng.choice(["Married-civ-spouse", "Never-married", "Divorced"], n)
    rich = _flip(
        rng,
        _logit(-4 + age / 40 + hours / 40 + 1.5 * (education == "Masters") + 1.5 * (married == "Married-civ-spouse")),
    )
    frame = pd.DataFrame(
        {
            "age": age,
            "workclass": np.where(rng.random(n) < 0.06, "?", rng.choice(["Private", "State-gov", "Self-emp-inc"], n)),
            "fnlwgt": rng.integers(12_000, 900_000, n),
            "education": education,
            "education_num": rng.integers(1, 17, n),
            "marital": married,
            "occupation": np.where(rng.random(n) < 0.06, "?", rng.choice(["Sales", "Tech-support", "Craft-repair"], n)),
            "sex": rng.choice(["Male", "Female"], n),
            "capital_gain": np.where(rng.random(n) < 0.9, 0, rng.integers(100, 99_999, n)),
            "hours": hours,
            "country": np.where(rng.random(n) < 0.02, "?", "United-States"),
            "income": np.where(rich, ">50K", "<=50K"),
        }
    )
    return frame.astype(str).apply(lambda c: " " + c if c.name != "age" else c), {"header": False}


@shape
def lending(rng, n):
    issued = pd.Timestamp("2012-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 48, n)) * 30.44, "D")
    rate, amount = np.round(rng.uniform(5, 25, n), 2), rng.integers(10, 350, n) * 100
    bad = _flip(rng, _logit(-3.2 + rate / 9))
    paid = np.where(bad, amount * rng.uniform(0.1, 0.7, n), amount * 1.15)
    last = issued + pd.to_timedelta(np.where(bad, rng.integers(90, 500, n), rng.integers(200, 1000, n)), "D")
    return pd.DataFrame(
        {
            "id": rng.permutation(np.arange(10**6, 10**6 + n)),
            "loan_amnt": amount,
            "term": rng.choice([" 36 months", " 60 months"], n),
            "int_rate": [f"{r:.2f}%" for r in rate],
            "grade": rng.choice(list("ABCDEFG"), n),
            "emp_title": [f"title {i}" for i in rng.integers(0, 900, n)],
            "emp_length": rng.choice(["10+ years", "2 years", "< 1 year", "n/a"], n),
            "annual_inc": rng.integers(20, 200, n) * 1000.0,
            "issue_d": issued.strftime("%b-%Y"),
            "loan_status": np.where(bad, "Charged Off", "Fully Paid"),
            "dti": np.round(rng.uniform(0, 35, n), 2),
            "earliest_cr_line": (issued - pd.to_timedelta(rng.integers(1000, 9000, n), "D")).strftime("%b-%Y"),
            "revol_util": [f"{r:.1f}%" for r in rng.uniform(0, 100, n)],
            "total_pymnt": np.round(paid, 2),
            "recoveries": np.where(bad, np.round(amount * rng.uniform(0, 0.2, n), 2), 0.0),
            "last_pymnt_d": last.strftime("%b-%Y"),
            "last_pymnt_amnt": np.round(rng.uniform(10, 5000, n), 2),
            "policy_code": 1,
        }
    ), {}


@shape
def taxi(rng, n):
    pickup = pd.Timestamp("2016-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 180 * 86400, n)), "s")
    lon, lat = rng.normal(-73.97, 0.03, n), rng.normal(40.75, 0.03, n)
    lon2, lat2 = lon + rng.normal(0, 0.03, n), lat + rng.normal(0, 0.03, n)
    far = np.hypot(lon - lon2, lat - lat2)
    seconds = (
        120 + far * 18_000 * rng.lognormal(0, 0.3, n) * (1 + 0.5 * ((pickup.hour > 7) & (pickup.hour < 19)))
    ).astype(int)
    return pd.DataFrame(
        {
            "id": [f"id{i:07d}" for i in rng.permutation(n)],
            "vendor_id": rng.integers(1, 3, n),
            "pickup_datetime": pickup.strftime("%Y-%m-%d %H:%M:%S"),
            "dropoff_datetime": (pickup + pd.to_timedelta(seconds, "s")).strftime("%Y-%m-%d %H:%M:%S"),
            "passenger_count": rng.integers(1, 7, n),
            "pickup_longitude": lon,
            "pickup_latitude": lat,
            "dropoff_longitude": lon2,
            "dropoff_latitude": lat2,
            "store_and_fwd_flag": rng.choice(["N", "Y"], n, p=[0.99, 0.01]),
            "trip_duration": seconds,
        }
    ), {}


@shape
def rossmann(rng, n):
    stores = 60
    days = max(n // stores, 30)
    day = np.repeat(np.arange(days)[::-1], stores)
    store = np.tile(np.arange(1, stores + 1), days)
    date = pd.Timestamp("2013-01-01") + pd.to_timedelta(day, "D")
    opened = (date.dayofweek != 6).astype(int)
    promo = (day // 7 % 2).astype(int)
    customers = (opened * (400 + 10 * store + 150 * promo + rng.normal(0, 60, len(day)))).clip(0).astype(int)
    return pd.DataFrame(
        {
            "Store": store,
            "DayOfWeek": date.dayofweek + 1,
            "Date": date.strftime("%Y-%m-%d"),
            "Sales": (customers * rng.normal(9, 0.6, len(day))).astype(int),
            "Customers": customers,
            "Open": opened,
            "Promo": promo,
            "StateHoliday": rng.choice(["0", "a"], len(day), p=[0.97, 0.03]),
            "SchoolHoliday": rng.integers(0, 2, len(day)),
        }
    ), {}


@shape
def pm25(rng, n):
    time = pd.date_range("2010-01-01", periods=n, freq="h")
    temperature = 12 + 15 * np.sin(np.arange(n) / 8766 * 2 * np.pi) + rng.normal(0, 3, n)
    wind = rng.gamma(1, 20, n)
    level = np.exp(4.6 - wind / 60 - temperature / 60 + rng.normal(0, 0.5, n)).round()
    return pd.DataFrame(
        {
            "No": np.arange(1, n + 1),
            "year": time.year,
            "month": time.month,
            "day": time.day,
            "hour": time.hour,
            "pm2.5": np.where(rng.random(n) < 0.05, "NA", level.astype(int).astype(str)),
            "DEWP": rng.integers(-40, 28, n),
            "TEMP": temperature.round(),
            "PRES": rng.normal(1016, 10, n).round(),
            "cbwd": rng.choice(["NW", "cv", "SE", "NE"], n),
            "Iws": wind.round(2),
        }
    ), {}


@shape
def metro(rng, n):
    time = pd.date_range("2012-10-02 09:00", periods=n, freq="h").repeat(rng.integers(1, 3, n))[:n]
    hour = time.hour.to_numpy()
    volume = 3200 + 2200 * np.sin((hour - 7) / 24 * 2 * np.pi) - 900 * (time.dayofweek > 4) + rng.normal(0, 400, n)
    return pd.DataFrame(
        {
            "holiday": np.where(rng.random(n) < 0.002, "Labor Day", "None"),
            "temp": rng.normal(281, 13, n).round(2),
            "rain_1h": np.where(rng.random(n) < 0.93, 0.0, rng.gamma(1, 1, n).round(2)),
            "snow_1h": 0.0,
            "clouds_all": rng.integers(0, 101, n),
            "weather_main": rng.choice(["Clouds", "Clear", "Mist", "Rain"], n),
            "weather_description": rng.choice(["sky is clear", "mist", "light rain"], n),
            "date_time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "traffic_volume": np.asarray(volume).clip(0).astype(int),
        }
    ), {}


@shape
def houses(rng, n):
    sold = pd.Timestamp("2014-05-02") + pd.to_timedelta(rng.integers(0, 390, n), "D")
    living = rng.gamma(6, 350, n).astype(int) + 300
    grade = np.clip((living / 500 + rng.normal(4, 1, n)).round(), 3, 13).astype(int)
    price = np.exp(11 + living / 3000 + grade / 10 + rng.normal(0, 0.25, n)).round(-2)
    return pd.DataFrame(
        {
            "id": rng.integers(10**6, 10**10, n),
            "date": sold.strftime("%Y%m%dT000000"),
            "price": price,
            "bedrooms": rng.integers(1, 7, n),
            "bathrooms": rng.choice([1.0, 1.75, 2.25, 2.5], n),
            "sqft_living": living,
            "sqft_lot": rng.gamma(1, 12_000, n).astype(int) + 500,
            "floors": rng.choice([1.0, 1.5, 2.0], n),
            "waterfront": (rng.random(n) < 0.01).astype(int),
            "grade": grade,
            "yr_built": rng.integers(1900, 2016, n),
            "yr_renovated": np.where(rng.random(n) < 0.95, 0, rng.integers(1950, 2016, n)),
            "zipcode": rng.choice(np.arange(98001, 98071), n),
            "lat": rng.normal(47.5, 0.1, n).round(4),
            "long": rng.normal(-122.2, 0.1, n).round(3),
        }
    ), {}


@shape
def seoul(rng, n):
    time = pd.date_range("2017-12-01", periods=n, freq="h")
    temperature = 12 - 14 * np.cos(np.arange(n) / 8766 * 2 * np.pi) + rng.normal(0, 3, n)
    rented = (
        (300 + 20 * temperature + 300 * np.sin((time.hour.to_numpy() - 8) / 24 * 2 * np.pi) + rng.normal(0, 90, n))
        .clip(0)
        .astype(int)
    )
    return pd.DataFrame(
        {
            "Date": time.strftime("%d/%m/%Y"),
            "Rented Bike Count": rented,
            "Hour": time.hour,
            "Temperature(°C)": temperature.round(1),
            "Humidity(%)": rng.integers(20, 99, n),
            "Wind speed (m/s)": rng.gamma(2, 0.9, n).round(1),
            "Seasons": np.array(["Winter", "Spring", "Summer", "Autumn"])[(time.month % 12) // 3],
            "Holiday": rng.choice(["No Holiday", "Holiday"], n, p=[0.95, 0.05]),
            "Functioning Day": rng.choice(["Yes", "No"], n, p=[0.97, 0.03]),
        }
    ), {"encoding": "latin-1"}


@shape
def wine(rng, n):
    alcohol, acid = rng.normal(10.4, 1.1, n).round(1), rng.normal(0.53, 0.18, n).clip(0.1).round(3)
    quality = np.clip(
        (5.6 + 0.4 * (alcohol - 10.4) - 1.5 * (acid - 0.53) + rng.normal(0, 0.6, n)).round(), 3, 8
    ).astype(int)
    return pd.DataFrame(
        {
            "fixed acidity": rng.normal(8.3, 1.7, n).clip(4).round(1),
            "volatile acidity": acid,
            "residual sugar": rng.gamma(3, 0.8, n).round(1),
            "density": rng.normal(0.9967, 0.002, n).round(5),
            "pH": rng.normal(3.3, 0.15, n).round(2),
            "alcohol": alcohol,
            "quality": quality,
        }
    ), {"sep": ";"}


@shape
def flights(rng, n):
    time = pd.Timestamp("2013-01-01 05:00") + pd.to_timedelta(np.sort(rng.integers(0, 365 * 20, n)), "h")
    carrier = rng.choice(["UA", "AA", "DL", "B6", "EV"], n)
    late = rng.gamma(0.8, 18, n) + 6 * (carrier == "EV") + 0.8 * time.hour.to_numpy() - 20
    away = rng.integers(30, 400, n)
    arrival = late + rng.normal(0, 12, n)
    gone = rng.random(n) < 0.02
    return pd.DataFrame(
        {
            "year": time.year,
            "month": time.month,
            "day": time.day,
            "dep_time": np.where(gone, np.nan, (time.hour * 100 + rng.integers(0, 59, n))),
            "sched_dep_time": time.hour * 100,
            "dep_delay": np.where(gone, np.nan, late.round()),
            "arr_time": np.where(gone, np.nan, (time.hour * 100 + away).astype(float)),
            "arr_delay": np.where(gone, np.nan, arrival.round()),
            "carrier": carrier,
            "flight": rng.integers(1, 6000, n),
            "tailnum": [f"N{i}UA" for i in rng.integers(100, 900, n)],
            "origin": rng.choice(["EWR", "JFK", "LGA"], n),
            "dest": rng.choice(["ATL", "ORD", "LAX", "BOS"], n),
            "air_time": np.where(gone, np.nan, away),
            "distance": away * 7,
            "hour": time.hour,
            "minute": 0,
            "time_hour": time.strftime("%Y-%m-%dT%H:00:00Z"),
        }
    ), {}


@shape
def credit(rng, n):
    limit, pay = rng.integers(1, 80, n) * 10_000, rng.integers(-2, 5, n)
    bad = _flip(rng, _logit(-1.6 + 0.6 * pay - limit / 600_000))
    return pd.DataFrame(
        {
            "ID": np.arange(1, n + 1),
            "LIMIT_BAL": limit,
            "SEX": rng.integers(1, 3, n),
            "EDUCATION": rng.integers(0, 7, n),
            "AGE": rng.integers(21, 79, n),
            "PAY_0": pay,
            "BILL_AMT1": rng.normal(50_000, 70_000, n).astype(int),
            "PAY_AMT1": rng.gamma(0.5, 10_000, n).astype(int),
            "default payment next month": bad.astype(int),
        }
    ), {}

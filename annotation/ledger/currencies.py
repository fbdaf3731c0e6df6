"""Currencies of ISO 4217 and amounts of them: whole millionths ("micros") inside, decimal text outside.

micros("0.12") == 120_000        text(120_000, "EUR") == "0.12"        payable(1_239_999, "EUR") == 1_230_000
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICRO = 1_000_000
MOST = 10**9  # of a currency, in one amount
CODES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC
    CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
    ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
    XPF YER ZAR ZMW ZWG
    """.split()
)
WHOLE = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
THOUSANDTHS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


def digits(currency: str) -> int:
    """Decimal digits of the smallest coin: 2 for most."""
    return 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2


def micros(amount: object) -> int:
    """Decimal text, a Decimal or a whole number as micros. Raises ValueError for anything else: floats, more than six
    digits behind the point, more than a billion."""
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        raise ValueError("not a decimal number")
    if isinstance(amount, str) and (not amount.isascii() or "_" in amount or len(amount) > 40):
        raise ValueError("not a decimal number")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise ValueError("not a decimal number") from None
    if not number.is_finite() or abs(number) > MOST:
        raise ValueError("not a decimal number that large")
    whole = number * MICRO
    if whole != whole.to_integral_value():
        raise ValueError("more than six digits behind the point")
    return int(whole)


def payable(amount: int, currency: str) -> int:
    """What of an amount in micros can be paid out in whole coins: rounded down; nothing of a negative one."""
    coin = MICRO // 10 ** digits(currency)
    return max(0, amount) // coin * coin


def text(amount: int, currency: str) -> str:
    """Exact decimal text, with at least the digits of the currency's smallest coin and no more than it needs."""
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    behind = f"{size % MICRO:06d}".rstrip("0").ljust(digits(currency), "0")
    return f"{sign}{size // MICRO}" + (f".{behind}" if behind else "")

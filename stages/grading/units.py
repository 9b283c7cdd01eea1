"""Units, by dimension and size, so that 80 cents is 0.80 dollars and 5 cm is not 5 m.

An answer without a unit is right with or without one; two answers with known units must agree in the quantity.
"""

from fractions import Fraction

_TABLE = {
    "length": {
        "mm millimeter millimeters millimetre millimetres": "1/1000",
        "cm centimeter centimeters centimetre centimetres": "1/100",
        "dm decimeter decimeters": "1/10",
        "m meter meters metre metres": "1",
        "km kilometer kilometers kilometre kilometres": "1000",
        "in inch inches": "0.0254",
        "ft foot feet": "0.3048",
        "yd yard yards": "0.9144",
        "mi mile miles": "1609.344",
    },
    "time": {
        "s sec secs second seconds": "1",
        "min mins minute minutes": "60",
        "h hr hrs hour hours": "3600",
        "day days": "86400",
        "week weeks": "604800",
        "month months": "2629746",
        "yr yrs year years": "31556952",
    },
    "mass": {
        "mg milligram milligrams": "1/1000",
        "g gram grams": "1",
        "kg kilogram kilograms": "1000",
        "lb lbs pound pounds": "453.59237",
        "oz ounce ounces": "28.349523125",
        "ton tons": "907184.74",
    },
    "volume": {
        "ml milliliter milliliters": "1/1000",
        "l liter liters litre litres": "1",
        "gal gallon gallons": "3.785411784",
    },
    "money": {"cent cents": "1/100", "$ dollar dollars usd": "1"},
    "euros": {"€ euro euros eur": "1"},
    "sterling": {"£ gbp": "1"},
    "": {"unit units": "1", "yuan": "1", "people": "1", "sq": "1", "square": "1", "cubic": "1", "points": "1"},
}  # fmt: skip

MULTIPLES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
UNITS = {
    name: (dimension, Fraction(size))
    for dimension, sizes in _TABLE.items()
    for names, size in sizes.items()
    for name in names.split()
}


_RATES = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h"}


def quantity(unit: str) -> tuple[str, Fraction] | None:
    """The dimension and size of a unit as it is written (`square cm`, `cm^2`, `miles per hour`); None where unknown."""
    unit = _RATES.get(unit.strip().lower(), unit)
    above, slash, below = unit.replace(" per ", "/").partition("/")
    top, bottom = _simple(above), _simple(below)
    if not slash:
        return top
    return (f"{top[0]}/{bottom[0]}", top[1] / bottom[1]) if top and bottom else None


def _simple(unit: str) -> tuple[str, Fraction] | None:
    words = unit.lower().replace(".", " ").replace("^", " ^").split()
    exponent = 1
    names = []
    for word in words:
        if word.startswith("^"):
            exponent = int(word[1:]) if word[1:].isdecimal() and len(word) == 2 else 0
        elif word in ("square", "sq"):
            exponent = 2
        elif word in ("cubic", "cu"):
            exponent = 3
        else:
            names.append(word)
    if len(names) != 1 or names[0] not in UNITS or not exponent:
        return None
    dimension, size = UNITS[names[0]]
    return (f"{dimension}^{exponent}", size**exponent) if dimension else None

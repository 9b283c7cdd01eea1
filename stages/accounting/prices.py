"""prices.yaml: what an hour of a device costs, by market and day, and where each price is known from.

The user's own price (`operations.prices` of params.yaml) comes first; of the list's the newest of its market counts. A device
that nobody has a price for is an error that says how to add one: its bill could only be guessed afterwards.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stages.accounting.records import BookedPrice
from stages.errors import LadderError
from stages.params import Market, OwnPrice, Section, dotted, read_yaml, validated

PRICES = Path("prices.yaml")
OWN = "own"  # the market of a user's own price

Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Price:
    """What one `device` costs, and the row that says so; what the row doesn't know is None.

    `usd_per_kwh` is that of the energy which comes on top of the hours; None where they include it, as a user's own price does.
    `watts` is the most that the device is built to draw, `peak_tflops_bf16` its dense bfloat16 rate in 1e12 operations a second,
    `memory_gb` in 1e9 bytes, `memory_gb_per_s` what it reads of them a second.
    """

    device: str
    market: str
    usd_per_hour: float
    usd_per_kwh: float | None
    date: datetime.date | None
    source: str
    watts: float | None
    peak_tflops_bf16: float | None
    memory_gb: float | None
    memory_gb_per_s: float | None

    def booked(self) -> BookedPrice:
        """What the ledger keeps of it."""
        date = "undated" if self.date is None else self.date.isoformat()
        return BookedPrice(self.usd_per_hour, self.usd_per_kwh, self.market, date, self.source)


class Electricity(Section):
    """What a kilowatt-hour costs where a device's price does not include it."""

    usd_per_kwh: Positive
    date: datetime.date
    source: Text


class Carbon(Section):
    """What a kilowatt-hour emits, in kilograms of CO2."""

    kg_per_kwh: Annotated[float, Field(ge=0)]
    date: datetime.date
    source: Text


class Hardware(Section):
    """What a device's maker publishes of it."""

    watts: Positive | None
    """The most it is built to draw; of a CPU core an estimate."""
    peak_tflops_bf16: Positive | None
    """Dense bfloat16 tensor operations, 1e12 a second."""
    memory_gb: Positive | None
    memory_gb_per_s: Positive | None
    source: Text


class MarketPrice(Section):
    """What a device cost on one market on one day."""

    market: Market
    usd_per_hour: Positive
    energy_included: bool
    date: datetime.date
    """The day that the price was read, or published."""
    source: Text


class DevicePrices(Section):
    """A device, by the name that torch and NVML give it, and its prices."""

    device: Text
    also: list[Text]
    """Its other names."""
    hardware: Hardware | None
    prices: Annotated[list[MarketPrice], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_price_a_day(self) -> Self:
        seen = set()
        for price in self.prices:
            if (price.market, price.date) in seen:
                raise ValueError(
                    f"prices: two of market {price.market!r} on {price.date}; only one can count: remove the other, or give "
                    "it a market of its own"
                )
            seen.add((price.market, price.date))
        return self

    def newest(self, market: str) -> MarketPrice | None:
        offers = [price for price in self.prices if price.market == market]
        return max(offers, key=lambda price: price.date, default=None)


class PriceList(Section):
    """The whole of prices.yaml."""

    currency: Literal["USD"]
    electricity: Electricity | None
    carbon: Carbon | None
    devices: list[DevicePrices]

    @model_validator(mode="after")
    def _a_name_is_one_devices(self) -> Self:
        seen = set()
        for row in self.devices:
            for name in (row.device, *row.also):
                if name in seen:
                    raise ValueError(f"devices: {name!r} is there twice; put its prices under one")
                seen.add(name)
        return self

    @model_validator(mode="after")
    def _energy_has_a_price(self) -> Self:
        for row in self.devices:
            if self.electricity is None and not all(price.energy_included for price in row.prices):
                raise ValueError(
                    f"electricity: null, but a price of {row.device!r} does not include its energy; say what a kWh costs"
                )
        return self

    def price_of(self, device: str, market: str, own: Mapping[str, OwnPrice]) -> Price:
        """The price of `device`: the user's `own`, or else the newest of `market`.

        Raises LadderError that lists the device's markets where `market` is none of them, and the lines to add where the device
        is unknown.
        """
        row = next((row for row in self.devices if device in (row.device, *row.also)), None)
        mine = own.get(device) or (own.get(row.device) if row else None)
        if mine is not None:
            return _price(device, OWN, mine.usd_per_hour, None, None, mine.source, row)
        if row is None:
            raise LadderError(_unknown(device, market))
        offer = row.newest(market)
        if offer is None:
            raise LadderError(
                f"params.yaml: operations.market: {market!r}, but {PRICES} has {row.device!r} on "
                f"{', '.join(sorted({price.market for price in row.prices}))} alone; choose one of these, or put your own price "
                f"in operations.prices: {_own_lines(device)}"
            )
        energy = None if offer.energy_included or self.electricity is None else self.electricity.usd_per_kwh
        return _price(device, market, offer.usd_per_hour, energy, offer.date, offer.source, row)

    def on_market(self, market: str, own: Mapping[str, OwnPrice]) -> dict[str, Price]:
        """Every device's price by each of its names, of those that `own` or `market` has."""
        named = [name for row in self.devices if row.newest(market) for name in (row.device, *row.also)]
        return {device: self.price_of(device, market, own) for device in {**dict.fromkeys(named), **own}}


def read_prices(path: Path = PRICES) -> PriceList:
    """The price list of `path`. Raises LadderError with one line that names every wrong row and field, and the mend."""
    if not path.exists():
        raise LadderError(f"{path}: missing; `git checkout {path}` brings it back")
    values = read_yaml(path)
    return validated(PriceList, values, path, "the rows beside it have", lambda loc: _row(values, loc))


def _price(
    device: str,
    market: str,
    usd_per_hour: float,
    usd_per_kwh: float | None,
    date: datetime.date | None,
    source: str,
    row: DevicePrices | None,
) -> Price:
    known = row.hardware if row else None
    return Price(
        device, market, usd_per_hour, usd_per_kwh, date, source,
        known.watts if known else None,
        known.peak_tflops_bf16 if known else None,
        known.memory_gb if known else None,
        known.memory_gb_per_s if known else None,
    )  # fmt: skip


def _unknown(device: str, market: str) -> str:
    name = json.dumps(device)  # a quoted string of YAML too
    row = (
        f"{{device: {name}, also: [], hardware: null, prices: [{{market: {market}, usd_per_hour: DOLLARS, "
        f'energy_included: true, date: {datetime.date.today()}, source: "WHERE IT IS KNOWN FROM"}}]}}'
    )
    return (
        f"{PRICES}: no price for {device!r}; add the line `  - {row}` to its devices, or to params.yaml's operations.prices "
        f"{_own_lines(device)}"
    )


def _own_lines(device: str) -> str:
    return f'`{json.dumps(device)}: {{usd_per_hour: DOLLARS, source: "WHERE IT IS KNOWN FROM"}}`'


def _row(values: Any, loc: Sequence[int | str]) -> str:
    """A field's place, with the name of the device whose row it is in."""
    match loc:
        case ["devices", int(index), *rest]:
            name = values["devices"][index]
            name = name.get("device") if isinstance(name, dict) else None
            return dotted([f"devices.{index}{f' ({name})' if isinstance(name, str) else ''}", *rest])
        case _:
            return dotted(loc)

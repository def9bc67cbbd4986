"""A cart: a model of models, for arguments that are more than a number."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

SKU = UUID("12345678-1234-5678-1234-567812345678")


class Color(Enum):
    RED = "red"
    TWO = 2


class Line(BaseModel):
    """A nested model."""

    sku: UUID
    price: Decimal
    tags: set[str] = set()


class Cart(BaseModel):
    """A model of models, with a name of its own in JSON."""

    model_config = ConfigDict(populate_by_name=True)

    lines: list[Line]
    made_at: datetime = Field(alias="madeAt")
    color: Color | None = None

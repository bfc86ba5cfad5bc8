"""The kinds of text and number that requests may hold, with their bounds, once."""

from typing import Annotated

from litestar.params import Parameter
from msgspec import Meta

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
PathId = Annotated[int, Parameter(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]*$")]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
Phone = Annotated[str, Meta(min_length=3, max_length=40, pattern=r"^[0-9+()./ -]+$")]
NewPassword = Annotated[str, Meta(min_length=8, max_length=200)]
Secret = Annotated[str, Meta(max_length=400)]
Line = Annotated[str, Meta(max_length=120, pattern=NO_CONTROL)]
Reason = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")]
WrittenReason = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
Minutes = Annotated[int, Meta(ge=1, le=720)]
DelayMinutes = Annotated[int, Meta(ge=0, le=720)]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM at the hospital")]
EndClock = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", description="HH:MM, up to 24:00")]
TokenPrefix = Annotated[str, Meta(min_length=1, max_length=4, pattern=r"^[A-Z0-9]+$")]
SlotMinutes = Annotated[int, Meta(ge=1, le=240)]
Weekday = Annotated[int, Meta(ge=0, le=6, description="Monday is 0")]
Capacity = Annotated[int, Meta(ge=1, le=20)]
DoctorIds = Annotated[list[Id], Meta(min_length=1, max_length=8)]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Languages = Annotated[list[Language], Meta(min_length=1, max_length=4)]

"""The kinds of text and number that requests may hold, with their bounds, once."""

from typing import Annotated

from litestar.params import Parameter
from msgspec import Meta

# In Python a bare `$` also matches before a last newline.
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$(?!\n)"

ID_MAX = 2**63 - 1
Id = Annotated[int, Meta(ge=0, le=ID_MAX)]
PathId = Annotated[int, Parameter(ge=0, le=ID_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]*$(?!\n)")]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$(?!\n)")]
Phone = Annotated[str, Meta(min_length=3, max_length=40, pattern=r"^[0-9+()./ -]+$(?!\n)")]
NewPassword = Annotated[str, Meta(min_length=8, max_length=200)]
Secret = Annotated[str, Meta(max_length=400)]
Line = Annotated[str, Meta(max_length=120, pattern=NO_CONTROL)]
TEXT = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*"
"""Lines and tabs are text; other control characters are not."""
Reason = Annotated[str, Meta(max_length=500, pattern=rf"^{TEXT}$(?!\n)")]
WrittenReason = Annotated[str, Meta(max_length=500, pattern=rf"^(?=\s*\S){TEXT}$(?!\n)")]
Minutes = Annotated[int, Meta(ge=1, le=720)]
DelayMinutes = Annotated[int, Meta(ge=0, le=720)]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", description="HH:MM at the hospital")]
EndClock = Annotated[
    str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$(?!\n)", description="HH:MM, up to 24:00")
]
TokenPrefix = Annotated[str, Meta(min_length=1, max_length=4, pattern=r"^[A-Z0-9]+$(?!\n)")]
SlotMinutes = Annotated[int, Meta(ge=1, le=240)]
Weekday = Annotated[int, Meta(ge=0, le=6, description="Monday is 0")]
Capacity = Annotated[int, Meta(ge=1, le=20)]
Wait = Annotated[int, Meta(ge=0, le=240, description="minutes")]
Places = Annotated[int, Meta(ge=0, le=20, description="patients")]
Calls = Annotated[int, Meta(ge=1, le=20)]
Rooms = Annotated[int, Meta(ge=1, le=10)]
WalkIns = Annotated[int, Meta(ge=0, le=2000)]
HORIZON_DAYS_MAX = 730
HorizonDays = Annotated[int, Meta(ge=0, le=HORIZON_DAYS_MAX)]
CutoffMinutes = Annotated[int, Meta(ge=0, le=7 * 1440)]
Timezone = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$", description="IANA name")]
DoctorIds = Annotated[list[Id], Meta(min_length=1, max_length=8)]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)")]
Languages = Annotated[list[Language], Meta(min_length=1, max_length=4)]

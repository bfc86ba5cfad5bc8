"""Access tokens: only our own, whole, of the right kind and not yet expired. Everything else is 401."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from builders import PASSWORD, Asker, Clinic, Server, refused
from conftest import Clock

pytestmark = pytest.mark.anyio

Claims = dict[str, Any]
Forge = Callable[[Claims, str], str]


def without(claim: str) -> Forge:
    return lambda good, secret: jwt.encode({name: good[name] for name in good if name != claim}, secret)


def having(**claims: Any) -> Forge:
    return lambda good, secret: jwt.encode(good | claims, secret)


def unsigned(good: Claims, _secret: str) -> str:
    return jwt.encode(good, None, algorithm="none")


def unsigned_in_capitals(good: Claims, _secret: str) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "nOnE", "typ": "JWT"}, good)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


FORGED: dict[str, Forge] = {
    "nothing like a token": lambda _good, _secret: "abc",
    "three empty parts": lambda _good, _secret: "..",
    "alg none": unsigned,
    "alg nOnE": unsigned_in_capitals,
    "another algorithm": lambda good, secret: jwt.encode(good, secret * 2, algorithm="HS512"),
    "another secret": lambda good, secret: jwt.encode(good, secret[::-1] + "x"),
    "no signature": lambda good, secret: jwt.encode(good, secret).rpartition(".")[0] + ".",
    "a signature cut short": lambda good, secret: jwt.encode(good, secret)[:-4],
    "claims changed after signing": lambda good, secret: ".".join(
        (
            jwt.encode(good, secret).split(".")[0],
            jwt.encode(good | {"sub": "2"}, secret[::-1]).split(".")[1],
            jwt.encode(good, secret).split(".")[2],
        )
    ),
    **{f"no {claim}": without(claim) for claim in ("iss", "aud", "exp", "iat", "jti", "typ", "sub", "role")},
    "typ refresh": having(typ="refresh"),
    "typ null": having(typ=None),
    "another issuer": having(iss="elsewhere"),
    "another audience": having(aud="elsewhere"),
    "a role of its own": having(role="admin"),
    "a subject that is no number": having(sub="me"),
    "a subject that is nobody": having(sub=str(10**12)),
    "a doctor that is no number": having(doctor="1"),
    "expiry in words": having(exp="tomorrow"),
    "expiry null": having(exp=None),
    "long expired": having(exp=1),
    "an expiry that never comes": having(exp=float("nan")),
    "a session that is no session": having(sid="mine"),
    "not good yet": having(nbf=4_000_000_000),
    "a claim that is not ours": having(admin=True),
}


def good_claims(asker: Asker) -> Claims:
    return jwt.decode(str(asker.token), options={"verify_signature": False})


async def test_a_forged_token_is_401(clinic: Clinic) -> None:
    for what, forge in FORGED.items():
        token = forge(good_claims(clinic.reception), clinic.server.settings.jwt_secret)
        answer = await Asker(clinic.server.http, token).get("/auth/me")
        assert (answer.status, answer.get("code")) == (401, "invalid_token"), what
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_control_of_all_these_forgeries_is_a_token_that_passes(clinic: Clinic) -> None:
    token = jwt.encode(good_claims(clinic.reception), clinic.server.settings.jwt_secret)
    assert (await Asker(clinic.server.http, token).get("/auth/me")).status == 200


async def test_a_token_is_good_until_it_expires_and_not_a_second_longer(clinic: Clinic, clock: Clock) -> None:
    assert (await clinic.doctor.get("/auth/me")).status == 200
    lasts = good_claims(clinic.doctor)["exp"] - clock.now.timestamp()
    clock.forward(seconds=lasts - 1)
    assert (await clinic.doctor.get("/auth/me")).status == 200
    clock.forward(seconds=1)
    refused(await clinic.doctor.get("/auth/me"), 401, "invalid_token")


async def test_a_refresh_token_is_no_access_token(server: Server) -> None:
    body = {"email": "a@example.org", "password": PASSWORD}
    await server.anybody.post("/auth/register", {"name": "A", **body})
    login = await server.anybody.post("/auth/login", body)
    refused(await Asker(server.http, login["refresh_token"]).get("/auth/me"), 401, "invalid_token")


async def test_an_access_token_is_no_refresh_token(clinic: Clinic) -> None:
    answer = await clinic.server.anybody.post("/auth/refresh", {"refresh_token": str(clinic.doctor.token)[:400]})
    refused(answer, 401, "invalid_token")


async def test_only_the_bearer_scheme_opens(clinic: Clinic) -> None:
    for scheme in ("Basic {}", "{}", "Bearer", "JWT {}", "Bearer  {}", "Bearer {} x", "Token {}"):
        answer = await clinic.server.anybody.get("/auth/me", authorization=scheme.format(clinic.doctor.token))
        assert (answer.status, answer["code"]) == (401, "invalid_token"), scheme


async def test_without_a_header_it_is_401_before_anything_else_is_looked_at(clinic: Clinic) -> None:
    for method, path in (
        ("GET", "/auth/me"),
        ("POST", "/auth/logout"),
        ("POST", f"/hospitals/{clinic.hospital_id}/doctors"),
        ("PATCH", f"/doctors/{clinic.doctor_id}"),
        ("PUT", f"/doctors/{clinic.doctor_id}/schedule"),
        ("POST", f"/hospitals/{clinic.hospital_id}/displays"),
        ("GET", f"/hospitals/{clinic.hospital_id}/displays"),
        ("DELETE", "/displays/1"),
        ("POST", "/appointments/book"),
        ("POST", "/appointments/walk-in"),
        ("GET", "/appointments/mine"),
        ("GET", "/appointments/1"),
        ("GET", "/appointments/1/events"),
        ("GET", f"/appointments/doctor/{clinic.doctor_id}/today"),
        ("PATCH", "/appointments/1/status"),
        ("POST", f"/queues/{clinic.doctor_id}/call-next"),
    ):
        answer = await clinic.server.anybody.ask(method, path, b"{not json")
        refused(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_of_a_clock_slightly_ahead_is_not_refused(clinic: Clinic) -> None:
    claims = good_claims(clinic.doctor)
    ahead = claims | {"iat": claims["iat"] + timedelta(seconds=30).total_seconds()}
    token = jwt.encode(ahead, clinic.server.settings.jwt_secret)
    assert (await Asker(clinic.server.http, token).get("/auth/me")).status == 200

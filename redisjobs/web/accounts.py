"""Who may come in, and what they may do: names, roles and hashes of passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Literal, TypeAlias

from msgspec import Struct

from redisjobs.errors import ConfigError

Role: TypeAlias = Literal["view", "operate"]
ROLES: tuple[Role, ...] = ("view", "operate")

_N, _R, _P = 1 << 14, 8, 1  # 16 MiB and about 50 ms
_MOST_N = 1 << 18


class User(Struct, frozen=True):
    """Somebody who was let in: `view` looks, `operate` acts too."""

    name: str
    role: Role = "operate"

    @property
    def may_operate(self) -> bool:
        """Whether they may act."""
        return self.role == "operate"


class Account(Struct, frozen=True):
    """A name with a password, for HTTP's basic authentication."""

    user: User
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Account:
        """Read `NAME:HASH` or `NAME:ROLE:HASH`, the hash as `hash_password` gives it.

        Raises:
            ConfigError: it is written otherwise.
        """
        name, *role, hashed = text.split(":") if text.count(":") in (1, 2) else ("", "")
        if not name or not {*role} <= {*ROLES}:
            raise ConfigError(
                "a user is written NAME:HASH or NAME:view:HASH; `redisjobs web --hash-password` makes a hash"
            )
        scheme, *parts = hashed.split("$")
        try:
            n, r, p = (int(part) for part in parts[:3])
            salt, digest = (base64.b64decode(part, altchars=b"-_", validate=True) for part in parts[3:])
            if scheme != "scrypt" or not (2 <= n <= _MOST_N and 1 <= r <= 32 and 1 <= p <= 16 and digest):
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"the hash of the user {name!r} is none: make one with `redisjobs web --hash-password`"
            ) from None
        known: Role = "view" if role == ["view"] else "operate"
        return cls(User(name, known), n, r, p, salt, digest)

    def fits(self, password: str) -> bool:
        """Tell whether this is the password. Cost: as slow as it was made, on purpose."""
        return hmac.compare_digest(self.digest, _digest(password, self.salt, self.n, self.r, self.p))


def hash_password(password: str) -> str:
    """Return what to write into the settings in place of a password: `scrypt$...`, salted."""
    salt = secrets.token_bytes(16)
    digest = _digest(password, salt, _N, _R, _P)
    written = (base64.b64encode(part, altchars=b"-_").decode() for part in (salt, digest))
    return "$".join(("scrypt", str(_N), str(_R), str(_P), *written))


def _digest(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"), salt=salt, n=n, r=r, p=p, maxmem=1 << 30, dklen=32
    )

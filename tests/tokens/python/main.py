"""Verifies with the program of docs/TOKENS.md, which stands beside this file: of each line
"ISSUER AUDIENCE TOKEN" it says whether the token is good."""

import functools
import sys

import jwt
from verifier import Verifier

verifier = functools.lru_cache(Verifier)
for line in sys.stdin:
    issuer, audience, token = line.split()
    try:
        print("good", verifier(issuer, audience).verify(token)["sub"])
    except jwt.PyJWTError as error:
        print("refused", repr(error))

"""Somebody who uses the service over native gRPC."""

import itertools
from dataclasses import dataclass

from contract import Contract

_count = itertools.count(1)


@dataclass
class Person:
    contract: Contract
    email: str
    password: str
    account: object
    access_token: str = ""
    refresh_token: str = ""

    @classmethod
    def signs_up(cls, contract: Contract, **fields) -> "Person":
        email = fields.pop("email", f"person{next(_count)}@example.com")
        password = fields.pop("password", "a long enough secret")
        answer = contract.call("AccountService.CreateAccount", email=email, password=password, **fields)
        return cls(contract, email, password, answer.account)

    def logs_in(self, **fields):
        answer = self.contract.call("SessionService.CreateSession", email=self.email, password=self.password, **fields)
        self._keep(answer.tokens)
        return answer

    def refreshes(self, refresh_token: str | None = None):
        tokens = self.contract.call(
            "SessionService.RefreshSession", refresh_token=refresh_token or self.refresh_token
        ).tokens
        self._keep(tokens)
        return tokens

    def calls(self, rpc: str, **fields):
        return self.contract.call(rpc, token=self.access_token, **fields)

    def who_am_i(self, token: str | None = None):
        return self.contract.call("AccountService.GetAccount", token=token or self.access_token, name="accounts/me").account

    def _keep(self, tokens) -> None:
        self.access_token, self.refresh_token = tokens.access_token, tokens.refresh_token

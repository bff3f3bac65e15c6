"""Looks at things through the API, as a client would."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from calls import Calls
from contract import Refusal
from histories import DEAD, LIVE, History, Thing, Violation, World, compare
from program import PASSWORD

# Looks of the later kinds may change what those of the earlier ones see: a refresh token is spent by the look at it, and one
# that was spent before takes its session along.
ORDER = (
    "token",
    "key",
    "account",
    "name",
    "administrator",
    "plan",
    "organization",
    "client",
    "signing key",
    "password",
    "refresh",
    "code",
    "work",
)
CHANGING = ("refresh", "code", "work")
THREADS = 4


class Looks:
    """Looks at things on one server, with the API key of an administrator."""

    def __init__(self, calls: Calls, administrator: str):
        self.calls = calls
        self.administrator = administrator
        self.key = Thing("key", (administrator,))
        self._lock = threading.Lock()
        self._signing_keys = None
        # What administrators see, by name: several things are seen at one look.
        self._seen: dict[str, object] = {}

    def world(self, things: set[Thing]) -> World:
        # Of refresh tokens, which are numbered, the newest first.
        newest_first = sorted(things, reverse=True)
        return {thing: self.state(thing) for thing in sorted(newest_first, key=lambda thing: ORDER.index(thing.kind))}

    def state(self, thing: Thing) -> object:
        look = getattr(self, f"_{thing.kind.replace(' ', '_')}")
        return look(*thing.what)

    def _call(self, gone: tuple[str, ...], rpc: str, **fields):
        """The answer, or none when it is refused for one of these reasons."""
        try:
            return self.calls.call(rpc, **fields)
        except Refusal as refusal:
            if refusal.reason in gone:
                return None
            raise

    def _token(self, token: str) -> str:
        answer = self._call(("CREDENTIAL_INVALID",), "AccountService.GetAccount", bearer=token, name="accounts/me")
        return LIVE if answer else DEAD

    _key = _token

    def _account_seen(self, email: str):
        name = f"accounts/{email}"
        return self._admin(("ACCOUNT_NOT_FOUND",), "AccountService.GetAccount", name, lambda answer: answer.account)

    def _organization_seen(self, name: str):
        rpc = "OrganizationService.GetOrganization"
        return self._admin(("ORGANIZATION_NOT_FOUND",), rpc, name, lambda answer: answer.organization)

    def _admin(self, gone: tuple[str, ...], rpc: str, name: str, read: Callable):
        if name not in self._seen:
            answer = self._call(gone, f"admin.v1.{rpc}", bearer=self.administrator, name=name)
            self._seen[name] = answer and read(answer)
        return self._seen[name]

    def _account(self, email: str) -> str:
        return open_or_not(self._account_seen(email))

    def _name(self, email: str) -> str | None:
        account = self._account_seen(email)
        return account and account.display_name

    def _administrator(self, email: str) -> bool | None:
        account = self._account_seen(email)
        return account and account.administrator

    def _organization(self, name: str) -> str:
        return open_or_not(self._organization_seen(name))

    def _plan(self, name: str) -> int | None:
        organization = self._organization_seen(name)
        return organization and organization.plan

    def _client(self, client_id: str, registration_token: str) -> str:
        answer = self._call(
            ("CREDENTIAL_INVALID", "CLIENT_NOT_FOUND"),
            "OAuthService.GetClientRegistration",
            client_id=client_id,
            registration_access_token=registration_token,
        )
        return LIVE if answer else DEAD

    def _signing_key(self, name: str) -> str:
        with self._lock:
            if self._signing_keys is None:
                answer = self.calls.call("admin.v1.SigningKeyService.ListSigningKeys", bearer=self.administrator)
                self._signing_keys = {key.name for key in answer.signing_keys}
        return LIVE if name in self._signing_keys else DEAD

    def _password(self, email: str, password: str) -> str:
        answer = self._call(("INVALID_CREDENTIALS",), "SessionService.CreateSession", email=email, password=password)
        return LIVE if answer else DEAD

    def _refresh(self, _number: str, token: str, client_id: str) -> str:
        rpc, fields = "SessionService.RefreshSession", {}
        if client_id:
            rpc, fields = "OAuthService.IssueTokens", {"grant_type": "refresh_token", "client_id": client_id}
        answer = self._call(("REFRESH_TOKEN_INVALID", "CLIENT_AUTHENTICATION_FAILED"), rpc, refresh_token=token, **fields)
        return LIVE if answer else DEAD

    def _code(self, client_id: str, redirect_uri: str, verifier: str, code: str) -> str:
        answer = self._call(
            ("AUTHORIZATION_CODE_INVALID", "CLIENT_AUTHENTICATION_FAILED"),
            "OAuthService.IssueTokens",
            grant_type="authorization_code",
            client_id=client_id,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
            code=code,
        )
        return LIVE if answer else DEAD

    def _work(self, email: str, challenge: str, nonce: str) -> str:
        work = {"challenge_id": challenge, "nonce": nonce}
        answer = self._call(
            ("CHALLENGE_INVALID",), "AccountService.CreateAccount", email=f"again.{email}", password=PASSWORD, proof_of_work=work
        )
        return LIVE if answer else DEAD


def open_or_not(seen) -> str:
    if seen is None:
        return DEAD
    return "disabled" if seen.HasField("disable_time") else LIVE


def check(looks: Looks, histories: list[History], cut: int | None = None, dear: float = 1.0) -> list[Violation]:
    """Looks at all things of these people, and settles what was in flight: from now on it has happened, or it has not.
    Looks that cost a password hash are taken at a part of the people, `dear`."""
    if looks.state(looks.key) == DEAD:
        # Without it nothing can be looked at.
        return [Violation(looks.key, LIVE, DEAD)]
    chance = random.Random(len(histories))
    chosen = [(history, chance.random() < dear) for history in histories]

    def one(person: tuple[History, bool]) -> list[Violation]:
        history, wholly = person
        worlds = history.worlds(cut)
        things = {thing for world in worlds for thing in world}
        found = looks.world({thing for thing in things if wholly or thing.kind != "password"})
        world, violations = compare(worlds, found)
        if cut is None:
            settle(history, world)
        return violations

    with ThreadPoolExecutor(THREADS) as threads:
        return [violation for violations in threads.map(one, chosen) for violation in violations]


def settle(history: History, world: World) -> None:
    """What is left to be looked at again. To show what was spent has ended its group."""
    ended = {thing.group for thing, state in world.items() if thing.kind in ("refresh", "code") and state == DEAD}
    history.operations = []
    history.world = {
        thing: DEAD if thing.group in ended and thing.kind == "token" else state
        for thing, state in world.items()
        if thing.kind not in CHANGING
    }

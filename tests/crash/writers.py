"""People who write: each signs up and then does this and that, until a call gets no good answer."""

import base64
import hashlib
import itertools
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from histories import DEAD, LIVE, History, Operation, Thing
from program import PASSWORD

if TYPE_CHECKING:
    from load import Load

CALLBACK = "https://app.example.com/callback"
LONGEST_LIFE = 20
MOST_KEYS = 12
FREE, PRO = 1, 2
STANDARD_KEY = 1
# So many refresh tokens can be told apart by their number in the order of the alphabet.
NUMBER = "{:06}"

_people = itertools.count(1)


@dataclass
class Family:
    """A session or an OAuth grant: what it is called, and its tokens."""

    name: str
    tokens: list[str]
    refresh_token: str
    client_id: str = ""
    numbers: itertools.count = field(default_factory=itertools.count)

    def __post_init__(self):
        self.spent: list[Thing] = []
        self.current = self._refresh_thing()

    def _refresh_thing(self) -> Thing:
        return Thing("refresh", (NUMBER.format(next(self.numbers)), self.refresh_token, self.client_id), self.name)

    def rotate(self, token: str, refresh_token: str) -> None:
        self.tokens.append(token)
        self.spent.append(self.current)
        self.refresh_token = refresh_token
        self.current = self._refresh_thing()

    def state(self, state: str) -> dict[Thing, str]:
        """All that belongs to it, in this state; what was spent stays spent."""
        tokens = {Thing("token", (token,), self.name): state for token in self.tokens}
        return tokens | {self.current: state} | dict.fromkeys(self.spent, DEAD)


class Writer:
    """Somebody who does what is to be remembered."""

    def __init__(self, load: "Load", chance: random.Random):
        self.calls, self.administrator, self.now, self.acknowledged = load.calls, load.administrator, load.now, load.acknowledged
        self.chance = chance
        # Unlike any name of another run, whose database may be the same.
        self.email = f"person{next(_people)}.{chance.getrandbits(48):x}@example.com"
        self.password = PASSWORD
        self.history = History(self.now(), {Thing("account", (self.email,)): DEAD})
        self.sessions: list[Family] = []
        self.grants: list[Family] = []
        # By name: the secrets of API keys. By id: the registration tokens of clients.
        self.keys: dict[str, str] = {}
        self.clients: dict[str, str] = {}
        self.account = self.organization = ""
        self.is_gone = False

    @property
    def token(self) -> str:
        return self.sessions[-1].tokens[-1]

    def live(self) -> None:
        """Signs up, and does what comes to mind for a while."""
        self.sign_up()
        for _ in range(self.chance.randint(3, LONGEST_LIFE)):
            if self.is_gone:
                return
            self.chance.choice(DEEDS)(self)

    # ---- calls ------------------------------------------------------------------------------------

    def call(self, rpc: str, effects: dict, bearer: str | None = None, **fields):
        """The answer, and the operation, whose effects are all known by then or are added to."""
        operation = Operation(rpc, self.now(), dict(effects))
        self.history.operations.append(operation)
        answer = self.calls.call(rpc, bearer=bearer, **fields)
        operation.acknowledged = self.now()
        self.acknowledged.release()
        return answer, operation

    def mine(self, rpc: str, effects: dict, **fields):
        return self.call(rpc, effects, bearer=self.token, **fields)

    def admin(self, rpc: str, effects: dict, **fields):
        return self.call(f"admin.v1.{rpc}", effects, bearer=self.administrator, **fields)

    # ---- things -----------------------------------------------------------------------------------

    def key_things(self, state: str) -> dict[Thing, str]:
        return {Thing("key", (secret,)): state for secret in self.keys.values()}

    def credentials(self, state: str) -> dict[Thing, str]:
        """All tokens of the account."""
        return {thing: value for family in self.sessions + self.grants for thing, value in family.state(state).items()}

    def opened(self, answer) -> dict[Thing, str]:
        self.sessions.append(Family(answer.session.name, [answer.tokens.access_token], answer.tokens.refresh_token))
        return self.sessions[-1].state(LIVE)

    # ---- what people do ---------------------------------------------------------------------------

    def sign_up(self) -> None:
        effects = {
            Thing("account", (self.email,)): LIVE,
            Thing("name", (self.email,)): "Ada",
            Thing("administrator", (self.email,)): False,
            Thing("password", (self.email, self.password)): LIVE,
        }
        fields = {}
        if self.chance.random() < 0.3:
            fields["proof_of_work"] = work = self._work()
            effects[Thing("work", (self.email, work["challenge_id"], work["nonce"]))] = DEAD
        if self.chance.random() < 0.3:
            fields["api_key_kind"] = STANDARD_KEY
        answer, operation = self.call(
            "AccountService.CreateAccount",
            effects,
            email=self.email,
            password=self.password,
            display_name="Ada",
            session_client_id="countersign",
            request_id=str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
            **fields,
        )
        self.account = answer.account.name
        self.organization = answer.account.home_membership.organization
        if answer.api_key_secret:
            self.keys[answer.api_key.name] = answer.api_key_secret
        operation.effects |= self.opened(answer) | self.key_things(LIVE)
        operation.effects |= {Thing("plan", (self.organization,)): FREE, Thing("organization", (self.organization,)): LIVE}

    def _work(self) -> dict[str, str]:
        challenge = self.calls.call("ChallengeService.CreateChallenge").challenge
        for number in itertools.count():
            digest = hashlib.sha256(f"{challenge.salt}{number}".encode()).digest()
            if int.from_bytes(digest) >> (256 - challenge.difficulty) == 0:
                return {"challenge_id": challenge.id, "nonce": str(number)}

    def log_in(self) -> None:
        answer, operation = self.call("SessionService.CreateSession", {}, email=self.email, password=self.password)
        operation.effects |= self.opened(answer)

    def refresh(self) -> None:
        family = self.chance.choice(self.sessions + self.grants)
        # A refresh whose answer was lost can be sent again: until the answer is here, the token is good.
        if family.client_id:
            answer, operation = self.call(
                "OAuthService.IssueTokens",
                {},
                grant_type="refresh_token",
                client_id=family.client_id,
                refresh_token=family.refresh_token,
            )
        else:
            answer, operation = self.call("SessionService.RefreshSession", {}, refresh_token=family.refresh_token)
            answer = answer.tokens
        family.rotate(answer.access_token, answer.refresh_token)
        operation.effects |= family.state(LIVE)

    def log_out(self) -> None:
        """Ends one of the sessions, in one of three ways, or opens another one."""
        if len(self.sessions) == 1:
            return self.log_in()
        family = self.sessions.pop(self.chance.randrange(len(self.sessions) - 1))
        way = self.chance.randrange(3)
        if way == 0:
            self.mine("SessionService.DeleteSession", family.state(DEAD), name=family.name)
        elif way == 1:
            self.call("SessionService.RevokeRefreshToken", family.state(DEAD), refresh_token=family.refresh_token)
        else:
            self.call("SessionService.DeleteSession", family.state(DEAD), bearer=family.tokens[-1], name="sessions/current")

    def change_password(self) -> None:
        new = f"{PASSWORD} {self.chance.getrandbits(32)}"
        keep = self.chance.random() < 0.5
        effects = self.credentials(DEAD)
        if not keep:
            effects |= self.key_things(DEAD)
        effects |= {Thing("password", (self.email, self.password)): DEAD, Thing("password", (self.email, new)): LIVE}
        answer, operation = self.mine(
            "AccountService.ChangePassword",
            effects,
            name="accounts/me",
            current_password=self.password,
            new_password=new,
            keep_api_keys=keep,
        )
        self.password, self.sessions, self.grants = new, [], []
        if not keep:
            self.keys = {}
        operation.effects |= self.opened(answer)

    def rename(self) -> None:
        name = f"Ada {self.chance.getrandbits(32)}"
        effects = {Thing("name", (self.email,)): name}
        account = {"name": "accounts/me", "display_name": name}
        self.mine("AccountService.UpdateAccount", effects, account=account, update_mask={"paths": ["display_name"]})

    def make_key(self) -> None:
        answer, operation = self.mine("ApiKeyService.CreateApiKey", {}, api_key={"display_name": "ci"})
        self.keys[answer.api_key.name] = answer.secret
        operation.effects |= self.key_things(LIVE)

    def replace_key(self) -> None:
        if not self.keys:
            return self.make_key()
        name, secret = self.keys.popitem()
        effects = {Thing("key", (secret,)): DEAD}
        answer, operation = self.mine("ApiKeyService.RotateApiKey", effects, name=name, overlap={"seconds": 0})
        self.keys[answer.api_key.name] = answer.secret
        operation.effects[Thing("key", (answer.secret,))] = LIVE

    def delete_key(self) -> None:
        if not self.keys:
            return self.make_key()
        name, secret = self.keys.popitem()
        self.mine("ApiKeyService.DeleteApiKey", {Thing("key", (secret,)): DEAD}, name=name)

    def register_client(self) -> str:
        metadata = {"redirect_uris": [CALLBACK], "client_name": "Tests", "token_endpoint_auth_method": "none"}
        answer, operation = self.call("OAuthService.RegisterClient", {}, metadata=metadata)
        made = answer.registration
        self.clients[made.client_id] = made.registration_access_token
        operation.effects[Thing("client", (made.client_id, made.registration_access_token))] = LIVE
        return made.client_id

    def delete_client(self) -> None:
        if not self.clients:
            self.register_client()
        client_id, token = self.clients.popitem()
        effects = {Thing("client", (client_id, token)): DEAD} | self._end_grants(client_id)
        self.call("OAuthService.DeleteClientRegistration", effects, client_id=client_id, registration_access_token=token)

    def _end_grants(self, client_id: str) -> dict[Thing, str]:
        ended = [family for family in self.grants if family.client_id == client_id]
        self.grants = [family for family in self.grants if family.client_id != client_id]
        return {thing: state for family in ended for thing, state in family.state(DEAD).items()}

    def connect(self) -> None:
        """Allows a client something, which gets tokens for it."""
        client_id = self.chance.choice([*self.clients, None]) or self.register_client()
        verifier = f"{self.chance.getrandbits(256):064x}"
        digest = hashlib.sha256(verifier.encode()).digest()
        answer, _ = self.call(
            "OAuthService.StartAuthorization",
            {},
            response_type="code",
            client_id=client_id,
            redirect_uri=CALLBACK,
            scope="mcp offline_access",
            code_challenge=base64.urlsafe_b64encode(digest).decode().rstrip("="),
            code_challenge_method="S256",
        )
        answer, _ = self.mine("OAuthService.ApproveAuthorization", {}, name=answer.authorization.name)
        code = parse_qs(urlsplit(answer.redirect_uri).query)["code"][0]
        answer, operation = self.call(
            "OAuthService.IssueTokens",
            {},
            grant_type="authorization_code",
            client_id=client_id,
            redirect_uri=CALLBACK,
            code_verifier=verifier,
            code=code,
        )
        grant = Family(answer.grant, [answer.access_token], answer.refresh_token, client_id)
        self.grants.append(grant)
        operation.effects |= grant.state(LIVE)
        operation.effects[Thing("code", (client_id, CALLBACK, verifier, code), grant.name)] = DEAD

    def disconnect(self) -> None:
        """Takes back what a client was allowed, in one of four ways."""
        if not self.grants:
            return self.connect()
        family = self.chance.choice(self.grants)
        way = self.chance.randrange(4)
        # Whoever takes one grant back forgets the consent, too.
        consents = self.calls.call("ConsentService.ListConsents", bearer=self.token).consents
        consent = next((consent.name for consent in consents if consent.client_id == family.client_id), None)
        if way == 0 and consent:
            self.mine("ConsentService.DeleteConsent", self._end_grants(family.client_id), name=consent)
        elif way <= 1:
            self.mine("ClientService.RevokeGrants", self._end_grants(family.client_id), name=f"clients/{family.client_id}")
        elif way == 2:
            self.grants.remove(family)
            self.mine("GrantService.DeleteGrant", family.state(DEAD), name=family.name)
        else:
            self.grants.remove(family)
            self.call("OAuthService.RevokeToken", family.state(DEAD), client_id=family.client_id, token=family.refresh_token)

    def disable(self) -> None:
        """Is disabled and enabled again, alone or with the organization and all in it, and logs in."""
        service, name = self.chance.choice([("Account", self.account), ("Organization", self.organization)])
        # Those of members too, when it is the organization.
        things = [thing for thing, state in self.history.worlds()[0].items() if state == LIVE]
        if service == "Account":
            things = [thing for thing in things if thing.what[0] == self.email]
        doors = dict.fromkeys((thing for thing in things if thing.kind == "password"), LIVE) | self.key_things(LIVE)
        shown = {thing: "disabled" for thing in things if thing.kind in ("account", "organization")}
        closed = dict.fromkeys(doors, DEAD) | self.credentials(DEAD) | shown
        self.admin(f"{service}Service.Disable{service}", closed, name=name)
        self.sessions, self.grants = [], []
        self.admin(f"{service}Service.Enable{service}", doors | dict.fromkeys(shown, LIVE), name=name)
        self.log_in()

    def change_plan(self) -> None:
        """Is put on the paid plan, makes an account in the organization, and is put back."""
        self._plan(PRO)
        member = f"member.{self.chance.getrandbits(48):x}.{self.email}"
        effects = {Thing("account", (member,)): LIVE, Thing("password", (member, PASSWORD)): LIVE}
        self.mine("AccountService.ProvisionAccount", effects, parent=self.organization, email=member, password=PASSWORD)
        if self.chance.random() < 0.5:
            effects = {Thing("account", (member,)): DEAD, Thing("password", (member, PASSWORD)): DEAD}
            self.admin("AccountService.DeleteAccount", effects, name=f"accounts/{member}")
        self._plan(FREE)

    def _plan(self, plan: int) -> None:
        effects = {Thing("plan", (self.organization,)): plan}
        organization = {"name": self.organization, "plan": plan}
        self.admin("OrganizationService.UpdateOrganization", effects, organization=organization, update_mask={"paths": ["plan"]})

    def administer(self) -> None:
        """Becomes an administrator, and perhaps stays one."""
        thing = Thing("administrator", (self.email,))
        self.admin("AccountService.GrantAdministrator", {thing: True}, name=self.account)
        if self.chance.random() < 0.8:
            self.admin("AccountService.RevokeAdministrator", {thing: False}, name=self.account)

    def leave(self) -> None:
        """Deletes the organization with all in it. That ends the life."""
        effects = self.credentials(DEAD) | self.key_things(DEAD)
        # The members of it, too.
        world = self.history.worlds()[0]
        effects |= {thing: DEAD for thing in world if thing.kind in ("account", "password", "organization")}
        gone = [thing for thing in world if thing.kind in ("name", "administrator", "plan")]
        self.admin("OrganizationService.DeleteOrganization", effects | dict.fromkeys(gone), name=self.organization)
        self.is_gone = True


DEEDS = [
    Writer.log_in,
    *2 * [Writer.refresh],
    *2 * [Writer.log_out],
    Writer.change_password,
    Writer.rename,
    *2 * [Writer.make_key],
    Writer.replace_key,
    *2 * [Writer.delete_key],
    Writer.register_client,
    Writer.delete_client,
    *2 * [Writer.connect],
    *2 * [Writer.disconnect],
    Writer.disable,
    Writer.change_plan,
    Writer.administer,
    Writer.leave,
]


class KeyKeeper(Writer):
    """Whoever rotates the signing keys, and revokes one that signs no access token: it would end those of all others."""

    def live(self) -> None:
        keys = self.calls.call("admin.v1.SigningKeyService.ListSigningKeys", bearer=self.administrator).signing_keys
        # As many as there never are in earnest: a start opens each.
        if len(keys) < MOST_KEYS:
            self._note(*self.admin("SigningKeyService.RotateSigningKeys", {}))
        name = next(key.name for key in keys if key.algorithm == "RS256")
        effects = {Thing("signing key", (name,)): DEAD}
        self._note(*self.admin("SigningKeyService.RevokeSigningKey", effects, name=name))

    def _note(self, answer, operation: Operation) -> None:
        # Those of the other algorithm may be revoked by the next one who does this.
        kept = (key.name for key in answer.signing_keys if key.algorithm == "ES256")
        operation.effects |= {Thing("signing key", (name,)): LIVE for name in kept}

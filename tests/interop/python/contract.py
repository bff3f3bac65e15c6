"""The contract as a client meets it that has no generated code: everything is learnt by reflection."""

from dataclasses import dataclass, field

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

PACKAGE = "countersign.v1"
SERVICES = (
    "AccountService",
    "ApiKeyService",
    "AuthorizationService",
    "ChallengeService",
    "ClientService",
    "ConsentService",
    "GrantService",
    "IdentityProviderService",
    "OAuthService",
    "OrganizationService",
    "SessionService",
    "admin.v1.AccountService",
    "admin.v1.ClientService",
    "admin.v1.ConsentService",
    "admin.v1.GrantService",
    "admin.v1.OrganizationService",
    "admin.v1.SigningKeyService",
)
DEADLINE = 20.0


def full_name(service: str) -> str:
    """`countersign.v1.AccountService` for `AccountService`, `countersign.admin.v1.…` for `admin.v1.…`."""
    return f"countersign.{service}" if "." in service else f"{PACKAGE}.{service}"


@dataclass
class Refusal(Exception):
    """An rpc that failed, with what its details say."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    retry_seconds: float | None = None

    # Two refusals are equal when a client cannot tell them apart; as exceptions they are still two.
    __hash__ = Exception.__hash__

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason}: {self.message} {self.fields or ''}".rstrip()

    @classmethod
    def of(cls, error: grpc.RpcError) -> "Refusal":
        refusal = cls(error.code(), error.details())
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            refusal._read(detail)
        return refusal

    def _read(self, detail) -> None:
        info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            self.reason, self.domain = info.reason, info.domain
        elif detail.Unpack(request):
            self.fields = {violation.field: violation.description for violation in request.field_violations}
        elif detail.Unpack(retry):
            self.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()


class Contract:
    """Calls rpcs by name: `contract.call("SessionService.CreateSession", email=…, password=…)`."""

    def __init__(self, channel: grpc.Channel):
        self.channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = descriptor_pool.DescriptorPool(self._database)

    def service_names(self) -> set[str]:
        return set(self._database.get_services())

    def service(self, name: str):
        return self._pool.FindServiceByName(full_name(name))

    def start(self, rpc: str, token: str | None = None, metadata=(), **fields) -> grpc.Future:
        """Sends the request and gives back the answer that is on its way."""
        service, _, method_name = rpc.rpartition(".")
        method = self.service(service).methods_by_name[method_name]
        request = message_factory.GetMessageClass(method.input_type)(**fields)
        response = message_factory.GetMessageClass(method.output_type)
        callable_ = self.channel.unary_unary(
            f"/{full_name(service)}/{method_name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        if token is not None:
            metadata = (*metadata, ("authorization", f"Bearer {token}"))
        return callable_.future(request, timeout=DEADLINE, metadata=metadata)

    def call(self, rpc: str, token: str | None = None, metadata=(), **fields):
        try:
            return self.start(rpc, token, metadata, **fields).result()
        except grpc.RpcError as error:
            raise Refusal.of(error) from None

    def raw_call(self, path: str, payload: bytes, token: str | None = None) -> bytes:
        """Sends these bytes as the message of an rpc, whatever they are."""
        callable_ = self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            return callable_(payload, timeout=DEADLINE, metadata=metadata)
        except grpc.RpcError as error:
            raise Refusal.of(error) from None

    def enum(self, type_name: str, value: str) -> int:
        return self._pool.FindEnumTypeByName(f"{PACKAGE}.{type_name}").values_by_name[value].number

"""Calls of the server that is being killed: quick, of many threads, and over a new connection after each start."""

import time
from typing import ClassVar

import grpc
from google.protobuf import message_factory

from contract import DEADLINE, SERVICES, Contract, Refusal, full_name


class Calls:
    """The contract is learnt from the first server, by reflection, and kept."""

    # By rpc: its path, request and response.
    _methods: ClassVar[dict[str, tuple]] = {}

    def __init__(self, address: str):
        self._address = address
        self._channel: grpc.Channel | None = None

    def connect(self) -> None:
        """Opens a connection, and forgets the one to the server before."""
        self.close()
        # Its own, not one that waits before it tries again.
        self._channel = grpc.insecure_channel(self._address, options=[("grpc.use_local_subchannel_pool", 1)])
        if not self._methods:
            contract = Contract(self._channel)
            for service in SERVICES:
                for method in contract.service(service).methods:
                    types = (message_factory.GetMessageClass(it) for it in (method.input_type, method.output_type))
                    self._methods[f"{service}.{method.name}"] = (f"/{full_name(service)}/{method.name}", *types)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def call(self, rpc: str, bearer: str | None = None, **fields):
        """The answer of an rpc, or the refusal as an exception. Whoever is told to come back later, as when passwords wait for
        a busy machine, does."""
        while True:
            try:
                return self._call(rpc, bearer, fields)
            except Refusal as refusal:
                if refusal.reason != "OVERLOADED":
                    raise
                time.sleep(refusal.retry_seconds)

    def _call(self, rpc: str, bearer: str | None, fields: dict):
        path, request, response = self._methods[rpc]
        callable_ = self._channel.unary_unary(
            path, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )
        metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
        try:
            return callable_(request(**fields), timeout=DEADLINE, metadata=metadata)
        except grpc.RpcError as error:
            raise Refusal.of(error) from None

"""Signs up, logs in and asks who it is, over gRPC: main.py ADDRESS EMAIL PASSWORD"""

import sys

import grpc

from countersign.v1 import account_service_pb2, account_service_pb2_grpc, session_service_pb2, session_service_pb2_grpc

TIMEOUT_SECONDS = 30


def sign_in(address: str, email: str, password: str) -> str:
    with grpc.insecure_channel(address) as channel:
        accounts = account_service_pb2_grpc.AccountServiceStub(channel)
        sessions = session_service_pb2_grpc.SessionServiceStub(channel)

        accounts.CreateAccount(
            account_service_pb2.CreateAccountRequest(email=email, password=password), timeout=TIMEOUT_SECONDS
        )
        login = sessions.CreateSession(
            session_service_pb2.CreateSessionRequest(email=email, password=password), timeout=TIMEOUT_SECONDS
        )
        me = accounts.GetAccount(
            account_service_pb2.GetAccountRequest(name="accounts/me"),
            metadata=[("authorization", f"Bearer {login.tokens.access_token}")],
            timeout=TIMEOUT_SECONDS,
        )
        return me.account.email


if __name__ == "__main__":
    print(sign_in(*sys.argv[1:]))

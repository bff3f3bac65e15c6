//! What Mail.td tells the OpenAPI document.

use http::Method;

use super::{
    super::document, ACCOUNT, ACCOUNTS, Account, CHALLENGE, Challenge, LOGIN, LogIn, LoggedIn,
    NewAccount, ONE_TOKEN, Opened, SignIn, TOKEN, TOKENS, error::Failure, tokens,
};
use crate::rest::openapi::{Credential, FaceOperation, RequestBody};

const TAG: &str = "Mail.td";

/// What a call with a credential can meet when that is not accepted.
const UNAUTHORIZED: (u16, &str) = (401, "The token is missing, wrong, revoked or has expired");
const WRONG_PASSWORD: (u16, &str) = (401, "The address or the password is wrong");
const NO_ACCOUNT: (u16, &str) = (
    404,
    "There is no such account, or the token does not open it",
);
const PRO_ALONE: (u16, &str) = (
    403,
    "The token is not a Pro one, or its scopes do not reach this",
);
const MANAGER_ALONE: (u16, &str) = (
    403,
    "It is the token of a mailbox, or its scopes do not reach this",
);

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    vec![
        challenge(),
        create_account(),
        sign_in(),
        read_account(),
        delete_account(),
        log_in(),
        create_token(),
        list_tokens(),
        revoke_token(),
    ]
}

fn challenge() -> FaceOperation {
    FaceOperation {
        method: Method::GET,
        responses: document::responses::<Challenge, Failure>((200, "A new challenge"), &[], &[]),
        ..document::post(CHALLENGE, TAG, "Get the challenge for a free account")
    }
}

fn create_account() -> FaceOperation {
    FaceOperation {
        credential: Credential::Optional,
        request: Some(document::json::<NewAccount>()),
        responses: document::responses::<Opened, Failure>(
            (201, "The account is made"),
            &[
                (401, "A token came along, and is not accepted"),
                (409, "The address is taken"),
            ],
            &document::BODY_REFUSALS,
        ),
        ..document::post(
            ACCOUNTS,
            TAG,
            "Make an account: with a Pro token in its organization, or with the solution of a challenge",
        )
    }
}

fn sign_in() -> FaceOperation {
    FaceOperation {
        request: Some(document::json::<SignIn>()),
        responses: document::responses::<Opened, Failure>(
            (200, "The token of the account"),
            &[WRONG_PASSWORD],
            &document::BODY_REFUSALS,
        ),
        ..document::post(TOKEN, TAG, "Sign in to an account")
    }
}

fn read_account() -> FaceOperation {
    FaceOperation {
        method: Method::GET,
        credential: Credential::Required,
        responses: document::responses::<Account, Failure>(
            (200, "The account"),
            &[UNAUTHORIZED, NO_ACCOUNT],
            &[document::SCOPE_REFUSAL],
        ),
        ..document::post(ACCOUNT, TAG, "Read an account")
    }
}

fn delete_account() -> FaceOperation {
    FaceOperation {
        method: Method::DELETE,
        credential: Credential::Required,
        responses: document::responses_without_body::<Failure>(
            (204, "The account is gone"),
            &[
                UNAUTHORIZED,
                NO_ACCOUNT,
                (409, "The account owns an organization that others are in"),
            ],
            &[document::SCOPE_REFUSAL],
        ),
        ..document::post(ACCOUNT, TAG, "Delete an account")
    }
}

fn log_in() -> FaceOperation {
    FaceOperation {
        request: Some(document::json::<LogIn>()),
        responses: document::responses::<LoggedIn, Failure>(
            (200, "The user is logged in"),
            &[WRONG_PASSWORD],
            &document::BODY_REFUSALS,
        ),
        ..document::post(LOGIN, TAG, "Log a user in")
    }
}

fn create_token() -> FaceOperation {
    FaceOperation {
        credential: Credential::Required,
        request: Some(RequestBody {
            required: false,
            ..document::json::<tokens::NewToken>()
        }),
        responses: document::responses::<tokens::Created, Failure>(
            (201, "The token is made"),
            &[UNAUTHORIZED, PRO_ALONE],
            &document::BODY_REFUSALS,
        ),
        ..document::post(TOKENS, TAG, "Make a Pro API token")
    }
}

fn list_tokens() -> FaceOperation {
    FaceOperation {
        method: Method::GET,
        credential: Credential::Required,
        responses: document::responses::<tokens::Tokens, Failure>(
            (200, "The live tokens, without their secrets"),
            &[UNAUTHORIZED, PRO_ALONE],
            &[],
        ),
        ..document::post(TOKENS, TAG, "List the Pro API tokens")
    }
}

fn revoke_token() -> FaceOperation {
    FaceOperation {
        method: Method::DELETE,
        credential: Credential::Required,
        responses: document::responses_without_body::<Failure>(
            (204, "The token is refused from now on"),
            &[
                UNAUTHORIZED,
                MANAGER_ALONE,
                (404, "There is no such token of this user"),
            ],
            &[],
        ),
        ..document::post(ONE_TOKEN, TAG, "Revoke a Pro API token")
    }
}

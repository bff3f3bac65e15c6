//! The faces' side of the OpenAPI document: schemas from the types that are read and written.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use super::body;
use crate::rest::openapi::{Credential, FaceOperation, FaceResponse, RequestBody};

/// The form of a request. It stands by itself, without references to other schemas.
pub(super) fn request_schema<T: JsonSchema>() -> Schema {
    settings()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The form of an answer.
pub(super) fn answer_schema<T: JsonSchema>() -> Schema {
    settings()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    })
}

/// A body that is JSON.
pub(super) fn json<T: JsonSchema>() -> RequestBody {
    RequestBody {
        required: true,
        content_types: &[body::JSON],
        schema: request_schema::<T>(),
    }
}

/// What a call answers: success, or one of the refusals, which all have the same body.
pub(super) fn responses<T: JsonSchema, E: JsonSchema>(
    (status, description): (u16, &'static str),
    named: &[(u16, &'static str)],
    more: &[(u16, &'static str)],
) -> Vec<FaceResponse> {
    let success = response::<T>(status, description);
    std::iter::once(success)
        .chain(refusals::<E>(named, more))
        .collect()
}

/// The same for a call whose success has nothing to say.
pub(super) fn responses_without_body<E: JsonSchema>(
    (status, description): (u16, &'static str),
    named: &[(u16, &'static str)],
    more: &[(u16, &'static str)],
) -> Vec<FaceResponse> {
    let success = FaceResponse {
        status,
        description,
        schema: None,
    };
    std::iter::once(success)
        .chain(refusals::<E>(named, more))
        .collect()
}

fn refusals<E: JsonSchema>(
    named: &[(u16, &'static str)],
    more: &[(u16, &'static str)],
) -> impl Iterator<Item = FaceResponse> {
    let all = [named, more, &ANY_REFUSALS].concat();
    all.into_iter()
        .map(|(status, description)| response::<E>(status, description))
}

/// One answer.
pub(super) fn response<T: JsonSchema>(status: u16, description: &'static str) -> FaceResponse {
    FaceResponse {
        status,
        description,
        schema: Some(answer_schema::<T>()),
    }
}

/// What any call can meet. One without a body is refused too, for the one that it should not have.
const ANY_REFUSALS: [(u16, &str); 5] = [
    (413, "The body is larger than 64 KiB"),
    (429, "Too many calls"),
    (500, "Something broke on the server"),
    (503, "The server is busy or cannot reach its database"),
    (504, "The call took longer than its deadline"),
];

/// What any call with a body can meet beside that.
pub(super) const BODY_REFUSALS: [(u16, &str); 2] = [
    (400, "A field is missing, unknown or not valid"),
    (415, "The content type is not accepted"),
];

/// What a call with a credential can meet when that is live: today's calls need the whole account.
pub(super) const SCOPE_REFUSAL: (u16, &str) = (403, "The credential's scopes do not reach this");

/// A `POST` without a credential, whose parts are filled in by the face.
pub(super) fn post(path: &'static str, tag: &'static str, summary: &'static str) -> FaceOperation {
    FaceOperation {
        method: http::Method::POST,
        path,
        summary,
        tag,
        request: None,
        query: Vec::new(),
        responses: Vec::new(),
        credential: Credential::None,
    }
}

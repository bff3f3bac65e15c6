use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use tonic::body::Body;
use tower::service_fn;

use super::*;
use crate::rest::channel;

/// What the services put into the answer to a call that may be made.
#[derive(Clone)]
struct Authorized;

#[tokio::test]
async fn what_was_authorized_goes_along_with_the_rpc() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let channel = channel::to(service_fn(move |request: Request<Body>| {
        let extensions = request.extensions();
        let mut answer = Status::ok("").into_http::<Body>();
        if extensions.get::<AuthorizeOnly>().is_some() {
            answer.extensions_mut().insert(Authorized);
        } else {
            let is_authorized = extensions.get::<Authorized>().is_some();
            seen.lock().unwrap().push(is_authorized);
        }
        async { Ok::<_, Infallible>(answer) }
    }));
    let contract = Contract::new(channel);
    let (parts, ()) = Request::new(()).into_parts();
    let call = contract.authorize(Call::of(&parts), rpc::CREATE_SESSION);
    let call = call.await.unwrap();
    for call in [Call::of(&parts), call] {
        // The services here answer without a message.
        let answer = contract.revoke_current_session(&call).await;
        answer.unwrap_err();
    }
    assert_eq!(*calls.lock().unwrap(), [false, true]);
}

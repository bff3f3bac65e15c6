//! Proof of work: who needs it, what is refused, and that a solution is used once.

use std::time::Duration;

use countersign::{config::ProofOfWork as Policy, pb::v1::SessionProfile};
use tonic::Code;

use crate::support::{TestApp, refused, sign_up_with, solved};

async fn where_all_need_it() -> TestApp {
    TestApp::with(|config| config.signup.proof_of_work = Policy::All).await
}

async fn signs_up(
    app: &TestApp,
    name: &str,
    work: Option<countersign::pb::v1::ProofOfWork>,
) -> Result<(), tonic::Status> {
    let request = sign_up_with(name, work);
    app.accounts().create_account(request).await.map(drop)
}

#[tokio::test]
async fn a_solution_lets_one_sign_up_through() {
    let app = where_all_need_it().await;
    refused(
        signs_up(&app, "ann", None).await,
        Code::FailedPrecondition,
        "CHALLENGE_REQUIRED",
    );
    let work = solved(&app.challenge().await);
    signs_up(&app, "ann", Some(work.clone())).await.unwrap();
    refused(
        signs_up(&app, "bob", Some(work)).await,
        Code::InvalidArgument,
        "CHALLENGE_INVALID",
    );
}

#[tokio::test]
async fn a_mailtd_session_at_sign_up_takes_work_and_other_sign_ups_do_not() {
    let app = TestApp::start().await;
    let mut request = sign_up_with("ann", None);
    request.session_profile = SessionProfile::Mailtd.into();
    let free = app.accounts().create_account(request.clone()).await;
    refused(free, Code::FailedPrecondition, "CHALLENGE_REQUIRED");
    request.proof_of_work = Some(solved(&app.challenge().await));
    app.accounts().create_account(request).await.unwrap();
    signs_up(&app, "bob", None).await.unwrap();
}

#[tokio::test]
async fn a_solution_that_comes_too_late_is_refused() {
    let app = where_all_need_it().await;
    let work = solved(&app.challenge().await);
    app.clock.advance(Duration::from_secs(300));
    refused(
        signs_up(&app, "ann", Some(work)).await,
        Code::InvalidArgument,
        "CHALLENGE_INVALID",
    );
}

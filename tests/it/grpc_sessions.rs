//! Sessions, over gRPC: log in, refresh, look, log out.

use std::time::Duration;

use countersign::pb::v1::{
    CreateSessionRequest, DeleteSessionRequest, GetSessionRequest, ListSessionsRequest,
};
use tonic::{Code, Request};

use crate::{
    limits_nodes::futures_join,
    support::{PASSWORD, TestApp, refused, with_bearer},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn current() -> String {
    "sessions/current".to_owned()
}

#[tokio::test]
async fn logging_in_gives_tokens_that_open_the_account() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let request = CreateSessionRequest {
        email: " ANN@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        client_id: String::new(),
        ..CreateSessionRequest::default()
    };
    let mut request = Request::new(request);
    request
        .metadata_mut()
        .insert("user-agent", "a test/1".parse().unwrap());
    let answer = app
        .sessions()
        .create_session(request)
        .await
        .unwrap()
        .into_inner();
    let (session, tokens) = (answer.session.unwrap(), answer.tokens.unwrap());
    assert_eq!(session.authentication_methods, ["pwd"]);
    assert_eq!(tokens.scopes, ["account"]);
    assert!(session.user_agent.contains("a test/1") && session.client_address == "127.0.0.1");
    let lifetime =
        tokens.access_token_expire_time.unwrap().seconds - session.create_time.unwrap().seconds;
    assert_eq!(lifetime, 3600);
    assert!(app.opens(&tokens.access_token).await);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_refused_alike() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let wrong = app
        .try_log_in("ann@example.com", "wrong horse battery")
        .await
        .unwrap_err();
    let unknown = app
        .try_log_in("bob@example.com", PASSWORD)
        .await
        .unwrap_err();
    let strange = app
        .try_log_in("not an address", PASSWORD)
        .await
        .unwrap_err();
    for other in [unknown, strange] {
        assert_eq!(
            (wrong.code(), wrong.message(), wrong.details()),
            (other.code(), other.message(), other.details())
        );
    }
    refused(
        Err::<(), _>(wrong),
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
    );
}

#[tokio::test]
async fn an_access_token_ends_after_an_hour_and_a_session_after_thirty_days() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    app.clock.advance(HOUR - Duration::from_secs(1));
    assert!(ann.is_in().await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!ann.is_in().await);
    let mut token = ann.tokens.refresh_token.clone();
    for _ in 0..29 {
        app.clock.advance(DAY);
        token = app.try_refresh(&token).await.unwrap().refresh_token;
    }
    app.clock.advance(DAY);
    refused(
        app.try_refresh(&token).await,
        Code::Unauthenticated,
        "REFRESH_TOKEN_INVALID",
    );
}

#[tokio::test]
async fn the_current_session_says_so() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, other) = (person.logs_in().await, person.logs_in().await);
    for (name, is_current) in [
        (current(), true),
        (ann.session.clone(), true),
        (other.session.clone(), false),
    ] {
        let answer = app
            .sessions()
            .get_session(ann.asks(GetSessionRequest { name }))
            .await
            .unwrap();
        let session = answer.into_inner().session.unwrap();
        assert_eq!(
            (session.current, session.account == person.account),
            (is_current, true)
        );
    }
    let bob = app.sign_up("bob").await.logs_in().await;
    for name in [ann.session.clone(), "sessions/none".to_owned()] {
        let answer = app
            .sessions()
            .get_session(bob.asks(GetSessionRequest { name }))
            .await;
        refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

#[tokio::test]
async fn sessions_are_listed_in_pages_the_newest_first() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let mut names = Vec::new();
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(1));
        names.insert(0, person.logs_in().await.session);
    }
    app.clock.advance(Duration::from_secs(1));
    let ann = person.logs_in().await;
    names.insert(0, ann.session.clone());
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSessionsRequest {
            page_size: 4,
            page_token,
        };
        let page = app
            .sessions()
            .list_sessions(ann.asks(request))
            .await
            .unwrap()
            .into_inner();
        seen.extend(page.sessions.into_iter().map(|session| session.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, names);
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_list_only() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    person.logs_in().await;
    let (ann, bob) = (
        person.logs_in().await,
        app.sign_up("bob").await.logs_in().await,
    );
    let request = ListSessionsRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let token = app
        .sessions()
        .list_sessions(ann.asks(request))
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    assert!(!token.is_empty());
    for (person, page_token) in [
        (&bob, token.clone()),
        (&ann, "forged".to_owned()),
        (&ann, format!("{token}A")),
    ] {
        let request = ListSessionsRequest {
            page_size: 1,
            page_token,
        };
        let answer = app.sessions().list_sessions(person.asks(request)).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            ["page_token"]
        );
    }
    let request = ListSessionsRequest {
        page_size: -1,
        page_token: String::new(),
    };
    let answer = app.sessions().list_sessions(ann.asks(request)).await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_size"]
    );
}

#[tokio::test]
async fn logging_out_kills_access_and_refresh_at_once() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, other) = (person.logs_in().await, person.logs_in().await);
    assert!(ann.is_in().await);
    app.sessions()
        .delete_session(ann.asks(DeleteSessionRequest { name: current() }))
        .await
        .unwrap();
    assert!(!ann.is_in().await && other.is_in().await);
    refused(
        app.try_refresh(&ann.tokens.refresh_token).await,
        Code::Unauthenticated,
        "REFRESH_TOKEN_INVALID",
    );
    let again = app
        .sessions()
        .delete_session(other.asks(DeleteSessionRequest { name: ann.session }))
        .await;
    refused(again, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn a_session_can_be_ended_from_another_one_but_not_by_somebody_else() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, lost) = (person.logs_in().await, person.logs_in().await);
    let bob = app.sign_up("bob").await.logs_in().await;
    let request = DeleteSessionRequest {
        name: lost.session.clone(),
    };
    let foreign = app
        .sessions()
        .delete_session(bob.asks(request.clone()))
        .await;
    refused(foreign, Code::NotFound, "SESSION_NOT_FOUND");
    assert!(lost.is_in().await);
    app.sessions()
        .delete_session(ann.asks(request))
        .await
        .unwrap();
    assert!(!lost.is_in().await);
}

#[tokio::test]
async fn an_e_mail_token_sees_and_ends_its_own_session_alone() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let ann = person.logs_in().await;
    let request = CreateSessionRequest {
        email: person.email.clone(),
        password: PASSWORD.to_owned(),
        client_id: "mailtd".to_owned(),
        ..CreateSessionRequest::default()
    };
    let mailbox = app.sessions().create_session(request).await;
    let mailbox = mailbox.unwrap().into_inner();
    let (own, token) = (mailbox.session.unwrap().name, mailbox.tokens.unwrap());
    let token = token.access_token;
    let other = ann.session.clone();

    let request = with_bearer(ListSessionsRequest::default(), &token);
    let listed = app.sessions().list_sessions(request).await;
    let listed = listed.unwrap().into_inner();
    let names: Vec<_> = listed.sessions.iter().map(|one| &one.name).collect();
    assert_eq!((names, listed.next_page_token.as_str()), (vec![&own], ""));
    assert!(listed.sessions[0].current);
    // A page of the account's list is none of its own.
    let request = ListSessionsRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let page = app.sessions().list_sessions(ann.asks(request)).await;
    let request = ListSessionsRequest {
        page_size: 1,
        page_token: page.unwrap().into_inner().next_page_token,
    };
    assert!(!request.page_token.is_empty());
    let request = with_bearer(request, &token);
    let answer = app.sessions().list_sessions(request).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");

    let get = |name: &str| GetSessionRequest {
        name: name.to_owned(),
    };
    let revoke = |name: &str| DeleteSessionRequest {
        name: name.to_owned(),
    };
    for name in [own.as_str(), "sessions/current"] {
        let answer = app
            .sessions()
            .get_session(with_bearer(get(name), &token))
            .await;
        assert_eq!(answer.unwrap().into_inner().session.unwrap().name, own);
    }
    let answer = app
        .sessions()
        .get_session(with_bearer(get(&other), &token))
        .await;
    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    let answer = app
        .sessions()
        .delete_session(with_bearer(revoke(&other), &token))
        .await;
    refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
    assert!(ann.is_in().await);
    // The account sees them both.
    let answer = app.sessions().get_session(ann.asks(get(&own))).await;
    answer.unwrap();
    app.sessions()
        .delete_session(with_bearer(revoke(&own), &token))
        .await
        .unwrap();
    assert!(!app.opens(&token).await && ann.is_in().await);
}

#[tokio::test]
async fn a_call_without_a_good_credential_is_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let request = || GetSessionRequest { name: current() };
    let none = app.sessions().get_session(request()).await;
    refused(none, Code::Unauthenticated, "CREDENTIAL_MISSING");
    let token = &ann.tokens.access_token;
    let long = "x".repeat(5000);
    for text in [
        "x",
        "a.b.c",
        &token[..token.len() - 1],
        &format!("{token}A"),
        &long,
        &ann.tokens.refresh_token,
    ] {
        let answer = app
            .sessions()
            .get_session(with_bearer(request(), text))
            .await;
        refused(answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
    }
    for header in ["Bearer", "basic", "Basic !!!", "Basic YTpi"] {
        let mut request = Request::new(request());
        request
            .metadata_mut()
            .insert("authorization", header.parse().unwrap());
        refused(
            app.sessions().get_session(request).await,
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        );
    }
}

#[tokio::test]
async fn a_credential_without_its_scheme_is_told_so_and_opens_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = &ann.tokens.access_token;
    for header in [
        token.clone(),
        format!("Token {token}"),
        format!("Bearer: {token}"),
        format!("Bearer={token}"),
        "Digest abc".to_owned(),
    ] {
        let mut request = Request::new(GetSessionRequest { name: current() });
        let metadata = request.metadata_mut();
        metadata.insert("authorization", header.parse().unwrap());
        refused(
            app.sessions().get_session(request).await,
            Code::Unauthenticated,
            "CREDENTIAL_SCHEME_INVALID",
        );
        for path in ["/v1/accounts/me", "/oauth/me", "/api/user/tokens"] {
            let call = app.get(path).header("authorization", &header);
            let answer = call.send().await;
            assert_eq!(answer.status(), 401, "{path}");
            assert!(
                answer.text().contains("send `authorization: Bearer …`"),
                "{path}"
            );
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains("The scheme before the credential is missing"));
            assert!(!answer.text().contains(token.as_str()));
        }
    }
}

#[tokio::test]
async fn what_was_revoked_stays_revoked_after_a_restart() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, other) = (person.logs_in().await, person.logs_in().await);
    app.sessions()
        .delete_session(ann.asks(DeleteSessionRequest { name: current() }))
        .await
        .unwrap();
    let (revoked, live) = (ann.tokens.clone(), other.tokens.clone());
    let app = app.restart().await;
    assert!(!app.opens(&revoked.access_token).await);
    refused(
        app.try_refresh(&revoked.refresh_token).await,
        Code::Unauthenticated,
        "REFRESH_TOKEN_INVALID",
    );
    assert!(app.opens(&live.access_token).await);
    app.try_refresh(&live.refresh_token).await.unwrap();
}

/// Polls a call a few times and then drops it, as the server does when a client goes away.
async fn give_up_after<F: Future>(polls: usize, call: F) {
    let mut call = Box::pin(call);
    for _ in 0..polls {
        let finished =
            std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready()))
                .await;
        if finished {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_logging_out_leaves_no_half_of_it() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let witness = person.logs_in().await;
    for polls in 1..40 {
        let leaver = person.logs_in().await;
        assert!(leaver.is_in().await);
        let mut sessions = app.sessions();
        give_up_after(
            polls,
            sessions.delete_session(leaver.asks(DeleteSessionRequest { name: current() })),
        )
        .await;
        // Whatever was queued before this has happened when it is answered.
        person.logs_in().await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let request = GetSessionRequest {
            name: leaver.session.clone(),
        };
        let live = app
            .sessions()
            .get_session(witness.asks(request))
            .await
            .is_ok();
        assert_eq!(leaver.is_in().await, live, "after {polls} polls");
    }
}

#[tokio::test]
async fn control_characters_in_an_address_are_refused_before_the_database_sees_them() {
    let app = TestApp::start().await;
    for address in ["a\0nn@example.com", "ann@example.com\u{7}"] {
        let answer = app.try_log_in(address, PASSWORD).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            ["email"]
        );
    }
}

#[tokio::test]
async fn a_write_that_is_lost_forgets_nobody_else_and_costs_no_look_up() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let bob = app.sign_up("bob").await.logs_in().await.tokens.access_token;
    let decided = async |token: &str| {
        let call = app.get("/authz/forward").bearer(token);
        let call = call.header("x-original-method", "GET");
        call.header("x-original-uri", "/").send().await.status()
    };
    // No rule lets them, but they are known.
    assert_eq!([decided(&ann).await, decided(&bob).await], [403, 403]);
    app.parts.store.close().await;
    let lost = app.delete("/v1/sessions/current").bearer(&ann).send().await;
    assert_eq!(lost.status(), 503);
    assert_eq!(decided(&bob).await, 403);
}

#[tokio::test]
async fn a_credential_that_is_shown_by_many_at_once_is_good_for_all_of_them() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let app = app.restart().await;
    let calls = (0..50).map(|_| app.get("/v1/accounts/me").bearer(&token).send());
    for answer in futures_join(calls).await {
        assert_eq!(answer.status(), 200);
    }
}

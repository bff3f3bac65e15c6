//! Health as gRPC clients watch it (grpc.health.v1).

use std::time::Duration;

use countersign::{app::App, config::Config, env::Env};
use sea_orm::ConnectionTrait as _;
use tokio::{sync::oneshot, time::timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::{
    store_contract::on_postgres,
    support::{PASSWORD, TestApp},
};

fn whole_server() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

#[tokio::test]
async fn watchers_hear_of_changes_alone_and_of_the_stop() {
    let app = TestApp::start().await;
    app.parts.health.check().await;
    let mut health = HealthClient::new(app.channel());
    let mut watch = health.watch(whole_server()).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);

    app.parts.health.check().await;
    let again = timeout(Duration::ZERO, watch.message()).await;
    assert!(again.is_err(), "{again:?}");

    app.parts.health.stop();
    // The database still answers, which is not news any more.
    app.parts.health.check().await;
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_service_that_is_unknown_can_be_watched_and_not_checked() {
    let app = TestApp::start().await;
    let mut health = HealthClient::new(app.channel());
    let unknown = || HealthCheckRequest {
        service: "countersign.v1.NoService".to_owned(),
    };
    let mut watch = health.watch(unknown()).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    let more = timeout(Duration::ZERO, watch.message()).await;
    assert!(more.is_err(), "{more:?}");
    let refused = health.check(unknown()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    for service in ["", "countersign.v1.SessionService"] {
        let service = service.to_owned();
        let known = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(known.get_ref().status(), ServingStatus::Serving);
    }

    app.parts.health.stop();
    assert_eq!(watch.message().await.unwrap(), None);
    let known = health.check(whole_server()).await.unwrap();
    assert_eq!(known.get_ref().status(), ServingStatus::NotServing);
    assert_eq!(app.get("/readyz").send().await.status(), 503);
}

/// As after a failover that left the program connected to the old server.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_takes_no_writes_is_not_ready() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| base.configure(config)).await;
        let by_hand = base.postgres_by_hand().await.unwrap();
        let everybody_anew = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let ready = async || app.get("/readyz").send().await.status();
        for (default, status) in [("on", 503), ("off", 200)] {
            let change = format!(
                "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format( \
                 'ALTER DATABASE %I SET default_transaction_read_only = {default}', \
                 current_database()); END $$; COMMIT"
            );
            by_hand.execute_unprepared(&change).await.unwrap();
            by_hand.execute_unprepared(everybody_anew).await.unwrap();
            // Finds the connections that are gone, and then what the new ones may.
            for _ in 0..10 {
                app.parts.health.check().await;
            }
            app.parts.store.ping().await.unwrap();
            assert_eq!(ready().await, status, "read-only is {default}");
        }
    })
    .await;
}

#[tokio::test]
async fn probes_have_a_limit_of_their_own() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let mut refused = 0;
    for _ in 0..60 {
        let answer = app.get("/readyz").send().await;
        if answer.status() == 429 {
            assert_eq!(answer.json()["details"][0]["metadata"]["limit"], "probes");
            refused += 1;
        }
    }
    assert_eq!(refused, 10);
    let limited = HealthClient::new(app.channel()).check(whole_server()).await;
    assert_eq!(limited.unwrap_err().code(), tonic::Code::ResourceExhausted);
    // Whoever else calls from there has lost nothing.
    for _ in 0..8 {
        let answer = app.get("/v1/accounts/me").send().await;
        assert_eq!(answer.status(), 401);
    }
}

#[tokio::test]
async fn open_streams_do_not_delay_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: folder.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        ..Config::default()
    };
    let app = App::start(config, Env::system()).await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", app.local_addr())).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(app.serve(async {
        let _ = stopped.await;
    }));
    let channel = endpoint.connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    let mut watch = health.watch(whole_server()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let mut questions = ServerReflectionClient::new(channel)
        .server_reflection_info(futures_util::stream::pending())
        .await
        .unwrap()
        .into_inner();

    stop.send(()).unwrap();
    // Sooner than the drain would give up on it.
    let ended = timeout(Duration::from_secs(4), server).await;
    ended.unwrap().unwrap().unwrap();
    assert_eq!(questions.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_server_whose_data_file_was_removed_is_not_ready() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/readyz").send().await.status(), 200);
    std::fs::remove_file(app.config.data_dir.join("countersign.db")).unwrap();
    let known = app.get("/readyz").send().await;
    assert_eq!(known.status(), 200, "a probe asked the database");
    app.parts.health.check().await;
    let unavailable = app.get("/readyz").send().await;
    assert_eq!(unavailable.status(), 503);
    assert_eq!(unavailable.text(), r#"{"status":"unavailable"}"#);
    let refused = app.try_sign_up("ann@example.com", PASSWORD).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
}

//! Health as gRPC clients watch it (grpc.health.v1).

use std::time::Duration;

use countersign::{app::App, config::Config, env::Env};
use tokio::{sync::oneshot, time::timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{PASSWORD, TestApp};

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

    app.parts.health.stop().await;
    // The database still answers, which is not news any more.
    app.parts.health.check().await;
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test]
async fn an_open_watch_does_not_delay_the_stop() {
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
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watch = health.watch(whole_server()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    stop.send(()).unwrap();
    // Sooner than the drain would give up on it.
    let ended = timeout(Duration::from_secs(4), server).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_whose_data_file_was_removed_is_not_ready() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/readyz").send().await.status(), 200);
    std::fs::remove_file(app.config.data_dir.join("countersign.db")).unwrap();
    assert_eq!(app.get("/readyz").send().await.status(), 503);
    let refused = app.try_sign_up("ann@example.com", PASSWORD).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
}

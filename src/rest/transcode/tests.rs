mod answers;
mod requests;

use serde_json::Value;

use super::*;
use crate::rest::testing::{Answer, Fake, rendered, request};

const JSON: &str = "application/json";

struct Rest {
    fake: Fake,
    transcoder: Transcoder,
}

impl Rest {
    async fn new() -> Self {
        let fake = Fake::default();
        let transcoder = Transcoder::new(fake.channel().await).unwrap();
        Self { fake, transcoder }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.transcoder.handle(request).await;
        Answer::read(rendered(response, |error| render(error, "request-7"))).await
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(request("GET", uri, None)).await
    }

    async fn json(&self, method: &str, uri: &str, body: &Value) -> Answer {
        self.send(request(method, uri, Some((JSON, &body.to_string()))))
            .await
    }

    /// Sends what must be refused before it reaches a service; gives reason, field and description.
    async fn refused(&self, request: Request<Body>) -> (u16, String, String) {
        let answer = self.send(request).await;
        assert!(self.fake.calls().is_empty(), "{answer:?}");
        let body = answer.json();
        let violation = &body["details"][1]["fieldViolations"][0];
        let violation = match (
            violation["field"].as_str(),
            violation["description"].as_str(),
        ) {
            (Some(field), Some(description)) => format!("{field} {description}"),
            _ => String::new(),
        };
        let reason = body["details"][0]["reason"].as_str().unwrap().to_owned();
        (answer.status.as_u16(), reason, violation)
    }

    async fn refused_body(&self, uri: &str, body: &str) -> (u16, String, String) {
        self.refused(request("POST", uri, Some((JSON, body)))).await
    }
}

fn refusal(status: u16, reason: &str, violation: &str) -> (u16, String, String) {
    (status, reason.to_owned(), violation.to_owned())
}

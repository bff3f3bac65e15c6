//! `countersign admin`, with a server and without one.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixListener,
    },
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Person, Server, shown};
use crate::store_contract::Base;

const PASSWORD: &str = "correct horse battery";

impl Server {
    /// A call with JSON; the status and the answer, which HTTP/1.0 gives in one piece.
    pub(super) fn call(&self, line: &str, token: &str, body: &Value) -> (u16, Value) {
        let address = self.url().trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        write!(
            stream,
            "{line} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Signs up; the resource name.
    pub(super) fn signs_up(&self, email: &str) -> String {
        let (status, made) = self.call(
            "POST /v1/accounts",
            "",
            &json!({"email": email, "password": PASSWORD}),
        );
        assert_eq!(status, 200, "{made}");
        made["account"]["name"].as_str().unwrap().to_owned()
    }

    /// Logs in; the access token.
    pub(super) fn logs_in(&self, email: &str) -> Option<String> {
        let (_, made) = self.call(
            "POST /v1/sessions",
            "",
            &json!({"email": email, "password": PASSWORD}),
        );
        made["tokens"]["accessToken"]
            .as_str()
            .map(ToOwned::to_owned)
    }

    pub(super) fn status(&self, line: &str, token: &str) -> u16 {
        self.call(line, token, &Value::Null).0
    }
}

impl Person {
    /// Serves without limits, whose buckets are not what these tests are about.
    pub(super) fn serves_freely(&self, variables: &[(&str, &str)]) -> Server {
        let variables = [&[("COUNTERSIGN_LIMITS_ENABLED", "false")], variables].concat();
        self.tries_to_serve(&variables, &[])
            .unwrap_or_else(|said| panic!("the server did not start: {}", said.err))
    }

    fn admin(&self, arguments: &[&str]) -> super::Said {
        self.runs(&[&["admin"], arguments].concat())
    }

    fn admin_json(&self, arguments: &[&str]) -> Value {
        let text = self.admin(&[arguments, &["--json"]].concat()).text();
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn the_first_administrator_is_made_beside_the_running_server() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    let ada = server.signs_up("ada@example.com");
    let token = server.logs_in("ada@example.com").unwrap();
    assert_eq!(server.status("GET /admin/v1/accounts", &token), 403);

    let said = person.admin(&["grant", "Ada@example.com"]).text();
    assert!(
        said.starts_with("ACCOUNT ") && said.contains(&ada),
        "{said}"
    );
    assert_eq!(server.status("GET /admin/v1/accounts", &token), 200);

    person.admin(&["revoke", &ada]).text();
    assert_eq!(server.status("GET /admin/v1/accounts", &token), 403);

    let said = server.stops_on(Signal::TERM);
    assert!(said.out.contains("countersign admin grant"), "{}", said.out);
    assert_eq!(
        said.err.matches("was made an administrator").count(),
        1,
        "{}",
        said.err
    );
    assert!(!said.err.contains("ada@example.com"), "{}", said.err);
}

#[test]
fn a_server_with_an_administrator_does_not_ask_for_one() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    server.signs_up("ada@example.com");
    drop(server);
    let said = person.serves_freely(&[]).stops_on(Signal::TERM);
    assert!(!said.out.contains("Sign up"), "{}", said.out);
    assert!(said.out.contains("admin grant"), "{}", said.out);
    person.admin(&["grant", "ada@example.com"]).text();
    let said = person.serves_freely(&[]).stops_on(Signal::TERM);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
}

#[test]
fn disabling_is_seen_by_the_running_server_at_once_and_lasts() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    server.signs_up("bob@example.com");
    let token = server.logs_in("bob@example.com").unwrap();
    assert_eq!(server.status("GET /v1/accounts/me", &token), 200);
    let disabled = person.admin_json(&["disable", "bob@example.com"]);
    assert!(disabled["disableTime"].is_string(), "{disabled}");
    assert_eq!(server.status("GET /v1/accounts/me", &token), 401);
    assert_eq!(server.logs_in("bob@example.com"), None);
    server.stops_on(Signal::TERM);

    // Without a server, on the database itself.
    let list = person.admin(&["accounts", "--disabled"]).text();
    assert_eq!(list.lines().count(), 2, "{list}");
    let server = person.serves_freely(&[]);
    assert_eq!(server.logs_in("bob@example.com"), None);
    drop(server);
    // After a kill the socket is still there, and nobody behind it.
    assert!(person.data_dir().join("control.sock").exists());
    let enabled = person.admin_json(&["enable", "bob@example.com"]);
    assert_eq!(enabled["disableTime"], Value::Null);
    let server = person.serves_freely(&[]);
    assert_eq!(server.status("GET /v1/accounts/me", &token), 401);
    assert!(server.logs_in("bob@example.com").is_some());
}

#[test]
fn organizations_get_a_plan_and_are_disabled_and_deleted() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    server.signs_up("ada@example.com");
    server.signs_up("bob@example.com");
    let pro = person.admin_json(&["set-plan", "ada@example.com", "pro"]);
    let name = pro["name"].as_str().unwrap();
    assert_eq!(
        (&pro["plan"], &pro["ownerEmail"], &pro["accountCount"]),
        (&json!("pro"), &json!("ada@example.com"), &json!(1))
    );
    let list = person.admin_json(&["organizations", "--plan", "pro"]);
    assert_eq!(list, json!([pro]));
    assert!(person.admin_json(&["disable", name])["disableTime"].is_string());
    let accounts = person.admin_json(&["accounts", "--disabled", "--organization", name]);
    assert_eq!(accounts[0]["email"], "ada@example.com");

    let unasked = person.admin(&["delete", name]).refusal();
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(
        person
            .admin_json(&["organizations"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let deleted = person.admin(&["delete", name, "--yes"]).text();
    assert_eq!(deleted, format!("deleted {name}\n"));
    person.admin(&["delete", "bob@example.com", "--yes"]).text();
    assert_eq!(person.admin_json(&["accounts"]), json!([]));
    let gone = person.admin(&["disable", name]).refusal();
    assert!(gone.contains("no such organization"), "{gone}");
}

#[test]
fn a_list_ends_where_it_was_asked_to() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    for name in ["a%b", "ann", "bob"] {
        server.signs_up(&format!("{name}@example.com"));
    }
    let said = person.admin(&["accounts", "--limit", "2"]);
    assert!(said.err.contains("there are more"), "{}", said.err);
    assert_eq!(said.text().lines().count(), 3);
    let all = person.admin(&["accounts"]);
    assert_eq!(all.err, "");
    assert_eq!(all.text().lines().count(), 4);
    let found = person.admin_json(&["accounts", "--search", "%"]);
    assert_eq!(found[0]["email"], "a%b@example.com");
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[test]
fn who_is_meant_must_be_plain_and_must_be_there() {
    let person = Person::new();
    let nobody = person.admin(&["grant", "ada"]);
    assert_eq!(nobody.code, Some(2));
    assert!(
        nobody
            .err
            .contains("e-mail address, accounts/ID or organizations/ID"),
        "{}",
        nobody.err
    );
    assert!(
        !person.data_dir().exists(),
        "looked at before anything is made"
    );
    let missing = person.admin(&["grant", "ada@example.com"]).refusal();
    assert!(missing.contains("no database"), "{missing}");
    person.serves_freely(&[]).stops_on(Signal::TERM);
    let unknown = person.admin(&["grant", "ada@example.com"]).refusal();
    assert!(unknown.contains("no such account"), "{unknown}");
    let organization = person.admin(&["grant", "organizations/x"]).refusal();
    assert!(organization.contains("cannot administer"), "{organization}");
}

#[test]
fn a_database_is_left_as_it_is_until_a_server_has_made_it_ready() {
    let person = Person::new();
    fs::create_dir_all(person.data_dir()).unwrap();
    fs::write(person.data_dir().join("countersign.db"), "").unwrap();
    let no_schema = person.admin(&["accounts"]).refusal();
    assert!(
        no_schema.contains("changes of its schema") && no_schema.contains("`countersign migrate`"),
        "{no_schema}"
    );
    // What it lacked, it still lacks.
    assert_eq!(person.admin(&["accounts"]).refusal(), no_schema);

    person.runs(&["migrate"]).text();
    let key = person.data_dir().join("master.key");
    let no_key = person.admin(&["accounts"]).refusal();
    assert!(no_key.contains("start the server once"), "{no_key}");
    assert!(!key.exists());

    person.serves_freely(&[]).stops_on(Signal::TERM);
    assert_eq!(person.admin_json(&["accounts"]), json!([]));
    fs::remove_file(&key).unwrap();
    let lost = person.admin(&["accounts"]).refusal();
    assert!(lost.contains("restore it from a copy"), "{lost}");
    assert!(!key.exists());
}

#[test]
fn the_control_socket_is_for_the_owner_and_can_be_switched_off() {
    let person = Person::new();
    let socket = person.data_dir().join("control.sock");
    let server = person.serves_freely(&[]);
    let metadata = fs::metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    server.stops_on(Signal::TERM);
    assert!(!socket.exists());

    let _server = person.serves_freely(&[("COUNTERSIGN_ADMIN_SOCKET", "false")]);
    assert!(!socket.exists());
    let refused = person.admin(&["accounts"]).refusal();
    assert!(refused.contains("in use by process"), "{refused}");
}

#[test]
fn something_else_behind_the_socket_is_told() {
    let person = Person::new();
    person.runs(&["migrate"]).text();
    let listener = UnixListener::bind(person.data_dir().join("control.sock")).unwrap();
    let silent = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let refused = person.admin(&["accounts"]).refusal();
    assert!(
        refused.contains("server") || refused.contains(&shown(&person.data_dir())),
        "{refused}"
    );
    silent.join().unwrap();
}

/// On Postgres the command goes to the database itself, beside the servers.
#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_the_command_needs_no_socket() {
    crate::store_contract::on_postgres(beside_servers).await;
}

async fn beside_servers(base: Base) {
    let (person, url) = (Person::new(), base.url().unwrap());
    let postgres = ("COUNTERSIGN_DATABASE_URL", url.as_str());
    let server = person.serves_freely(&[postgres]);
    assert!(!person.data_dir().join("control.sock").exists());
    server.signs_up("bob@example.com");
    let token = server.logs_in("bob@example.com").unwrap();
    let said = person.runs_with(
        &[postgres],
        &["admin", "disable", "bob@example.com", "--json"],
    );
    let disabled: Value = serde_json::from_str(&said.text()).unwrap();
    assert!(disabled["disableTime"].is_string());
    // The server has not seen the token yet, so it has nothing to forget.
    assert_eq!(server.status("GET /v1/accounts/me", &token), 401);
    assert_eq!(server.logs_in("bob@example.com"), None);
}

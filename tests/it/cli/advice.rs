//! Each start that fails: what it says is wrong, and that what it advises would help.

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    thread,
};

use super::{Person, shown};

/// What a start is given, what it must say, and what it may not advise.
struct Case {
    variables: Vec<(&'static str, String)>,
    says: &'static str,
    advises: &'static str,
}

fn case(
    variables: impl IntoIterator<Item = (&'static str, String)>,
    says: &'static str,
    advises: &'static str,
) -> Case {
    Case {
        variables: variables.into_iter().collect(),
        says,
        advises,
    }
}

fn tls(cert: &Path, key: &Path) -> [(&'static str, String); 2] {
    [
        ("COUNTERSIGN_TLS_CERT", shown(cert)),
        ("COUNTERSIGN_TLS_KEY", shown(key)),
    ]
}

fn certificates(person: &Person) -> Vec<Case> {
    let (cert, key) = person.certificate("one");
    let (_, others) = person.certificate("other");
    let encrypted = person.private_file(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let open = person.home.path().join("open.key");
    fs::copy(&key, &open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    vec![
        case(
            tls(&cert, &others),
            "is not the key of",
            "tls.cert and tls.key",
        ),
        case(
            tls(&key, &key),
            "holds no certificate",
            "the server's certificate first",
        ),
        case(
            tls(&cert, &encrypted),
            "holds no private key",
            "unencrypted key",
        ),
        case(
            tls(Path::new("missing.crt"), &key),
            "cannot read missing.crt",
            "check the path",
        ),
        case(tls(&cert, &open), "mode 0644", "chmod 600"),
    ]
}

fn trusted_roots(person: &Person) -> Vec<Case> {
    let (_, key) = person.certificate("root");
    let with = |path: String| [("COUNTERSIGN_OUTBOUND_TRUSTED_ROOTS_FILE", path)];
    vec![
        case(
            with("missing.pem".to_owned()),
            "cannot read missing.pem",
            "check outbound.trusted_roots_file",
        ),
        case(
            with(shown(&key)),
            "holds no certificate",
            "a PEM file of authorities",
        ),
    ]
}

fn master_keys(person: &Person) -> Vec<Case> {
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let open = person.file("open.master", secret);
    fs::set_permissions(&open, Permissions::from_mode(0o604)).unwrap();
    let open = shown(&open);
    let toml = person.file(
        "open.toml",
        &format!("keys.master_key = '{}'", secret.trim()),
    );
    fs::set_permissions(&toml, Permissions::from_mode(0o604)).unwrap();
    let below = shown(&person.home.path().join("missing/master.key"));
    let folder = shown(person.home.path());
    vec![
        case(
            [("COUNTERSIGN_KEYS_KEY_FILE", open.clone())],
            "mode 0604",
            "chmod 600",
        ),
        case(
            [("COUNTERSIGN_KEYS_MASTER_KEY_FILE", open)],
            "mode 0604",
            "chmod 600",
        ),
        case(
            [("COUNTERSIGN_CONFIG", shown(&toml))],
            "mode 0604",
            "chmod 600",
        ),
        case(
            [("COUNTERSIGN_KEYS_KEY_FILE", below)],
            "cannot make the key file",
            "to its folder",
        ),
        case(
            [("COUNTERSIGN_KEYS_KEY_FILE", folder)],
            "Is a directory",
            "name another",
        ),
    ]
}

fn folders_and_addresses(person: &Person, taken: &TcpListener) -> Vec<Case> {
    let file = shown(&person.file("file", ""));
    let garbage = person.home.path().join("garbage");
    fs::DirBuilder::new().mode(0o700).create(&garbage).unwrap();
    fs::write(garbage.join("countersign.db"), "x".repeat(4096)).unwrap();
    vec![
        case(
            [("COUNTERSIGN_DATA_DIR", file)],
            "cannot use the data folder",
            "it must be a folder",
        ),
        case(
            [("COUNTERSIGN_DATA_DIR", shown(&garbage))],
            "not a database",
            "restore it",
        ),
        case(
            [("COUNTERSIGN_DATA_DIR", String::new())],
            "`data_dir` cannot be",
            "name a folder",
        ),
        case(
            [(
                "COUNTERSIGN_LISTEN",
                taken.local_addr().unwrap().to_string(),
            )],
            "another program uses this port",
            "--listen",
        ),
        case(
            [
                ("COUNTERSIGN_LISTEN", "192.0.2.1:0".to_owned()),
                ("COUNTERSIGN_ISSUER", "https://id.example.com".to_owned()),
            ],
            "does not have the address",
            "--listen",
        ),
        case(
            [
                ("COUNTERSIGN_METRICS_ENABLED", "true".to_owned()),
                (
                    "COUNTERSIGN_METRICS_LISTEN",
                    taken.local_addr().unwrap().to_string(),
                ),
            ],
            "for metrics",
            "metrics.listen",
        ),
        case(
            [(
                "COUNTERSIGN_DATABASE_URL",
                "postgres://a:b@127.0.0.1:1/c".to_owned(),
            )],
            "Connection refused",
            "check that it runs",
        ),
        case(
            // No system has room for such a thread.
            [("RUST_MIN_STACK", (1_u64 << 60).to_string())],
            "cannot start enough threads",
            "limits of processes",
        ),
        case(
            [("COUNTERSIGN_CONFIG", "missing.toml".to_owned())],
            "missing.toml",
            "--config",
        ),
        case(
            [("COUNTERSIGN_LOG", "verbos".to_owned())],
            "`log`",
            "a level",
        ),
        case(
            [("COUNTERSIGN_MAIL_SMTP_URL_FILE", "missing".to_owned())],
            "cannot read the secret in missing",
            "a readable file",
        ),
    ]
}

/// The URL of a Postgres that refuses a session with this SQLSTATE.
fn refusing_postgres(code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        client.read_exact(&mut length).unwrap();
        let mut start = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
        client.read_exact(&mut start).unwrap();
        let fields = format!("SFATAL\0VFATAL\0C{code}\0Mcanary\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let answer = [b"E", &length[..], fields.as_bytes()].concat();
        client.write_all(&answer).unwrap();
    });
    format!("postgres://ann:canary@{address}/canary?sslmode=disable")
}

fn postgres() -> Vec<Case> {
    let refusals = [
        ("28P01", "does not take the password", "percent-encoded"),
        ("28000", "does not let this user in", "pg_hba.conf"),
        ("3D000", "no such database", "CREATE DATABASE"),
        ("42501", "may not connect", "GRANT CONNECT"),
        ("53300", "no connection left", "max_connections"),
        ("57P03", "starting or stopping", "start again"),
        ("42704", "a parameter of the session", "`options`"),
        ("XX000", "SQLSTATE XX000", "the log of Postgres"),
    ];
    let case_of = |(code, says, advises)| {
        case(
            [("COUNTERSIGN_DATABASE_URL", refusing_postgres(code))],
            says,
            advises,
        )
    };
    refusals.into_iter().map(case_of).collect()
}

#[test]
fn advice_fits_the_cause() {
    let person = Person::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut cases = certificates(&person);
    cases.extend(trusted_roots(&person));
    cases.extend(master_keys(&person));
    cases.extend(folders_and_addresses(&person, &taken));
    cases.extend(postgres());
    // Root may listen there, and in many containers everybody.
    if TcpListener::bind("127.0.0.1:1").is_err() {
        let variables = [("COUNTERSIGN_LISTEN", "127.0.0.1:1".to_owned())];
        cases.push(case(variables, "no permission", "--listen"));
    }
    for Case {
        variables,
        says,
        advises,
    } in cases
    {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let refusal = person.cannot_serve(&variables, &[]).refusal_after_log();
        let (what, advice) = refusal.split_once(" — ").unwrap();
        assert!(!refusal.contains("canary"), "{refusal}");
        assert!(what.contains(says), "{says}: {refusal}");
        assert!(advice.contains(advises), "{advises}: {refusal}");
        let names_the_address = advice.contains("--listen");
        assert_eq!(names_the_address, advises == "--listen", "{refusal}");
    }
}

#[test]
fn the_check_of_settings_reads_every_file_that_they_name() {
    let person = Person::new();
    for Case {
        variables, says, ..
    } in certificates(&person)
        .into_iter()
        .chain(trusted_roots(&person))
    {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let refusal = person.runs_with(&variables, &["config", "check"]).refusal();
        assert!(refusal.contains(says), "{refusal}");
    }
    let no_key = person.private_file("no.key", "no key");
    let variables = [("COUNTERSIGN_KEYS_KEY_FILE", no_key.to_str().unwrap())];
    let refusal = person.runs_with(&variables, &["config", "check"]).refusal();
    assert!(refusal.contains("32 bytes"), "{refusal}");
    let checked = person.runs(&["config", "check"]).text();
    assert!(
        checked.ends_with("\n# OK: these settings can be used\n"),
        "{checked}"
    );
    assert!(!person.data_dir().exists());
}

/// As the kubelet does it to a volume of a pod with `fsGroup`, at every mount.
#[test]
fn a_group_that_may_read_the_key_file_is_told_and_the_server_starts() {
    let person = Person::new();
    drop(person.serves(&[]));
    for mode in [0o660, 0o640] {
        for file in fs::read_dir(person.data_dir()).unwrap() {
            let file = file.unwrap().path();
            fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        }
        let mut server = person.serves(&[]);
        let told = server.logs("may use this key file");
        assert!(told.contains(&format!("{mode:04o}")), "{told}");
        let data_file = person.data_dir().join("countersign.db");
        assert_eq!(mode_of(&data_file), 0o600);
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

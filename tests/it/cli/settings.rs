//! Settings: where they come from, what is refused, what is shown.

use std::path::Path;

use super::{Person, shown};

/// The lines of `config check`, without their sources.
fn values(checked: &str) -> Vec<&str> {
    let value = |line: &'_ str| line.len().min(line.find(" # ").unwrap_or(line.len()));
    checked
        .lines()
        .map(|line| line[..value(line)].trim_end())
        .collect()
}

fn line_of<'a>(checked: &'a str, key: &str) -> &'a str {
    checked
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")))
        .unwrap()
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let person = Person::new();
    for (text, wrong, nearest) in [
        ("isuer = 'https://id.example.com'", "isuer", "issuer"),
        (
            "[tokens]\nacess_lifetime = '1h'",
            "tokens.acess_lifetime",
            "tokens.access_lifetime",
        ),
        (
            "[databse]\nurl = 'postgres://a/b'",
            "databse.url",
            "database.url",
        ),
        ("[limts]", "limts", "limits"),
    ] {
        let file = person.file("countersign.toml", text);
        let refusal = person
            .runs(&["config", "check", "--config", &shown(&file)])
            .refusal();
        assert!(
            refusal.contains(&format!("no setting `{wrong}`")),
            "{refusal}"
        );
        assert!(
            refusal.contains(&format!("nearest is `{nearest}`")),
            "{refusal}"
        );
        assert!(refusal.contains("countersign.toml"), "{refusal}");
    }
}

#[test]
fn an_unknown_variable_names_the_nearest() {
    let person = Person::new();
    for (wrong, nearest) in [
        ("COUNTERSIGN_ISUER", "COUNTERSIGN_ISSUER"),
        ("COUNTERSIGN_DB_URL", "COUNTERSIGN_DATABASE_URL"),
        (
            "COUNTERSIGN_DATABASE_URL_FIEL",
            "COUNTERSIGN_DATABASE_URL_FILE",
        ),
        ("COUNTERSIGN_LOG_FILE", "COUNTERSIGN_LOG"),
        ("COUNTERSIGN_TLS_CERTIFICATE", "COUNTERSIGN_TLS_CERT"),
        ("COUNTERSIGN_CONFG", "COUNTERSIGN_CONFIG"),
    ] {
        let refusal = person
            .runs_with(&[(wrong, "s3cret")], &["config", "check"])
            .refusal();
        assert!(refusal.contains(wrong), "{refusal}");
        assert!(refusal.contains(nearest), "{refusal}");
        assert!(!refusal.contains("s3cret"), "{refusal}");
    }
}

#[test]
fn what_kubernetes_says_of_a_service_is_no_setting() {
    let links = [
        ("COUNTERSIGN_PORT", "tcp://10.0.0.1:8080"),
        ("COUNTERSIGN_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.1"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "8080"),
    ];
    let person = Person::new();
    let inside = [&links[..], &[("KUBERNETES_SERVICE_HOST", "10.0.0.9")]].concat();
    person.runs_with(&inside, &["config", "check"]).text();
    person.runs_with(&links, &["config", "check"]).refusal();
}

#[test]
fn a_setting_that_is_not_allowed_is_refused_in_one_line() {
    let person = Person::new();
    for (variable, value, key, must) in [
        ("LISTEN", "localhost", "listen", "an IP address and a port"),
        ("LISTEN", "a\nb", "listen", "an IP address and a port"),
        ("ISSUER", "http://id.example.com", "issuer", "https"),
        (
            "ISSUER",
            "https://id.example.com?a=b",
            "issuer",
            "without user, query",
        ),
        ("LISTEN", "192.0.2.1:80", "issuer", "https"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,0.0.0.0/0",
            "trusted_proxies",
            "trust everything",
        ),
        (
            "TRUSTED_PROXIES",
            "::/0",
            "trusted_proxies",
            "trust everything",
        ),
        ("CORS_ORIGINS", "*", "cors.origins", "exact origins"),
        ("DATABASE_URL", "mysql://a/b", "database.url", "postgres://"),
        ("TLS_CERT", "cert.pem", "tls.key", "together"),
        ("TLS_KEY", "key.pem", "tls.cert", "together"),
        ("LOG", "info,=", "log", "a level"),
        (
            "LOG",
            "warning",
            "log",
            "off, error, warn, info, debug or trace",
        ),
        ("LOG", "info,verbos", "log", "a level"),
        (
            "LOG",
            "info,sqlx=debug",
            "log",
            "libraries are never logged",
        ),
        ("LOG_FORMAT", "xml", "log_format", "text or json"),
        (
            "SERVER_DRAIN_TIMEOUT",
            "9s",
            "server.drain_timeout",
            "between 0s and 8s",
        ),
        (
            "TOKENS_ACCESS_LIFETIME",
            "10",
            "tokens.access_lifetime",
            "units",
        ),
        (
            "PASSWORDS_MEMORY_KIB",
            "1024",
            "passwords.memory_kib",
            "between 8192 and 1048576",
        ),
        ("PASSWORDS_ITERATIONS", "1", "passwords.iterations", "35840"),
        ("PASSWORDS_QUEUE", "-1", "passwords.queue", "whole number"),
        (
            "KEYS_MASTER_KEY",
            "short",
            "keys.master_key",
            "openssl rand -base64 32",
        ),
        (
            "MAIL_SMTP_URL",
            "smtp://u:p@mail.example.com",
            "mail.smtp_url",
            "in the clear",
        ),
        ("LIMITS_ENABLED", "yes", "limits.enabled", "true or false"),
    ] {
        is_refused(&person, variable, value, key, must);
    }
}

#[test]
fn trusting_everything_is_refused_in_every_spelling() {
    let person = Person::new();
    for networks in [
        "0.0.0.0/1,128.0.0.0/1",
        "128.0.0.0/2,10.0.0.0/8,0.0.0.0/2",
        "::ffff:0:0/96",
        "::/1, 8000::/1",
        "2000::/3",
    ] {
        let variable = [("COUNTERSIGN_TRUSTED_PROXIES", networks)];
        let refusal = person.runs_with(&variable, &["config", "check"]).refusal();
        assert!(refusal.contains("setting `trusted_proxies`"), "{refusal}");
        assert!(refusal.contains("trust everything"), "{refusal}");
    }
}

#[test]
fn networks_to_reach_are_named_and_not_all_of_them() {
    let person = Person::new();
    for (value, must) in [
        ("0.0.0.0/0", "not allow everything"),
        ("0.0.0.0/1,128.0.0.0/1", "not allow everything"),
        ("intranet", "networks or addresses"),
    ] {
        let (variable, key) = ("OUTBOUND_ALLOW_NETWORKS", "outbound.allow_networks");
        is_refused(&person, variable, value, key, must);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let person = Person::new();
    for (variables, key) in [
        (
            &[("COUNTERSIGN_SERVER_PROXY_PROTOCOL", "true")][..],
            "server.proxy_protocol",
        ),
        (
            &[
                ("COUNTERSIGN_METRICS_ON_MAIN_PORT", "true"),
                ("COUNTERSIGN_METRICS_LISTEN", "127.0.0.1:9464"),
            ],
            "metrics.listen",
        ),
    ] {
        let refusal = person.runs_with(variables, &["config", "check"]).refusal();
        assert!(refusal.contains(&format!("setting `{key}`")), "{refusal}");
    }
}

#[test]
fn work_that_makes_no_sense_is_refused_in_one_line() {
    let person = Person::new();
    for (variable, value, key, must) in [
        (
            "SIGNUP_PROOF_OF_WORK",
            "none",
            "signup.proof_of_work",
            "mailtd, all or adaptive",
        ),
        (
            "SIGNUP_ALGORITHM",
            "md5",
            "signup.algorithm",
            "sha256 or argon2id",
        ),
        (
            "SIGNUP_DIFFICULTY",
            "0",
            "signup.difficulty",
            "between 1 and 32",
        ),
        (
            "SIGNUP_DIFFICULTY",
            "24",
            "signup.difficulty_ceiling",
            "not be less than `signup.difficulty`",
        ),
        (
            "SIGNUP_ARGON2_DIFFICULTY_CEILING",
            "3",
            "signup.argon2_difficulty_ceiling",
            "not be less than `signup.argon2_difficulty`",
        ),
        (
            "SIGNUP_CHALLENGE_LIFETIME",
            "2h",
            "signup.challenge_lifetime",
            "between 10s and 1h",
        ),
    ] {
        is_refused(&person, variable, value, key, must);
    }
}

/// A variable with this value is refused by the name of its setting and what that must be.
fn is_refused(person: &Person, variable: &str, value: &str, key: &str, must: &str) {
    let variable = format!("COUNTERSIGN_{variable}");
    let refusal = person
        .runs_with(&[(&variable, value)], &["config", "check"])
        .refusal();
    assert!(
        refusal.contains(&format!("setting `{key}`")),
        "{variable}: {refusal}"
    );
    assert!(refusal.contains(must), "{variable}: {refusal}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused() {
    let person = Person::new();
    for (text, says) in [
        ("listen = 8080", "`listen` cannot be 8080"),
        (
            "database = 'postgres://s3cret/a'",
            "`database` is a section",
        ),
        ("[[tls]]\ncert = 'a'", "`tls` is a section"),
        ("[limits]\nenabled = 'true'", "true or false"),
        ("trusted_proxies = '10.0.0.0/8'", "a list"),
        ("[passwords]\nthreads = 1.5", "a whole number"),
        ("listen = 'a'\nlisten = 'b'", "not TOML: line 2"),
        ("[database]\nurl = 'postgres://s3cret", "not TOML: line 2"),
    ] {
        let file = person.file("countersign.toml", text);
        let refusal = person
            .runs(&["config", "check", "--config", &shown(&file)])
            .refusal();
        assert!(refusal.contains(says), "{refusal}");
        assert!(!refusal.contains("s3cret"), "{refusal}");
    }
    let missing = person.runs(&["--config", "missing.toml"]).refusal();
    assert!(missing.contains("missing.toml"), "{missing}");
}

#[test]
fn a_secret_can_be_kept_in_a_file() {
    let person = Person::new();
    let wrong = person.file("wrong", "mysql://s3cret@localhost/a\n");
    let right = person.file("right", "postgres://s3cret@localhost/a\r\n");
    let check = |path: &Path| {
        let variable = [("COUNTERSIGN_DATABASE_URL_FILE", path.to_str().unwrap())];
        person.runs_with(&variable, &["config", "check"])
    };
    let refusal = check(&wrong).refusal();
    assert!(
        refusal.contains("COUNTERSIGN_DATABASE_URL_FILE"),
        "{refusal}"
    );
    assert!(!refusal.contains("s3cret"), "{refusal}");
    let text = check(&right).text();
    assert_eq!(
        line_of(&text, "url")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        "url = \"***\" # variable COUNTERSIGN_DATABASE_URL_FILE"
    );
    assert!(check(Path::new("missing")).refusal().contains("missing"));
}

#[test]
fn a_secret_is_given_once() {
    let person = Person::new();
    let file = person.file("url", "postgres://localhost/a");
    let both = [
        ("COUNTERSIGN_DATABASE_URL", "postgres://localhost/b"),
        ("COUNTERSIGN_DATABASE_URL_FILE", file.to_str().unwrap()),
    ];
    let refusal = person.runs_with(&both, &["config", "check"]).refusal();
    assert!(
        refusal.contains("`database.url` is given twice"),
        "{refusal}"
    );
}

#[test]
fn secrets_are_never_printed() {
    let person = Person::new();
    let file = person.private_file(
        "countersign.toml",
        "[database]\nurl = 'postgres://user:canary1@localhost/a'\n\
         [mail]\nsmtp_url = 'smtps://user:canary2@mail.example.com'\n\
         [keys]\nmaster_key = 'Y2FuYXJ5M2NhbmFyeTNjYW5hcnkzY2FuYXJ5MzEyMzQ='\n",
    );
    let said = person.runs(&["config", "check", "--config", &shown(&file)]);
    assert!(!said.err.contains("canary"));
    let text = said.text();
    assert!(
        !text.contains("canary") && !text.contains("Y2FuYXJ5"),
        "{text}"
    );
    assert_eq!(text.matches("\"***\"").count(), 3);
}

#[test]
fn the_nearer_source_wins() {
    let person = Person::new();
    let listens = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["config", "check"], arguments].concat();
        let text = person.runs_with(variables, &arguments).text();
        let line = line_of(&text, "listen").to_owned();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let file = person.file("countersign.toml", "listen = '127.0.0.1:1'");
    let (path, file) = (
        shown(&file),
        [("COUNTERSIGN_CONFIG", file.to_str().unwrap())],
    );
    let both = [file[0], ("COUNTERSIGN_LISTEN", "127.0.0.1:2")];
    assert_eq!(listens(&[], &[]), "listen = \"127.0.0.1:8080\" # default");
    assert_eq!(
        listens(&file, &[]),
        format!("listen = \"127.0.0.1:1\" # file {path}")
    );
    assert_eq!(
        listens(&both, &[]),
        "listen = \"127.0.0.1:2\" # variable COUNTERSIGN_LISTEN"
    );
    assert_eq!(
        listens(&both, &["--listen", "127.0.0.1:3"]),
        "listen = \"127.0.0.1:3\" # flag --listen"
    );
    assert_eq!(
        listens(&[("COUNTERSIGN_CONFIG", "missing")], &["--config", &path]),
        format!("listen = \"127.0.0.1:1\" # file {path}")
    );
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    let person = Person::new();
    let defaults = person.runs(&["config", "show-defaults"]).text();
    let file = person.file("defaults.toml", &defaults);
    let plain = person.runs(&["config", "check"]).text();
    let read_back = person
        .runs(&["config", "check", "--config", &shown(&file)])
        .text();
    assert_eq!(values(&plain), values(&read_back));
    assert!(
        plain
            .lines()
            .all(|line| !line.contains(" # ") || line.ends_with(" # default"))
    );
    assert_eq!(
        plain.matches(" # default").count(),
        read_back.matches(" # file ").count(),
        "a setting is missing from the printed defaults"
    );
}

#[test]
fn the_fixed_variables_exist() {
    let person = Person::new();
    person.certificate("tls");
    let variables = [
        ("COUNTERSIGN_LISTEN", "0.0.0.0:8443"),
        ("COUNTERSIGN_DATA_DIR", "/srv/countersign"),
        ("COUNTERSIGN_ISSUER", "https://ID.example.com/"),
        ("COUNTERSIGN_DATABASE_URL", "postgres://localhost/a"),
        ("COUNTERSIGN_TLS_CERT", "tls.crt"),
        ("COUNTERSIGN_TLS_KEY", "tls.key"),
        ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("COUNTERSIGN_LIMITS_ENABLED", "false"),
        ("COUNTERSIGN_LOG", "debug"),
        ("COUNTERSIGN_LOG_FORMAT", "json"),
    ];
    let text = person.runs_with(&variables, &["config", "check"]).text();
    for line in [
        "listen = \"0.0.0.0:8443\"",
        "data_dir = \"/srv/countersign\"",
        "issuer = \"https://id.example.com\"",
        "url = \"***\"",
        "cert = \"tls.crt\"",
        "key = \"tls.key\"",
        "key_file = \"/srv/countersign/master.key\"",
        "trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]",
        "enabled = false",
        "log = \"debug\"",
        "log_format = \"json\"",
    ] {
        assert!(values(&text).contains(&line), "{line}\n{text}");
    }
}

#[test]
fn data_is_kept_where_the_platform_keeps_it() {
    let person = Person::new();
    let data_dir = |variables: &[(&str, &str)]| {
        let text = person.runs_with(variables, &["config", "check"]).text();
        values(&text)[1].to_owned()
    };
    assert_eq!(
        data_dir(&[]),
        format!("data_dir = \"{}\"", shown(&person.data_dir()))
    );
    assert_eq!(
        data_dir(&[("XDG_DATA_HOME", "/xdg")]),
        "data_dir = \"/xdg/countersign\""
    );
}

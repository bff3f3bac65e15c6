use secrecy::ExposeSecret as _;

use super::{PostgresUrlError as Error, *};

fn parse(text: &str) -> PostgresUrl {
    PostgresUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> Error {
    match PostgresUrl::parse(text) {
        Ok(_) => panic!("{text} was taken"),
        Err(error) => error,
    }
}

fn tcp(name: &str, port: u16) -> Host {
    Host {
        address: Address::Tcp(name.to_owned()),
        port,
    }
}

/// The examples of the manual, "Connection URIs", and what they leave to defaults.
#[test]
fn the_manuals_examples_are_read_as_it_says() {
    let local = || Host {
        address: Address::Local,
        port: 5432,
    };
    let hosts = |text: &str| parse(text).hosts;
    assert_eq!(hosts("postgresql://"), [local()]);
    assert_eq!(hosts("postgresql://localhost"), [tcp("localhost", 5432)]);
    assert_eq!(
        hosts("postgresql://localhost:5433"),
        [tcp("localhost", 5433)]
    );
    assert_eq!(
        hosts("postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp"),
        [tcp("localhost", 5432)]
    );
    assert_eq!(
        hosts("postgresql://host1:123,host2:456/somedb?target_session_attrs=any"),
        [tcp("host1", 123), tcp("host2", 456)]
    );
    assert_eq!(
        hosts("postgresql:///mydb?host=localhost&port=5433"),
        [tcp("localhost", 5433)]
    );
    assert_eq!(
        hosts("postgresql://[2001:db8::1234]/database"),
        [tcp("2001:db8::1234", 5432)]
    );
    let folder = || Host {
        address: Address::Folder("/var/lib/postgresql".into()),
        port: 5432,
    };
    assert_eq!(
        hosts("postgresql://%2Fvar%2Flib%2Fpostgresql/dbname"),
        [folder()]
    );
    assert_eq!(
        hosts("postgresql:///dbname?host=/var/lib/postgresql"),
        [folder()]
    );
    assert_eq!(hosts("postgresql:///mydb"), [local()]);
}

#[test]
fn what_a_url_says_is_read() {
    let url = parse(
        "postgres://an%20n%40x:p%40ss%3Aw%2Frd%23%3F%25%5B%5D%26%3D%20%2B%C3%BC@db.example:6432/my%2Fdb\
         ?application_name=id&connect_timeout=7&target_session_attrs=read-write\
         &options=-c%20search_path%3Did,%5C%20public%20--work-mem%3D4MB",
    );
    assert_eq!(url.user.as_deref(), Some("an n@x"));
    assert_eq!(url.password.unwrap().expose_secret(), "p@ss:w/rd#?%[]&= +ü");
    assert_eq!(url.hosts, [tcp("db.example", 6432)]);
    assert_eq!(url.database.as_deref(), Some("my/db"));
    assert_eq!(url.application_name.as_deref(), Some("id"));
    assert_eq!(url.connect_timeout, Some(Duration::from_secs(7)));
    assert!(url.writable);
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        url.options,
        [
            option("search_path", "id, public"),
            option("work_mem", "4MB")
        ]
    );
}

#[test]
fn a_parameter_wins_over_what_stands_before_it_and_an_empty_one_says_nothing() {
    let url =
        parse("postgres://ann:old@one:1/first?user=bob&host=two&port=2&dbname=second&password=");
    assert_eq!(url.user.as_deref(), Some("bob"));
    assert_eq!(url.hosts, [tcp("two", 2)]);
    assert_eq!(url.database.as_deref(), Some("second"));
    assert!(url.password.is_none());
    assert!(
        parse("postgres://h/db?sslrootcert=&passfile=&keepalives=")
            .options
            .is_empty()
    );
}

#[test]
fn one_port_is_for_all_hosts_and_an_empty_one_is_the_default() {
    let hosts = parse("postgres:///db?host=a,/tmp,,b&port=7").hosts;
    let addresses = [
        Address::Tcp("a".into()),
        Address::Folder("/tmp".into()),
        Address::Local,
        Address::Tcp("b".into()),
    ];
    assert_eq!(hosts, addresses.map(|address| Host { address, port: 7 }));
    assert_eq!(
        parse("postgres://a:7,b/db").hosts,
        [tcp("a", 7), tcp("b", 5432)]
    );
    assert_eq!(refused("postgres:///db?host=a,b,c&port=1,2"), Error::Lists);
    assert_eq!(
        parse("postgres://name/db?hostaddr=127.0.0.1").hosts,
        [tcp("127.0.0.1", 5432)]
    );
    assert_eq!(
        refused("postgres://a,b/db?hostaddr=127.0.0.1"),
        Error::Lists
    );
}

#[test]
fn tls_is_what_libpq_makes_of_the_parameters() {
    let mode = |query: &str| parse(&format!("postgres://h/db?{query}")).tls.mode;
    assert_eq!(mode(""), TlsMode::Prefer);
    assert_eq!(mode("sslmode=disable"), TlsMode::Disable);
    assert_eq!(mode("sslmode=require"), TlsMode::Require);
    assert_eq!(mode("ssl=true"), TlsMode::Require);
    assert_eq!(
        mode("sslmode=require&sslrootcert=/ca.pem"),
        TlsMode::VerifyCa
    );
    assert_eq!(
        mode("sslmode=verify-ca&sslrootcert=/ca.pem"),
        TlsMode::VerifyCa
    );
    assert_eq!(mode("sslmode=verify-full"), TlsMode::VerifyFull);
    assert_eq!(mode("sslrootcert=system"), TlsMode::VerifyFull);
    for query in [
        "sslmode=allow",
        "sslmode=verify-ca",
        "sslmode=require&sslrootcert=system",
        "sslcert=/a.pem",
        "hostaddr=127.0.0.1&sslmode=verify-full",
    ] {
        let error = refused(&format!("postgres://h/db?{query}"));
        assert!(matches!(error, Error::Value(..)), "{query}: {error}");
    }
}

/// "Parameter Key Words" of PostgreSQL 18, whole: each is taken or refused by its name, never unknown.
#[test]
fn every_parameter_of_libpq_is_known() {
    for name in "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout \
                 client_encoding options application_name fallback_application_name keepalives keepalives_idle \
                 keepalives_interval keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl \
                 sslnegotiation sslcompression sslcert sslkey sslkeylogfile sslpassword sslcertmode sslrootcert \
                 sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version \
                 min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key \
                 scram_server_key service servicefile target_session_attrs load_balance_hosts oauth_issuer \
                 oauth_client_id oauth_client_secret oauth_scope"
        .split_whitespace()
    {
        if let Err(error) = PostgresUrl::parse(&format!("postgres://h/db?{name}=7")) {
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
    }
    for query in [
        "channel_binding=require",
        "service=x",
        "keepalives_idle=30",
        "gssencmode=require",
    ] {
        let error = refused(&format!("postgres://h/db?{query}"));
        assert!(matches!(error, Error::Unsupported(_)), "{query}: {error}");
    }
    parse(
        "postgres://h/db?gssencmode=prefer&channel_binding=prefer&sslcompression=0&client_encoding=UTF8",
    );
}

#[test]
fn what_libpq_would_not_take_is_refused_and_not_repeated() {
    for url in [
        "",
        "hunter2",
        "mysql://ann:hunter2@h/db",
        "sqlite:///hunter2.db",
        "Postgres://ann:hunter2@h/db",
        "postgres:ann:hunter2@h/db",
        "postgres://ann:hunter2@h:hunter2/db",
        "postgres://ann:hunter2@h:0/db",
        "postgres://ann:hunter2@h:65536/db",
        "postgres://ann:hunter2%@h/db",
        "postgres://ann:hunter2%g0@h/db",
        "postgres://ann:hunter2%00@h/db",
        "postgres://ann:hunter2%ff@h/db",
        "postgres://ann:hunter2 @h/db",
        "postgres://ann:hunter2@[::1/db",
        "postgres://ann:hunter2@[]/db",
        "postgres://ann:hunter2@[::1]x/db",
        "postgres://h/db?hunter2",
        "postgres://h/db?hunter2=1",
        "postgres://h/db?sslmode=hunter2",
        "postgres://h/db?options=hunter2",
        "postgres://h/db?options=-c%20hunter2",
        "postgres://h/db?connect_timeout=hunter2",
        "postgres://h/db?passfile=hunter2",
        "postgres://h/db?hostaddr=hunter2",
        "postgres://h/db?client_encoding=hunter2",
        "postgres://h/db?target_session_attrs=standby",
        "postgres://h/db?host=@hunter2",
        "postgres://ann:p@ss:w/rd#?%[]&=+ü@h/db",
    ] {
        let error = refused(url);
        let said = format!("{error} {error:?}");
        assert!(
            !said.contains("hunter2") && !said.contains("ss:w"),
            "{url}: {said}"
        );
    }
}

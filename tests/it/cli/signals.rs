//! What a server does when it gets a signal.

use std::{fs, os::unix::net::UnixDatagram, time::Duration};

use rustix::process::Signal;

use super::{Person, shown};

#[test]
fn a_server_drains_when_it_is_told_to_stop() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let said = Person::new().serves(&[]).stops_on(signal);
        assert_eq!(said.code, Some(0), "{signal:?}: {}", said.err);
        assert!(said.err.contains("stopping"), "{}", said.err);
    }
}

#[test]
fn systemd_is_told_when_it_listens_and_when_it_stops() {
    let person = Person::new();
    let path = person.home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let hears = || {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    let started = person.tries_to_serve(&[("NOTIFY_SOCKET", &shown(&path))], &[]);
    let server = started.unwrap_or_else(|said| panic!("{}", said.err));
    assert_eq!(hears(), "READY=1");
    assert_eq!(server.status("GET /readyz", ""), 200);
    assert_eq!(server.stops_on(Signal::TERM).code, Some(0));
    assert_eq!(hears(), "STOPPING=1");
}

#[test]
fn no_other_signal_ends_it() {
    let server = Person::new().serves(&[]);
    for signal in [
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::PIPE,
        Signal::IO,
        Signal::XFSZ,
    ] {
        server.gets(signal);
        assert_eq!(server.status("GET /livez", ""), 200, "{signal:?}");
    }
    assert_eq!(server.stops_on(Signal::TERM).code, Some(0));
}

#[test]
fn sighup_reads_the_log_filter_again_and_keeps_it_when_the_new_one_is_broken() {
    let person = Person::new();
    let file = person.file("countersign.toml", "log = 'info'");
    let mut server = person.serves(&["--config", &shown(&file)]);

    person.file("countersign.toml", "log = 'verbos'");
    server.gets(Signal::HUP);
    let refused = server.logs("the log filter stays");
    assert!(refused.contains("`log` cannot be \"verbos\""), "{refused}");
    assert_eq!(server.status("GET /v1/accounts/me", ""), 401);
    server.logs("/v1/accounts/me");

    person.file("countersign.toml", "log = 'error'");
    server.gets(Signal::HUP);
    person.file("countersign.toml", "log = 'info'");
    server.gets(Signal::HUP);
    server.logs("the log filter was read again");
    assert_eq!(server.stops_on(Signal::TERM).code, Some(0));
}

#[test]
fn sighup_reads_the_certificate_again_and_keeps_it_when_the_new_one_is_broken() {
    let person = Person::new();
    let (cert, key) = person.certificate("tls");
    let variables = [
        ("COUNTERSIGN_TLS_CERT", cert.to_str().unwrap()),
        ("COUNTERSIGN_TLS_KEY", key.to_str().unwrap()),
    ];
    let mut server = person
        .tries_to_serve(&variables, &[])
        .unwrap_or_else(|said| panic!("the server did not start: {}", said.err));

    let good = fs::read(&cert).unwrap();
    fs::write(&cert, "no certificate").unwrap();
    // Each time, not only the first time that it is seen.
    for _ in 0..2 {
        server.gets(Signal::HUP);
        let refused = server.logs("the old one stays");
        assert!(refused.contains("holds no certificate"), "{refused}");
    }
    fs::write(&cert, good).unwrap();
    server.gets(Signal::HUP);
    server.logs("the TLS certificate was read again");
    person.certificate("tls");
    server.gets(Signal::HUP);
    server.logs("the TLS certificate was read again");
    assert_eq!(server.stops_on(Signal::TERM).code, Some(0));
}

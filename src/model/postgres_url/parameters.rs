//! The parameters of a URL: which there are, and what they mean together.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use super::{Address, DEFAULT_PORT, Host, PostgresUrl, PostgresUrlError, Tls, TlsMode, decode};

/// The parameters that are read below.
const READ: [&str; 17] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "fallback_application_name",
    "options",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "target_session_attrs",
    "client_encoding",
    "replication",
];

/// The other ones of libpq 18, each with the values that ask for what happens anyway.
const FIXED: [(&str, &[&str]); 35] = [
    ("channel_binding", &["disable", "prefer"]),
    ("gssdelegation", &["0"]),
    ("gssencmode", &["disable", "prefer"]),
    ("gsslib", &[]),
    // sqlx opens the socket, and sets nothing on it.
    ("keepalives", &["0"]),
    ("keepalives_count", &["0"]),
    ("keepalives_idle", &["0"]),
    ("keepalives_interval", &["0"]),
    ("krbsrvname", &[]),
    ("load_balance_hosts", &["disable"]),
    ("max_protocol_version", &["3.0"]),
    ("min_protocol_version", &["3.0"]),
    ("oauth_client_id", &[]),
    ("oauth_client_secret", &[]),
    ("oauth_issuer", &[]),
    ("oauth_scope", &[]),
    ("passfile", &[]),
    ("require_auth", &[]),
    ("requirepeer", &[]),
    ("requiressl", &["0"]),
    ("scram_client_key", &[]),
    ("scram_server_key", &[]),
    ("service", &[]),
    ("servicefile", &[]),
    ("ssl_max_protocol_version", &["TLSv1.3"]),
    ("ssl_min_protocol_version", &["TLSv1.2"]),
    ("sslcertmode", &["allow"]),
    ("sslcompression", &["0"]),
    ("sslcrl", &[]),
    ("sslcrldir", &[]),
    ("sslkeylogfile", &[]),
    ("sslnegotiation", &["postgres"]),
    ("sslpassword", &[]),
    ("sslsni", &["1"]),
    ("tcp_user_timeout", &["0"]),
];

/// What was given; the last one of a name counts. An empty value is as good as none.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), PostgresUrlError> {
        if let Some(name) = READ.into_iter().find(|read| *read == name) {
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name, value.to_owned());
            }
            return Ok(());
        }
        let fixed = FIXED.into_iter().find(|(fixed, _)| *fixed == name);
        let (name, values) = fixed.ok_or(PostgresUrlError::Unknown)?;
        if value.is_empty() || values.contains(&value) {
            Ok(())
        } else {
            Err(PostgresUrlError::Unsupported(name))
        }
    }

    pub(super) fn read_query(&mut self, query: &str) -> Result<(), PostgresUrlError> {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or(PostgresUrlError::Parameter)?;
            match (decode(name)?.as_str(), decode(value)?.as_str()) {
                // As JDBC spells it.
                ("ssl", "true") => self.set("sslmode", "require")?,
                (name, value) => self.set(name, value)?,
            }
        }
        Ok(())
    }

    pub(super) fn into_url(mut self) -> Result<PostgresUrl, PostgresUrlError> {
        let tls = self.tls()?;
        let hosts = self.hosts(tls.mode)?;
        let encoding = self.0.remove("client_encoding");
        if encoding.is_some_and(|name| !["utf8", "utf-8"].contains(&&*name.to_lowercase())) {
            return Err(PostgresUrlError::Value("client_encoding", "UTF8"));
        }
        let replication = self.0.remove("replication");
        if replication.is_some_and(|on| !["false", "off", "no", "0"].contains(&on.as_str())) {
            return Err(PostgresUrlError::Unsupported("replication"));
        }
        let fallback = self.0.remove("fallback_application_name");
        Ok(PostgresUrl {
            hosts,
            tls,
            connect_timeout: self.connect_timeout()?,
            writable: self.writable()?,
            options: self
                .0
                .remove("options")
                .map_or(Ok(Vec::new()), |text| read_options(&text))?,
            user: self.0.remove("user"),
            password: self.0.remove("password").map(Into::into),
            database: self.0.remove("dbname"),
            application_name: self.0.remove("application_name").or(fallback),
        })
    }

    fn hosts(&mut self, tls: TlsMode) -> Result<Vec<Host>, PostgresUrlError> {
        let mut list = |name| self.0.remove(name).unwrap_or_default();
        let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        let split = |list: &str| list.split(',').map(str::to_owned).collect::<Vec<_>>();
        let (names, ports) = (split(&names), split(&ports));
        let hosts = if addresses.is_empty() {
            names
                .iter()
                .map(|name| named(name))
                .collect::<Result<Vec<_>, _>>()?
        } else {
            let addresses = split(&addresses);
            if names.concat().is_empty() {
                // Only a name would be compared with the certificate; an address is what there is.
            } else if names.len() != addresses.len() {
                return Err(PostgresUrlError::Lists);
            } else if tls == TlsMode::VerifyFull {
                // sqlx compares the certificate with what it connects to.
                return Err(PostgresUrlError::Value(
                    "hostaddr",
                    "left out with sslmode=verify-full",
                ));
            }
            let pairs = addresses.iter().enumerate();
            pairs
                .map(|(at, address)| match address.parse::<IpAddr>() {
                    Ok(address) => Ok(Address::Tcp(address.to_string())),
                    Err(_) if address.is_empty() => named(names.get(at).map_or("", |name| name)),
                    Err(_) => Err(PostgresUrlError::Value("hostaddr", "an IP address")),
                })
                .collect::<Result<_, _>>()?
        };
        if ports.len() != 1 && ports.len() != hosts.len() {
            return Err(PostgresUrlError::Lists);
        }
        let with_ports = hosts.into_iter().zip(ports.iter().cycle());
        with_ports
            .map(|(address, port)| {
                Ok(Host {
                    address,
                    port: read_port(port)?,
                })
            })
            .collect()
    }

    fn tls(&mut self) -> Result<Tls, PostgresUrlError> {
        let root = self.0.remove("sslrootcert");
        let public = root.as_deref() == Some("system");
        let root_certificate = root.filter(|_| !public).map(PathBuf::from);
        let mode = match self.0.remove("sslmode").as_deref() {
            None if public => TlsMode::VerifyFull,
            Some("verify-full") => TlsMode::VerifyFull,
            _ if public => {
                let must = "verify-full with sslrootcert=system";
                return Err(PostgresUrlError::Value("sslmode", must));
            }
            None | Some("prefer") => TlsMode::Prefer,
            Some("disable") => TlsMode::Disable,
            // With a file of authorities, libpq verifies them too.
            Some("require") if root_certificate.is_some() => TlsMode::VerifyCa,
            Some("require") => TlsMode::Require,
            Some("verify-ca") if root_certificate.is_some() => TlsMode::VerifyCa,
            Some("verify-ca") => {
                return Err(PostgresUrlError::Value(
                    "sslmode",
                    "verify-full without sslrootcert",
                ));
            }
            Some(_) => {
                let must = "disable, prefer, require, verify-ca or verify-full";
                return Err(PostgresUrlError::Value("sslmode", must));
            }
        };
        let identity = match (self.0.remove("sslcert"), self.0.remove("sslkey")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            _ => {
                return Err(PostgresUrlError::Value(
                    "sslcert",
                    "given together with sslkey",
                ));
            }
        };
        Ok(Tls {
            mode,
            root_certificate,
            identity,
        })
    }

    /// Zero and less wait for ever in libpq, and nothing here does.
    fn connect_timeout(&mut self) -> Result<Option<Duration>, PostgresUrlError> {
        let Some(text) = self.0.remove("connect_timeout") else {
            return Ok(None);
        };
        let seconds: i32 = text
            .parse()
            .map_err(|_| PostgresUrlError::Value("connect_timeout", "a number of seconds"))?;
        Ok(u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs))
    }

    fn writable(&mut self) -> Result<bool, PostgresUrlError> {
        match self.0.remove("target_session_attrs").as_deref() {
            None | Some("any") => Ok(false),
            Some("read-write" | "primary") => Ok(true),
            Some(_) => {
                let must = "any, read-write or primary, for this program writes";
                Err(PostgresUrlError::Value("target_session_attrs", must))
            }
        }
    }
}

fn named(host: &str) -> Result<Address, PostgresUrlError> {
    match host.bytes().next() {
        None => Ok(Address::Local),
        Some(b'/') => Ok(Address::Folder(host.into())),
        Some(b'@') => Err(PostgresUrlError::Value(
            "host",
            "no socket in the abstract namespace",
        )),
        Some(_) => Ok(Address::Tcp(host.to_owned())),
    }
}

fn read_port(text: &str) -> Result<u16, PostgresUrlError> {
    match text.parse() {
        _ if text.is_empty() => Ok(DEFAULT_PORT),
        Ok(0) | Err(_) => Err(PostgresUrlError::Port),
        Ok(port) => Ok(port),
    }
}

/// The switches that set a run-time parameter: `-c name=value` and `--name=value`, separated by spaces. A
/// backslash takes the next character as it is.
fn read_options(text: &str) -> Result<Vec<(String, String)>, PostgresUrlError> {
    let must = PostgresUrlError::Value("options", "a list of `-c name=value`");
    let mut switches = split_switches(text).into_iter();
    let mut options = Vec::new();
    while let Some(switch) = switches.next() {
        let setting = match switch
            .strip_prefix("--")
            .or_else(|| switch.strip_prefix("-c"))
        {
            Some("") => switches.next().ok_or(must)?,
            Some(setting) => setting.to_owned(),
            None => return Err(must),
        };
        let (name, value) = setting.split_once('=').ok_or(must)?;
        let is_named = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(is_named) {
            return Err(must);
        }
        options.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(options)
}

fn split_switches(text: &str) -> Vec<String> {
    let (mut switches, mut switch) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => switch.extend(characters.next()),
            c if c.is_whitespace() => switches.extend(take_filled(&mut switch)),
            c => switch.push(c),
        }
    }
    switches.extend(take_filled(&mut switch));
    switches
}

fn take_filled(text: &mut String) -> Option<String> {
    Some(std::mem::take(text)).filter(|text| !text.is_empty())
}

//! URLs of Postgres databases, in the grammar of libpq (PostgreSQL manual, "Connection URIs" and "Parameter Key
//! Words"). Every parameter that libpq documents is honoured or refused. No error repeats any part of a URL.

mod parameters;

use std::{path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use self::parameters::Parameters;

/// The port where none is given.
const DEFAULT_PORT: u16 = 5432;

/// What a database URL says. What it leaves open is `None`, or libpq's default.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    /// The servers, in the order in which to try them. Never empty.
    pub hosts: Vec<Host>,
    /// Who logs in.
    pub user: Option<String>,
    /// With what.
    pub password: Option<SecretString>,
    /// The name of the database; without it, that of the user.
    pub database: Option<String>,
    /// What the sessions are called in `pg_stat_activity`.
    pub application_name: Option<String>,
    /// Run-time parameters of each session, from `options`.
    pub options: Vec<(String, String)>,
    /// How much TLS.
    pub tls: Tls,
    /// How long to wait for one server.
    pub connect_timeout: Option<Duration>,
    /// Whether only a server that takes writes will do (`target_session_attrs`).
    pub writable: bool,
}

/// Where one server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    /// Its address.
    pub address: Address,
    /// Its port, which is a part of the name of a socket too.
    pub port: u16,
}

/// The address of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// A name or an IP address.
    Tcp(String),
    /// The folder of a Unix socket.
    Folder(PathBuf),
    /// Nothing was named: the folder in which servers of this machine usually put their socket.
    Local,
}

/// TLS to a server, and the files that it needs.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// How much.
    pub mode: TlsMode,
    /// Authorities to trust, besides the public ones.
    pub root_certificate: Option<PathBuf>,
    /// The certificate of this client and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The values of `sslmode` that are supported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TlsMode {
    /// None.
    Disable,
    /// If the server offers it.
    #[default]
    Prefer,
    /// Always, whoever answers.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyCa,
    /// Always, with a certificate of a trusted authority for this host.
    VerifyFull,
}

/// Why a URL cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PostgresUrlError {
    /// It is one of something else.
    #[error("it begins with neither postgres:// nor postgresql://")]
    Scheme,
    /// A character that a URL cannot hold.
    #[error("it holds a space or a control character, which must be percent-encoded")]
    Character,
    /// A percent-encoding that is none.
    #[error(
        "a `%` in it is not followed by two hexadecimal digits, or what they stand for is not UTF-8"
    )]
    Encoding,
    /// A `[` without its `]`.
    #[error("an IPv6 address in it is not complete")]
    Ipv6,
    /// What stands for a port is none.
    #[error(
        "a port in it is not a number from 1 to 65535 (a password with `:`, `/` or `@` must be percent-encoded)"
    )]
    Port,
    /// The lists do not belong together.
    #[error("its lists of hosts, addresses and ports differ in length")]
    Lists,
    /// A query parameter without exactly one `=`.
    #[error("a parameter in it is not written as name=value")]
    Parameter,
    /// A query parameter that libpq does not document.
    #[error("it has a parameter that libpq does not know")]
    Unknown,
    /// A parameter of libpq that has no place here.
    #[error("its parameter `{0}` is not supported")]
    Unsupported(&'static str),
    /// A parameter with a value that is not supported.
    #[error("its parameter `{0}` must be {1}")]
    Value(&'static str, &'static str),
}

impl PostgresUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// libpq would not take it, or it asks for what is not supported.
    pub fn parse(text: &str) -> Result<Self, PostgresUrlError> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or(PostgresUrlError::Scheme)?;
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PostgresUrlError::Character);
        }
        let mut parameters = Parameters::default();
        let rest = read_user(rest, &mut parameters)?;
        let rest = read_hosts(rest, &mut parameters)?;
        let (database, query) = match rest.split_once('?') {
            Some((database, query)) => (database, query),
            None => (rest, ""),
        };
        let database = database.strip_prefix('/').unwrap_or_default();
        parameters.set("dbname", &decode(database)?)?;
        parameters.read_query(query)?;
        parameters.into_url()
    }
}

/// What stands before the first `@`, unless a `/` comes sooner.
fn read_user<'t>(text: &'t str, parameters: &mut Parameters) -> Result<&'t str, PostgresUrlError> {
    match text.find(['@', '/']) {
        Some(end) if text[end..].starts_with('@') => {
            let (user, password) = text[..end].split_once(':').unwrap_or((&text[..end], ""));
            parameters.set("user", &decode(user)?)?;
            parameters.set("password", &decode(password)?)?;
            Ok(&text[end + 1..])
        }
        _ => Ok(text),
    }
}

/// The list of `host:port`; gives the rest of the URL.
fn read_hosts<'t>(
    mut text: &'t str,
    parameters: &mut Parameters,
) -> Result<&'t str, PostgresUrlError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let (host, rest) = read_host(text)?;
        let (port, rest) = match rest.strip_prefix(':') {
            Some(rest) => rest.split_at(rest.find(['/', '?', ',']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        hosts.push(host);
        ports.push(port);
        match rest.strip_prefix(',') {
            Some(next) => text = next,
            None => {
                parameters.set("host", &decode(&hosts.join(","))?)?;
                let ports = ports.join(",");
                // Without any, the list says nothing, whatever its length.
                if ports.contains(|c| c != ',') {
                    parameters.set("port", &decode(&ports)?)?;
                }
                return Ok(rest);
            }
        }
    }
}

fn read_host(text: &str) -> Result<(&str, &str), PostgresUrlError> {
    let Some(address) = text.strip_prefix('[') else {
        return Ok(text.split_at(text.find([':', '/', '?', ',']).unwrap_or(text.len())));
    };
    match address.split_once(']') {
        Some((address, rest))
            if !address.is_empty()
                && (rest.is_empty() || rest.starts_with([':', '/', '?', ','])) =>
        {
            Ok((address, rest))
        }
        _ => Err(PostgresUrlError::Ipv6),
    }
}

/// Percent-decodes; a `+` is a `+`.
fn decode(text: &str) -> Result<String, PostgresUrlError> {
    let mut after_percent = text.split('%').skip(1);
    let is_encoded = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    };
    if !after_percent.all(is_encoded) {
        return Err(PostgresUrlError::Encoding);
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| PostgresUrlError::Encoding)
}

#[cfg(test)]
mod tests;

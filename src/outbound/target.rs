//! Where a request goes, as its URL says.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use super::{
    address::{Guard, is_loopback},
    connect::Resolve,
    error::FetchErrorKind,
};

/// The end of a request. The `url` crate has read every spelling of an address by now: `0x7f.1` is `127.0.0.1`.
pub(super) struct Target<'a> {
    url: &'a Url,
    /// The name, or the address, that the certificate must be for.
    server_name: ServerName<'static>,
    host: &'a str,
    port: u16,
}

impl<'a> Target<'a> {
    /// The end that this URL names: https, or plain HTTP where that may be allowed.
    ///
    /// # Errors
    /// It is of another scheme, or has a part that it may not have.
    pub(super) fn of(url: &'a Url, http: bool) -> Result<Self, FetchErrorKind> {
        match url.scheme() {
            "https" => {}
            "http" if http => {}
            _ => return Err(FetchErrorKind::NotHttps),
        }
        let plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| plain);
        let host = host.ok_or(FetchErrorKind::InvalidUrl)?;
        // The root's dot ends a name in DNS, and stands in no certificate (RFC 6066 section 3).
        let host = host.strip_suffix('.').unwrap_or(host);
        Ok(Self {
            url,
            server_name: server_name(url, host).ok_or(FetchErrorKind::InvalidUrl)?,
            host,
            port: url
                .port_or_known_default()
                .ok_or(FetchErrorKind::InvalidUrl)?,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The value of `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The target of the request line.
    pub(super) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// The addresses to connect to, each of which may be reached. A name is resolved here, once.
    ///
    /// # Errors
    /// There is none, or one that may not be reached.
    pub(super) async fn addresses(
        &self,
        resolve: &Resolve,
        guard: &Guard,
    ) -> Result<Vec<SocketAddr>, FetchErrorKind> {
        let found = match self.url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            // RFC 6761 section 6.3: no server of names is asked for them.
            Some(Host::Domain(_)) if is_localhost(self.host) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            _ => resolve(self.host.to_owned())
                .await
                .map_err(FetchErrorKind::Unresolved)?,
        };
        if found.is_empty() {
            return Err(FetchErrorKind::Unresolved(io::ErrorKind::NotFound.into()));
        }
        if !found.iter().all(|address| guard.admits(*address)) {
            return Err(FetchErrorKind::NotPublic);
        }
        if !self.is_https() && !found.iter().all(|address| is_loopback(*address)) {
            return Err(FetchErrorKind::NotHttps);
        }
        let at_port = |address: IpAddr| SocketAddr::new(address, self.port);
        Ok(found.into_iter().map(at_port).collect())
    }
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn server_name(url: &Url, host: &str) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::from(address).into()),
        Host::Ipv6(address) => Some(IpAddr::from(address).into()),
        Host::Domain(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}

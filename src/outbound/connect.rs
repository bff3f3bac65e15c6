//! From a name to a connection.

use std::{io, net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::error::FetchErrorKind;

/// Finds the addresses of a name. A test has names of its own.
pub(super) type Resolve =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// How many addresses of a name are tried, so that nobody's name makes this server knock at many doors.
const TRIED: usize = 4;

/// The resolver of the system.
pub(super) fn system_resolver() -> Resolve {
    Arc::new(|name| {
        Box::pin(async move {
            let found = lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Connects to the first of these addresses that takes a connection. Each has its share of the time, so that
/// one that swallows everything leaves some to the next.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    time: Duration,
) -> Result<TcpStream, FetchErrorKind> {
    let tried = addresses.len().clamp(1, TRIED);
    let share = time / u32::try_from(tried).unwrap_or(1);
    let mut failure = io::ErrorKind::TimedOut.into();
    for address in &addresses[..tried] {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => failure = cause,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(FetchErrorKind::Unreachable(failure))
}

//! PROXY protocol version 2, by which a proxy that only passes bytes on says for whom, ahead of them:
//! section 2.2 of <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>.
//!
//! Whoever may send such a header chooses the address of the client, so it is read from trusted proxies
//! alone, and there it must be: nothing is guessed.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crc::{CRC_32_ISCSI, Crc};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins, which is text.
const VERSION_1: &[u8] = b"PROXY ";
/// The signature, the command, the family and the length.
const FIXED: usize = 16;
/// The most that may follow, in bytes: addresses, and what some proxies tell of a client's certificate.
const LONGEST_BLOCK: usize = 4096;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// Two paths of at most 108 bytes each.
const UNIX_ADDRESSES: usize = 216;

const TYPE_CRC32C: u8 = 0x03;
const TYPE_SSL: u8 = 0x20;
/// The bit of `PP2_TYPE_SSL` by which the client came over TLS.
const CLIENT_SSL: u8 = 0x01;

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a header says of the connection behind the proxy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Header {
    /// The client. None when the proxy itself calls (`LOCAL`, as for its health checks), and when it does not
    /// know or its client has no such address.
    pub(super) client: Option<SocketAddr>,
    /// Whether the client came to the proxy over TLS.
    pub(super) tls: bool,
}

/// Why a connection does not begin with a header of version 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it sent no PROXY header")]
    Missing,
    #[error("it sent a PROXY header of version 1; have it send version 2")]
    Version1,
    #[error("its PROXY header is longer than {LONGEST_BLOCK} bytes")]
    TooLong,
    #[error("its PROXY header is malformed: {0}")]
    Malformed(&'static str),
    #[error("its PROXY header broke off: {0}")]
    BrokeOff(#[from] io::Error),
}

/// Reads the header, and not a byte more. `None` when the proxy closed without a word, as some do to see
/// whether anybody listens.
///
/// # Errors
/// There is no header, or it is not a good one.
pub(super) async fn read<I>(io: &mut I) -> Result<Option<Header>, HeaderError>
where
    I: AsyncRead + Unpin,
{
    let Some(fixed) = read_fixed(io).await? else {
        return Ok(None);
    };
    let [.., high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_BLOCK {
        return Err(HeaderError::TooLong);
    }
    let mut block = vec![0; length];
    io.read_exact(&mut block).await?;
    parse(fixed, &block).map(Some)
}

/// What every header begins with. Anything else is refused at its first wrong byte, because a client that
/// speaks first would else be waited for.
async fn read_fixed<I>(io: &mut I) -> Result<Option<[u8; FIXED]>, HeaderError>
where
    I: AsyncRead + Unpin,
{
    let mut fixed = [0; FIXED];
    let mut filled = 0;
    while filled < FIXED {
        let (seen, free) = fixed.split_at_mut(filled);
        let read = io.read(free).await?;
        if read == 0 && seen.is_empty() {
            return Ok(None);
        }
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        filled += read;
        let seen = fixed.get(..filled).unwrap_or(&fixed);
        if seen.iter().zip(&SIGNATURE).any(|(one, other)| one != other) {
            return Err(if seen.starts_with(VERSION_1) {
                HeaderError::Version1
            } else {
                HeaderError::Missing
            });
        }
    }
    Ok(Some(fixed))
}

fn parse(fixed: [u8; FIXED], block: &[u8]) -> Result<Header, HeaderError> {
    let [.., command, family, _, _] = fixed;
    match command {
        // "The receiver must use the real connection endpoints and discard the protocol block."
        LOCAL => return Ok(Header::default()),
        PROXY => {}
        _ => return Err(HeaderError::Malformed("unknown version or command")),
    }
    let (client, mut fields) = addresses(family, block)?;
    let mut tls = false;
    while let Some(field) = next_field(fields)? {
        match field.kind {
            TYPE_CRC32C => check(fixed, block, &field)?,
            TYPE_SSL => {
                tls |= field
                    .value
                    .first()
                    .is_some_and(|bits| bits & CLIENT_SSL != 0)
            }
            _ => {}
        }
        fields = field.after;
    }
    Ok(Header { client, tls })
}

/// The address of the client, and the fields after the addresses. TCP and UDP alike: a proxy may speak HTTP/3
/// with its client.
fn addresses(family: u8, block: &[u8]) -> Result<(Option<SocketAddr>, &[u8]), HeaderError> {
    const CUT: HeaderError = HeaderError::Malformed("addresses cut short");
    match family {
        0x00 => Ok((None, block)),
        0x11 | 0x12 => {
            let (both, fields) = block.split_first_chunk::<12>().ok_or(CUT)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *both;
            let port = u16::from_be_bytes([high, low]);
            let client = SocketAddr::from((Ipv4Addr::new(a, b, c, d), port));
            Ok((Some(client), fields))
        }
        0x21 | 0x22 => {
            let (both, fields) = block.split_first_chunk::<36>().ok_or(CUT)?;
            let source = both.first_chunk::<16>().ok_or(CUT)?;
            let [.., high, low, _, _] = *both;
            let port = u16::from_be_bytes([high, low]);
            let client = SocketAddr::from((Ipv6Addr::from(*source), port));
            Ok((Some(client), fields))
        }
        0x31 | 0x32 => Ok((None, block.get(UNIX_ADDRESSES..).ok_or(CUT)?)),
        _ => Err(HeaderError::Malformed("unknown address family")),
    }
}

/// A field (`pp2_tlv`), and what follows it.
struct Field<'a> {
    kind: u8,
    value: &'a [u8],
    after: &'a [u8],
}

fn next_field(rest: &[u8]) -> Result<Option<Field<'_>>, HeaderError> {
    const CUT: HeaderError = HeaderError::Malformed("field cut short");
    if rest.is_empty() {
        return Ok(None);
    }
    let (&[kind, high, low], rest) = rest.split_first_chunk::<3>().ok_or(CUT)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (value, after) = rest.split_at_checked(length).ok_or(CUT)?;
    Ok(Some(Field { kind, value, after }))
}

/// Checks the CRC32c of the whole header, in which its own four bytes count as zero.
fn check(fixed: [u8; FIXED], block: &[u8], field: &Field<'_>) -> Result<(), HeaderError> {
    const WRONG: HeaderError = HeaderError::Malformed("wrong checksum");
    let before = block.len() - field.after.len() - field.value.len();
    let before = block.get(..before).unwrap_or_default();
    let mut digest = CRC32C.digest();
    for part in [&fixed[..], before, &[0; 4], field.after] {
        digest.update(part);
    }
    if field.value == digest.finalize().to_be_bytes() {
        Ok(())
    } else {
        Err(WRONG)
    }
}

#[cfg(test)]
mod tests;

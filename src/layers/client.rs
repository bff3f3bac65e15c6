//! The address of the client, which limits and the log go by: nobody may choose their own.
//!
//! The peer of the socket is believed. Only when it is a trusted proxy are its headers read, from the right,
//! for as long as the hops are trusted proxies too: everything further left was written by the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client behind `peer`: the rightmost hop of `Forwarded` (RFC 7239) or `X-Forwarded-For`
/// that is not in `trusted`. At a hop that cannot be read it is the trusted proxy that reported it. When both
/// headers are there and disagree, one of them was not written by the proxy, and the peer is all that is known.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let forwarded = headers
        .contains_key(FORWARDED)
        .then(|| walk(peer, forwarded_hops(headers), trusted));
    let x_forwarded_for = headers
        .contains_key(X_FORWARDED_FOR)
        .then(|| walk(peer, x_forwarded_for_hops(headers), trusted));
    match (forwarded, x_forwarded_for) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Whether an address, in its canonical form, belongs to a trusted proxy.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Goes from hop to hop, nearest first; `None` is one that cannot be read.
fn walk(peer: IpAddr, hops: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut last = peer;
    for hop in hops {
        let Some(address) = hop else { return last };
        last = address.to_canonical();
        if !is_trusted(last, trusted) {
            return last;
        }
    }
    last
}

fn x_forwarded_for_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    hops(headers, &X_FORWARDED_FOR, |line| {
        line.rsplit(',').map(|hop| node(trim(hop))).collect()
    })
}

fn forwarded_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    hops(headers, &FORWARDED, |line| {
        elements(line).into_iter().map(element).collect()
    })
}

/// The hops of all lines of a header, nearest first: proxies add to the last line or after it. Bytes that are
/// no text make their own hop unreadable, not the others of the line.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Vec<Option<IpAddr>>,
) -> Vec<Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| read(&String::from_utf8_lossy(line.as_bytes())))
        .collect()
}

/// The elements of a `Forwarded` line, nearest first. Commas within quotes are told by the quotes to their
/// right, so that a quote which the client left open cannot swallow what the proxy wrote after it.
pub(super) fn elements(line: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut quoted = false;
    let mut rest = line;
    for (place, character) in line.char_indices().rev() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                let (before, element) = rest.split_at(place);
                elements.push(element.get(1..).unwrap_or_default());
                rest = before;
            }
            _ => {}
        }
    }
    elements.push(rest);
    elements
}

/// The `for` of one `forwarded-element`, `[ pair ] *( ";" [ pair ] )`, if the whole of it is well formed.
fn element(text: &str) -> Option<IpAddr> {
    let mut hop = None;
    let mut rest = text;
    loop {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case("for") {
            // "Each parameter MUST NOT occur more than once per field-value" (RFC 7239 section 4).
            if hop.is_some() {
                return None;
            }
            hop = Some(node(&value));
        }
        if after.is_empty() {
            return hop.flatten();
        }
        rest = after.strip_prefix(';')?;
    }
}

/// One `token "=" ( token / quoted-string )` with the space around it, and what follows.
pub(super) fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = trim(text).split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = rest
                .find(|character: char| !u8::try_from(character).is_ok_and(is_unquoted))
                .unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (value.to_owned(), rest)
        }
    };
    Some((name, value, trim(rest)))
}

/// The rest of a quoted-string (RFC 9110 section 5.6.4) after its opening quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// As proxies write it: some leave the quotes off `[2001:db8::1]:4711`.
fn is_unquoted(byte: u8) -> bool {
    is_token(byte) || b":[]".contains(&byte)
}

/// Optional whitespace is space and tab, no more.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// An address, with or without a port: `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5`.
/// Not `unknown`, and no `_obfuscated` name.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse::<SocketAddr>().ok().map(|socket| socket.ip())
}

#[cfg(test)]
mod tests;

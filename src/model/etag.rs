//! Tags of contents that clients keep (RFC 9110 section 8.8.3).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A strong tag: other content, other tag.
#[must_use]
pub fn strong(content: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(content)))
}

/// Whether a client that sends these lines of `If-None-Match` has the content of this tag (RFC 9110 section 13.1.2). A proxy
/// that compressed it may have made the tag a weak one, which counts here.
#[must_use]
pub fn is_known<'l>(etag: &str, lines: impl IntoIterator<Item = &'l str>) -> bool {
    let tags = lines
        .into_iter()
        .flat_map(|line| line.split(',').map(str::trim));
    tags.into_iter()
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

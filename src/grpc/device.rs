//! What a device is known by: the cookie of a browser, or the metadata of a program. The field of the contract
//! says the same, but is read only after the limits on calls.

use http::{Extensions, HeaderMap, HeaderName};

use crate::{
    domain::devices::DEVICE_LIFETIME,
    model::cookie::{self, Cookie, DEVICE},
};

/// The longest value that is looked at, in bytes.
const MAX_BYTES: usize = 256;

/// The metadata in which a program sends what its device is known by.
const METADATA: HeaderName = HeaderName::from_static("x-countersign-device");

/// What a call says about its device.
pub(super) fn of_call(https: bool, headers: &HeaderMap) -> Option<&str> {
    from_metadata(headers).or_else(|| from_cookie(https, headers))
}

fn from_metadata(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(METADATA)?.to_str().ok()?;
    (value.len() <= MAX_BYTES).then_some(value)
}

fn from_cookie(https: bool, headers: &HeaderMap) -> Option<&str> {
    cookie::find(headers, DEVICE, https).filter(|value| value.len() <= MAX_BYTES)
}

/// Lets a browser keep what its device is known by.
pub(super) fn set_cookie(https: bool, answer: &mut Extensions, value: &str) {
    answer.insert(Cookie {
        name: DEVICE,
        value: value.to_owned(),
        max_age: DEVICE_LIFETIME,
        secure: https,
    });
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::COOKIE};

    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_the_host() {
        let mut answer = Extensions::new();
        set_cookie(true, &mut answer, "x");
        assert_eq!(
            answer.get::<Cookie>().unwrap().to_string(),
            "__Host-countersign_device=x; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = headers(&["countersign_device=x"]);
        assert_eq!(from_cookie(true, &plain), None);
        let bound = headers(&["a=b", "c; __Host-countersign_device=x; d=e"]);
        assert_eq!(from_cookie(true, &bound), Some("x"));
        assert_eq!(from_cookie(false, &bound), None);
    }

    #[test]
    fn a_value_that_is_too_long_is_not_looked_at() {
        let long = format!("countersign_device={}", "x".repeat(MAX_BYTES + 1));
        assert_eq!(from_cookie(false, &headers(&[&long])), None);
    }
}

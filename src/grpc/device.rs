//! What a device is known by: the cookie of a browser, or the metadata of a program. The field of the contract
//! says the same, but is read only after the limits on calls.

use http::{Extensions, HeaderMap, HeaderName, header::COOKIE};

use crate::{
    domain::devices::DEVICE_LIFETIME,
    model::device::{DeviceCookie, PLAIN_COOKIE, SECURE_COOKIE, cookies},
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
    let name = cookie_name(https);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(cookies)
        .find(|(found, value)| *found == name && value.len() <= MAX_BYTES)
        .map(|(_, value)| value)
}

/// Lets a browser keep what its device is known by.
pub(super) fn set_cookie(https: bool, answer: &mut Extensions, value: &str) {
    answer.insert(DeviceCookie {
        name: cookie_name(https),
        value: value.to_owned(),
        max_age: DEVICE_LIFETIME,
        secure: https,
    });
}

fn cookie_name(https: bool) -> &'static str {
    if https { SECURE_COOKIE } else { PLAIN_COOKIE }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
            answer.get::<DeviceCookie>().unwrap().to_string(),
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

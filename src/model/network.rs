//! Which addresses count as one.

use std::net::IpAddr;

/// The network of one subscriber: an IPv4 address, also when it is written as IPv6, or an IPv6 /64.
#[must_use]
pub fn subscriber(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => u128::from(address) & (u128::MAX << 64),
    }
}

/// The network of one site, an IPv6 /48, which has many subscribers' networks to itself; none of IPv4.
#[must_use]
pub fn site(client: IpAddr) -> Option<u128> {
    match client.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(u128::from(address) & (u128::MAX << 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_spelling_counts_for_all_of_a_subscriber() {
        let key = |text| subscriber(address(text));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn a_site_holds_many_subscribers() {
        let key = |text| site(address(text));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:ffff::"));
        assert_ne!(key("2001:db8:1::"), key("2001:db8:2::"));
        assert_eq!(key("192.0.2.1"), None);
        assert_eq!(key("::ffff:192.0.2.1"), None);
    }
}

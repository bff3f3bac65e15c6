//! What counts as one client of the network.

use std::net::IpAddr;

/// How many clients' worth of anything a site may use.
pub const CLIENTS_OF_A_SITE: u32 = 16;

/// The network of a client: an IPv4 address, also when it is written as IPv6, or the /64 that one IPv6
/// subscriber gets; and the /48 that one site gets, which is many subscribers, but not 65,536 of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    client: u128,
    site: Option<u128>,
}

impl Network {
    /// The network of this address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        const SUBSCRIBER: u128 = u128::MAX << 64;
        const SITE: u128 = u128::MAX << 80;
        match address.to_canonical() {
            IpAddr::V4(address) => Self {
                client: address.to_ipv6_mapped().into(),
                site: None,
            },
            IpAddr::V6(address) => Self {
                client: u128::from(address) & SUBSCRIBER,
                site: Some(u128::from(address) & SITE),
            },
        }
    }

    /// The number of the client.
    #[must_use]
    pub fn client(self) -> u128 {
        self.client
    }

    /// The number of its site, with IPv6.
    #[must_use]
    pub fn site(self) -> Option<u128> {
        self.site
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn one_spelling_counts_for_all_of_a_client() {
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn a_site_is_many_clients() {
        let (one, other) = (network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(one.site(), other.site());
        assert_ne!(one.site(), network("2001:db8:2:2::1").site());
        assert_eq!(network("192.0.2.1").site(), None);
    }
}

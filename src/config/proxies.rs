//! Networks of proxies that are believed.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::setting::Scalar;

impl Scalar for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        let network = text
            .parse::<Self>()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .map_err(|_| "it must be networks or addresses, such as 10.0.0.0/8 or ::1")?
            .trunc();
        if is_everything(network) {
            return Err(
                "it must not trust everything: whoever connects could then claim any client address"
                    .to_owned(),
            );
        }
        Ok(network)
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

/// Also true for a network that holds all of IPv4 as mapped addresses (RFC 4291 section 2.5.5.2).
fn is_everything(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() == 0,
        IpNet::V6(network) => Ipv6Net::new(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96)
            .is_ok_and(|mapped| network.contains(&mapped)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read() {
        for (text, kept) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(IpNet::parse(text).unwrap().print(), kept);
        }
    }

    #[test]
    fn everything_is_not_trusted() {
        for text in [
            "0.0.0.0/0",
            "::/0",
            "1.2.3.4/0",
            "::ffff:0.0.0.0/96",
            "10.0.0",
            "",
        ] {
            assert!(IpNet::parse(text).is_err(), "{text}");
        }
    }
}

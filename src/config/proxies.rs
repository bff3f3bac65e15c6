//! Networks of proxies that are believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    rule::{Broken, require},
    setting::Scalar,
};

const TRUSTS_EVERYTHING: &str =
    "it must not trust everything: whoever connects could then claim any client address";

/// All of IPv4 as mapped addresses (RFC 4291 section 2.5.5.2).
const MAPPED: (Ipv6Addr, u8) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// All that is handed out of IPv6 (RFC 4291 section 2.4).
const GLOBAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

impl Scalar for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        let network = text
            .parse::<Self>()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .map_err(|_| "it must be networks or addresses, such as 10.0.0.0/8 or ::1")?;
        Ok(canonical(network.trunc()))
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

/// Holds networks that are believed to the rule that they are not everything.
pub(super) fn check(key: &'static str, networks: &[IpNet]) -> Result<(), Broken> {
    require(!is_everything(networks), key, TRUSTS_EVERYTHING)
}

/// The network of IPv4 that one of mapped addresses means: an address is compared in that form.
fn canonical(network: IpNet) -> IpNet {
    let (_, prefix) = MAPPED;
    match (network, network.addr().to_canonical()) {
        (IpNet::V6(network), IpAddr::V4(address)) if network.prefix_len() >= prefix => {
            Ipv4Net::new(address, network.prefix_len() - prefix).map_or(network.into(), IpNet::V4)
        }
        _ => network,
    }
}

/// Whether networks are half of IPv4, or half of what is handed out of IPv6: nobody has so many proxies, or so large
/// a network of their own, and whoever writes halves means the whole.
pub(super) fn is_everything(networks: &[IpNet]) -> bool {
    let (mut ipv4, mut ipv6) = (0_u64, 0_u128);
    for network in IpNet::aggregate(&networks.to_vec()) {
        match network {
            IpNet::V4(network) => ipv4 += 1 << (Ipv4Addr::BITS - u32::from(network.prefix_len())),
            IpNet::V6(network) if holds(&network, MAPPED) => return true,
            IpNet::V6(network) if holds(&network, GLOBAL) => return true,
            IpNet::V6(network) if is_in(&network, GLOBAL) => {
                ipv6 += 1 << (Ipv6Addr::BITS - u32::from(network.prefix_len()));
            }
            IpNet::V6(_) => {}
        }
    }
    let (_, global) = GLOBAL;
    ipv4 >= 1 << (Ipv4Addr::BITS - 1) || ipv6 >= 1 << (Ipv6Addr::BITS - u32::from(global) - 1)
}

fn holds(network: &Ipv6Net, (address, prefix): (Ipv6Addr, u8)) -> bool {
    network.prefix_len() <= prefix && network.contains(&address)
}

fn is_in(network: &Ipv6Net, (address, prefix): (Ipv6Addr, u8)) -> bool {
    Ipv6Net::new(address, prefix).is_ok_and(|outer| outer.contains(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<IpNet>, String> {
        let networks = text.split(',').map(IpNet::parse);
        let networks: Vec<_> = networks.collect::<Result<_, _>>()?;
        check("trusted_proxies", &networks).map_err(|broken| broken.must)?;
        Ok(networks)
    }

    #[test]
    fn networks_and_addresses_are_read() {
        for (text, kept) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("fd00::/8", "fd00::/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ] {
            assert_eq!(IpNet::parse(text).unwrap().print(), kept);
        }
    }

    #[test]
    fn many_networks_are_not_everything() {
        for text in [
            "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,::1",
            "0.0.0.0/2",
            "2000::/5",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_is_not_trusted() {
        for text in [
            "0.0.0.0/0",
            "::/0",
            "1.2.3.4/0",
            "::ffff:0.0.0.0/96",
            "::ffff:1.2.3.4/96",
            "::ffff:0:0/90",
            "::ffff:0:0/97",
            "10.0.0.0/8,0.0.0.0/0",
            "0.0.0.0/1",
            "0.0.0.0/1,128.0.0.0/1",
            "128.0.0.0/2,0.0.0.0/2,64.0.0.0/2,192.0.0.0/2",
            "0.0.0.0/2,128.0.0.0/2",
            "::ffff:0:0/98,::ffff:128.0.0.0/98",
            "::/1,8000::/1",
            "::/2",
            "2000::/3",
            "2000::/4,3000::/4",
            "2000::/4",
            "2000::/5,3000::/5",
        ] {
            assert_eq!(read(text), Err(TRUSTS_EVERYTHING.to_owned()), "{text}");
        }
        for text in ["10.0.0", "", "10.0.0.0/33", "*", "all"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

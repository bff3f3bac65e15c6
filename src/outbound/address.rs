//! Which addresses may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What is not public of IPv4: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), whole networks without
/// the few exceptions that hold no server, multicast and what is reserved, and one address of a cloud.
const NOT_PUBLIC_V4: [Ipv4Net; 18] = [
    v4([0, 0, 0, 0], 8),        // this network
    v4([10, 0, 0, 0], 8),       // private use
    v4([100, 64, 0, 0], 10),    // shared address space of providers
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // Azure's host, which every machine there reaches
    v4([169, 254, 0, 0], 16),   // link local, metadata of clouds
    v4([172, 16, 0, 0], 12),    // private use
    v4([192, 0, 0, 0], 24),     // IETF protocol assignments, metadata of a cloud
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 31, 196, 0], 24),  // AS112
    v4([192, 52, 193, 0], 24),  // AMT
    v4([192, 88, 99, 0], 24),   // 6to4 relays
    v4([192, 168, 0, 0], 16),   // private use
    v4([192, 175, 48, 0], 24),  // AS112
    v4([198, 18, 0, 0], 15),    // benchmarks
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 3),      // multicast, reserved, broadcast
];

/// All that is handed out of IPv6 (RFC 4291 section 2.4). Loopback, unspecified, IPv4-compatible, NAT64 of a
/// network's own, discard-only, segment routing, unique local, link local and multicast addresses are outside.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// What is not public of that: the IANA IPv6 Special-Purpose Address Registry.
const NOT_PUBLIC_V6: [Ipv6Net; 5] = [
    v6([0x2001, 0, 0], 23),         // IETF protocol assignments, Teredo
    v6([0x2001, 0xdb8, 0], 32),     // documentation
    v6([0x2002, 0, 0], 16),         // 6to4
    v6([0x2620, 0x4f, 0x8000], 48), // AS112
    v6([0x3fff, 0, 0], 20),         // documentation
];

/// IPv4 behind a translator (RFC 6052 section 2.1): on a network without IPv4, DNS64 gives every server of IPv4
/// such an address.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Says which addresses may be reached.
pub(super) struct Guard {
    networks: Vec<IpNet>,
    loopback: bool,
}

impl Guard {
    /// Public addresses, and these.
    pub(super) fn new(networks: Vec<IpNet>, loopback: bool) -> Self {
        Self { networks, loopback }
    }

    /// Whether this machine may be reached, in plain HTTP too.
    pub(super) fn allows_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether this address may be reached.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        let means = meaning(address);
        is_public(means)
            || (self.loopback && is_loopback(address))
            || self.networks.iter().any(|network| network.contains(&means))
    }
}

/// Whether this address never leaves the machine.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The address of IPv4 that is reached by one of IPv6, mapped (RFC 4291 section 2.5.5.2) or translated.
fn meaning(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        Guard::new(Vec::new(), false).admits(text.parse().unwrap())
    }

    /// The rows of IANA's registries of special-purpose addresses, as first and last address, each beside its
    /// neighbours outside: `-` where a neighbour is special, too.
    #[test]
    fn what_the_registries_name_is_not_public_and_what_lies_beside_it_is() {
        for row in [
            "-            0.0.0.0      0.255.255.255   1.0.0.0",
            "9.255.255.255    10.0.0.0     10.255.255.255  11.0.0.0",
            "100.63.255.255   100.64.0.0   100.127.255.255 100.128.0.0",
            "126.255.255.255  127.0.0.0    127.255.255.255 128.0.0.0",
            "168.63.129.15    168.63.129.16 168.63.129.16  168.63.129.17",
            "169.253.255.255  169.254.0.0  169.254.255.255 169.255.0.0",
            "172.15.255.255   172.16.0.0   172.31.255.255  172.32.0.0",
            "191.255.255.255  192.0.0.0    192.0.0.255     192.0.1.0",
            "192.0.1.255      192.0.2.0    192.0.2.255     192.0.3.0",
            "192.31.195.255   192.31.196.0 192.31.196.255  192.31.197.0",
            "192.52.192.255   192.52.193.0 192.52.193.255  192.52.194.0",
            "192.88.98.255    192.88.99.0  192.88.99.255   192.88.100.0",
            "192.167.255.255  192.168.0.0  192.168.255.255 192.169.0.0",
            "192.175.47.255   192.175.48.0 192.175.48.255  192.175.49.0",
            "198.17.255.255   198.18.0.0   198.19.255.255  198.20.0.0",
            "198.51.99.255    198.51.100.0 198.51.100.255  198.51.101.0",
            "203.0.112.255    203.0.113.0  203.0.113.255   203.0.114.0",
            "223.255.255.255  224.0.0.0    255.255.255.255 -",
            "-                ::           1fff:ffff::     2000::",
            "-                64:ff9b:1::  64:ff9b:1:ffff:: -",
            "-                100::        100:0:0:1::1    -",
            "2000:ffff::      2001::       2001:1ff:ffff:: 2001:200::",
            "2001:db7:ffff::  2001:db8::   2001:db8:ffff:: 2001:db9::",
            "2001:ffff::      2002::       2002:ffff::     2003::",
            "2620:4f:7fff::   2620:4f:8000:: 2620:4f:8000:ffff:: 2620:4f:8001::",
            "3ffe:ffff::      3fff::       3fff:fff::      3fff:1000::",
            "3fff:ffff::      4000::       5f00:ffff::     -",
            "-                fc00::       fdff:ffff::     -",
            "-                fe80::       febf:ffff::     -",
            "-                fec0::       ffff:ffff::     -",
        ] {
            let [before, first, last, after] = row.split_whitespace().collect::<Vec<_>>()[..]
            else {
                panic!("{row}");
            };
            assert!(!public(first) && !public(last), "{row}");
            for beside in [before, after] {
                assert!(beside == "-" || public(beside), "{beside}");
            }
        }
    }

    #[test]
    fn what_stands_for_an_address_of_ipv4_is_that_address() {
        for (text, is_public) in [
            ("::ffff:8.8.8.8", true),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            // Compatible, translated, 6to4: nobody needs them any more.
            ("::8.8.8.8", false),
            ("::ffff:0:8.8.8.8", false),
            ("2002:808:808::1", false),
        ] {
            assert_eq!(public(text), is_public, "{text}");
        }
    }

    #[test]
    fn an_allowed_network_is_admitted_in_every_form_and_nothing_beside_it() {
        let networks = ["10.1.0.0/16", "fd12::/16"].map(|text| text.parse().unwrap());
        let guard = Guard::new(networks.into(), false);
        let admits = |text: &str| guard.admits(text.parse().unwrap());
        for text in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "fd12::1",
            "8.8.8.8",
        ] {
            assert!(admits(text), "{text}");
        }
        for text in ["10.2.0.1", "fd13::1", "127.0.0.1", "::1", "169.254.169.254"] {
            assert!(!admits(text), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_not_one_behind_a_translator() {
        let guard = Guard::new(Vec::new(), true);
        let admits = |text: &str| guard.admits(text.parse().unwrap());
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(admits(text), "{text}");
        }
        for text in ["0.0.0.0", "::", "10.0.0.1", "64:ff9b::127.0.0.1"] {
            assert!(!admits(text), "{text}");
        }
    }
}

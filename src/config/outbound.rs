//! Connections to servers that others name.

use std::path::PathBuf;

use ipnet::IpNet;

use super::{
    proxies::is_everything,
    rule::{Broken, require},
    setting::settings,
};

settings! {
    /// Connections to servers that clients and their users name by a URL. Only public addresses are reached, only by https,
    /// and only with a certificate that proves the name.
    pub struct Outbound {
        /// A PEM file of certificate authorities that are trusted there besides the public ones.
        trusted_roots_file: Option<PathBuf> = None,
        /// The networks that may be reached although they are not public, such as `10.20.0.0/16`, or single addresses;
        /// separated by commas in the environment. Every URL may then name every server in them.
        allow_networks: Vec<IpNet> = Vec::new(),
    }
}

impl Outbound {
    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            !is_everything(&self.allow_networks),
            "outbound.allow_networks",
            "it must not allow everything: name the networks of the servers that are meant",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_networks_can_be_allowed_and_not_all() {
        let allowed = |networks: &[&str]| {
            let outbound = Outbound {
                allow_networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
                ..Outbound::default()
            };
            outbound.check().is_ok()
        };
        assert!(allowed(&[]));
        assert!(allowed(&["10.0.0.0/8", "fd00::/8", "192.168.1.7/32"]));
        assert!(!allowed(&["0.0.0.0/0"]));
        assert!(!allowed(&["::/0"]));
        assert!(!allowed(&["0.0.0.0/1", "128.0.0.0/1"]));
    }
}

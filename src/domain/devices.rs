//! Devices that an account knows: a log-in hands out a value by which the next one from the same device is
//! told from unknown ones. It opens nothing; it only decides where failures are counted.

use std::time::Duration;

use crate::{
    crypto::secrets,
    env::{Env, Timestamp},
};

/// How long a device is known after its last log-in.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

const PURPOSE: &str = "known device";
const VERSION: u8 = 1;
/// Version, account, device, and the time of the log-in.
const BYTES: usize = 1 + 16 + 16 + 8;

/// A device as it was at its last log-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Device {
    /// The account that knows it, by the number under which its log-ins are counted.
    pub(super) account: u128,
    /// The device.
    pub(super) id: u128,
    logged_in_at: Timestamp,
}

impl Device {
    fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(&self.account.to_be_bytes());
        bytes[17..33].copy_from_slice(&self.id.to_be_bytes());
        bytes[33..].copy_from_slice(&self.logged_in_at.millis().to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (account, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let logged_in_at = rest.try_into().ok().filter(|_| *version == VERSION)?;
        Some(Self {
            account: u128::from_be_bytes(*account),
            id: u128::from_be_bytes(*id),
            logged_in_at: Timestamp::from_millis(i64::from_be_bytes(logged_in_at)),
        })
    }
}

/// Makes and reads the values by which devices are known.
#[derive(Clone)]
pub struct Devices {
    pub(super) key: [u8; 32],
    pub(super) env: Env,
}

impl Devices {
    /// A number that names the account which knows the device with this value; none when the value is
    /// forged or too old.
    #[must_use]
    pub fn account_of(&self, value: &str) -> Option<u128> {
        self.open(value).map(|device| device.account)
    }

    pub(super) fn open(&self, value: &str) -> Option<Device> {
        let bytes = secrets::verify_value(&self.key, PURPOSE, value)?;
        let device = Device::from_bytes(&bytes)?;
        let age = self.env.now().since(device.logged_in_at);
        (age < DEVICE_LIFETIME).then_some(device)
    }

    /// The value of a device that has just logged in to this account from this network: the one that was known
    /// already, or a new one. New ones of one network are one, so that whoever knows a password for a while
    /// cannot store up devices to guess the next one with.
    pub(super) fn seal(&self, account: u128, known: Option<u128>, network: u128) -> String {
        let id = known.unwrap_or_else(|| {
            let place = [account.to_be_bytes(), network.to_be_bytes()].concat();
            secrets::fingerprint(&self.key, "device", &place)
        });
        let device = Device {
            account,
            id,
            logged_in_at: self.env.now(),
        };
        secrets::sign_value(&self.key, PURPOSE, &device.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_survives_its_bytes_and_nothing_else_does() {
        let device = Device {
            account: 7,
            id: u128::MAX - 1,
            logged_in_at: Timestamp::from_millis(1_800_000_000_000),
        };
        let bytes = device.to_bytes();
        assert_eq!(Device::from_bytes(&bytes), Some(device));
        for end in 0..BYTES {
            assert_eq!(Device::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Device::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let mut newer = bytes;
        newer[0] = VERSION + 1;
        assert_eq!(Device::from_bytes(&newer), None);
    }
}

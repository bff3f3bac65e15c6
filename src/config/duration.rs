//! Lengths of time as people write them: `10s`, `1h30m`, `30d`.

use std::time::Duration;

use super::setting::Scalar;

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A number of days, for defaults and limits.
pub(super) const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// A number of minutes, for defaults and limits.
pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A number of hours, for defaults and limits.
pub(super) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

impl Scalar for Duration {
    const KIND: &'static str = "a length of time in quotes, such as \"10s\", \"1h30m\" or \"30d\"";

    fn parse(text: &str) -> Result<Self, String> {
        milliseconds(text).map(Self::from_millis).ok_or_else(|| {
            "it must be a length of time in the units d, h, m, s and ms, such as 10s, 1h30m or 30d"
                .to_owned()
        })
    }

    fn print(&self) -> String {
        let mut rest = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return "0s".to_owned();
        }
        let mut text = String::new();
        for (unit, size) in UNITS {
            if rest >= size {
                text.push_str(&format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        text
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let size = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(size)?)?;
        rest = after;
    }
    Some(total)
}

fn split(text: &str, first: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !first(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("250ms", 250),
            ("0s", 0),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)));
            assert_eq!(Duration::from_millis(millis).print(), text);
        }
    }

    #[test]
    fn what_is_not_a_length_of_time_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "1 h",
            "-1s",
            "1.5h",
            "1y",
            "99999999999999999999d",
        ] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }
}

//! The colour of a brand on the hosted pages. Text and controls keep their contrast with it (WCAG 2.2, success criteria
//! 1.4.3 and 1.4.11), in light and dark.

use std::{fmt, str::FromStr};

/// What stands behind text and controls on a light page: the page itself, and the card on it.
pub const LIGHT_BACKGROUNDS: [Color; 2] = [Color::of(0xf4_f5_f7), Color::of(0xff_ff_ff)];
/// The same on a dark page.
pub const DARK_BACKGROUNDS: [Color; 2] = [Color::of(0x0f_11_15), Color::of(0x18_1b_21)];

/// What may be written on the colour: the first that is legible is taken.
const INKS: [Color; 2] = [WHITE, Color::of(0x15_18_1d)];
const BLACK: Color = Color::of(0);
const WHITE: Color = Color::of(0xff_ff_ff);

/// The least contrast of text with what is behind it.
const LEAST_OF_TEXT: f64 = 4.5;
/// The least contrast of the edges of a control.
const LEAST_OF_CONTROLS: f64 = 3.0;

/// How much black makes a link of the colour on a light page: enough for each colour that may be a brand's.
const DARKENED: f64 = 0.25;
/// How much white does on a dark one.
const LIGHTENED: f64 = 0.55;

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Color([u8; 3]);

impl Color {
    /// The colour of this number: red, green and blue, a byte each.
    const fn of(number: u32) -> Self {
        let [_, red, green, blue] = number.to_be_bytes();
        Self([red, green, blue])
    }

    /// The relative luminance (WCAG 2.2), from 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: u8| match f64::from(part) / 255.0 {
            part if part <= 0.04045 => part / 12.92,
            part => ((part + 0.055) / 1.055).powf(2.4),
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The contrast ratio (WCAG 2.2), from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// This colour with a share of another, from 0 to 1.
    fn mixed(self, other: Self, share: f64) -> Self {
        let part = |index: usize| {
            let (own, others) = (f64::from(self.0[index]), f64::from(other.0[index]));
            (own + (others - own) * share).round() as u8
        };
        Self([part(0), part(1), part(2)])
    }
}

/// As CSS writes it, `#rrggbb`.
impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A colour with which the pages are legible.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BrandColor {
    color: Color,
    ink: Color,
}

/// A text that is no colour of a brand.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BrandColorRefused {
    /// It is not written as one.
    #[error("must be a colour such as #2563eb")]
    NoColor,
    /// Something would be hard to read.
    #[error(
        "must keep text on it legible, and stand out from light and dark pages: the nearest colour that does is {0}"
    )]
    Illegible(Color),
}

impl BrandColor {
    /// The colour itself.
    #[must_use]
    pub fn color(self) -> Color {
        self.color
    }

    /// The colour of text on it.
    #[must_use]
    pub fn ink(self) -> Color {
        self.ink
    }

    /// The colour of links on a light page.
    #[must_use]
    pub fn link_on_light(self) -> Color {
        self.color.mixed(BLACK, DARKENED)
    }

    /// The colour of links on a dark page.
    #[must_use]
    pub fn link_on_dark(self) -> Color {
        self.color.mixed(WHITE, LIGHTENED)
    }

    fn new(color: Color) -> Option<Self> {
        let ink = INKS
            .into_iter()
            .find(|ink| color.contrast(*ink) >= LEAST_OF_TEXT)?;
        let stands_out = LIGHT_BACKGROUNDS
            .into_iter()
            .chain(DARK_BACKGROUNDS)
            .all(|behind| color.contrast(behind) >= LEAST_OF_CONTROLS);
        stands_out.then_some(Self { color, ink })
    }
}

/// The blue of pages without a brand.
impl Default for BrandColor {
    fn default() -> Self {
        Self {
            color: Color::of(0x25_63_eb),
            ink: WHITE,
        }
    }
}

impl FromStr for BrandColor {
    type Err = BrandColorRefused;

    fn from_str(text: &str) -> Result<Self, BrandColorRefused> {
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let color = number.map(Color::of).ok_or(BrandColorRefused::NoColor)?;
        Self::new(color).ok_or_else(|| BrandColorRefused::Illegible(nearest(color)))
    }
}

/// The least darker or lighter colour that is legible. There is one between each colour and white or black.
fn nearest(color: Color) -> Color {
    let steps = (1..=255).map(|step| f64::from(step) / 255.0);
    steps
        .flat_map(|share| [BLACK, WHITE].map(|end| color.mixed(end, share)))
        .find(|mixed| BrandColor::new(*mixed).is_some())
        .unwrap_or(BrandColor::default().color)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every colour of a grid of 27 by 27 by 27, and the corners of the cube.
    fn colors() -> impl Iterator<Item = Color> {
        let parts = || (0..=255).step_by(10).chain([255]);
        parts().flat_map(move |red| {
            parts().flat_map(move |green| parts().map(move |blue| Color([red, green, blue])))
        })
    }

    #[test]
    fn contrasts_are_those_of_wcag() {
        for (one, other, expected) in [
            (BLACK, WHITE, 21.0),
            (WHITE, WHITE, 1.0),
            (Color::of(0x77_77_77), WHITE, 4.48),
            (Color::of(0xff_00_00), WHITE, 4.0),
        ] {
            assert!((one.contrast(other) - expected).abs() < 0.005, "{one}");
            assert!((other.contrast(one) - expected).abs() < 0.005, "{one}");
        }
    }

    #[test]
    fn links_of_every_brand_are_legible() {
        let brands: Vec<_> = colors().filter_map(BrandColor::new).collect();
        assert!(brands.len() > 100);
        for brand in brands {
            for (link, behind) in [
                (brand.link_on_light(), LIGHT_BACKGROUNDS),
                (brand.link_on_dark(), DARK_BACKGROUNDS),
            ] {
                for behind in behind {
                    assert!(link.contrast(behind) >= LEAST_OF_TEXT, "{}", brand.color);
                }
            }
        }
    }

    #[test]
    fn every_colour_has_a_nearest_one_that_is_accepted() {
        for color in colors() {
            match color.to_string().parse::<BrandColor>() {
                Ok(brand) => assert_eq!(brand.color, color),
                Err(BrandColorRefused::Illegible(nearest)) => {
                    assert_ne!(nearest, BrandColor::default().color, "{color}");
                    assert!(nearest.to_string().parse::<BrandColor>().is_ok(), "{color}");
                }
                Err(cause) => panic!("{color}: {cause}"),
            }
        }
        let yellow = "#ffee00".parse::<BrandColor>().unwrap_err();
        let nearest = Color::of(0x9a_90_00);
        assert_eq!(yellow, BrandColorRefused::Illegible(nearest));
    }

    #[test]
    fn the_default_is_legible() {
        let brand = BrandColor::default();
        assert_eq!(BrandColor::new(brand.color), Some(brand));
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in [
            "", "#", "2563eb", "#fff", "#2563e", "#2563ebf", "#+12345", "#2563eé", "red",
        ] {
            let refused = text.parse::<BrandColor>();
            assert_eq!(refused, Err(BrandColorRefused::NoColor), "{text}");
        }
    }
}

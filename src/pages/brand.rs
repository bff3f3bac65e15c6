//! Whose pages they are: a name, a logo and a colour.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::brand::{BrandColor, DARK_BACKGROUNDS, LIGHT_BACKGROUNDS};

/// In bytes: every page carries the logo, and is to stay below 30 KB.
const LARGEST_LOGO: u64 = 12 * 1024;
/// What every PNG begins with (section 5.2 of its specification).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What a page shows of the brand.
pub(super) struct Brand {
    /// The name, as it is written.
    pub(super) name: String,
    /// The logo as a `data:` URL.
    pub(super) logo: Option<String>,
    /// What stands for the page in a tab, and for the logo where there is none, as a `data:` URL.
    pub(super) icon: String,
    color: BrandColor,
}

/// A logo that pages cannot show.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// The file is not there, or may not be read.
    #[error("cannot read the logo {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It would make every page too large.
    #[error("the logo {0} is larger than 12 KiB")]
    TooLarge(PathBuf),
    /// It is in no format that pages show.
    #[error("the logo {0} is neither SVG nor PNG")]
    OtherFormat(PathBuf),
}

impl Brand {
    /// Reads the logo.
    pub(super) fn new(
        name: String,
        logo_file: Option<&Path>,
        color: BrandColor,
    ) -> Result<Self, LogoError> {
        Ok(Self {
            name,
            logo: logo_file.map(logo).transpose()?,
            icon: icon(color),
            color,
        })
    }

    /// The colours of a page, as variables of CSS.
    pub(super) fn variables(&self) -> String {
        let ([light, light_card], [dark, dark_card]) = (LIGHT_BACKGROUNDS, DARK_BACKGROUNDS);
        let (brand, ink) = (self.color.color(), self.color.ink());
        let (link, dark_link) = (self.color.link_on_light(), self.color.link_on_dark());
        format!(
            ":root{{color-scheme:light dark;--bg:light-dark({light},{dark});\
             --card:light-dark({light_card},{dark_card});--ink:light-dark(#15181d,#eceef2);\
             --dim:light-dark(#565d68,#a4acb8);--line:light-dark(#8a919c,#6b7381);\
             --bad:light-dark(#b3261e,#ff8f85);--brand:{brand};--on-brand:{ink};\
             --link:light-dark({link},{dark_link})}}\n"
        )
    }
}

/// A shield with a tick in the colour of the brand.
fn icon(color: BrandColor) -> String {
    let (color, ink) = (color.color(), color.ink());
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>\
         <path fill='{color}' d='M16 1 29 5v11c0 7-5 12-13 15C8 28 3 23 3 16V5z'/>\
         <path fill='none' stroke='{ink}' stroke-width='3.5' stroke-linecap='round' stroke-linejoin='round' d='m10 16 4.5 4.5L22 12'/>\
         </svg>"
    );
    data_url("image/svg+xml", svg.as_bytes())
}

/// An SVG is shown in an `<img>` alone, where browsers run no script of it and load nothing for it.
fn logo(path: &Path) -> Result<String, LogoError> {
    let bytes = read(path).map_err(|cause| LogoError::Unreadable {
        path: path.to_owned(),
        cause,
    })?;
    if bytes.len() as u64 > LARGEST_LOGO {
        return Err(LogoError::TooLarge(path.to_owned()));
    }
    if bytes.starts_with(PNG) {
        Ok(data_url("image/png", &bytes))
    } else if str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg")) {
        Ok(data_url("image/svg+xml", &bytes))
    } else {
        Err(LogoError::OtherFormat(path.to_owned()))
    }
}

/// The file, or so much of it that it is seen to be too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST_LOGO + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

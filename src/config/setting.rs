//! How one setting is declared, read and shown.

use std::{net::SocketAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use toml::Value;

/// One setting of a [`Config`](super::Config), with all that its declaration says.
pub(super) struct Entry<'a> {
    /// The section, or nothing for a setting that stands above all sections.
    pub(super) section: &'static str,
    /// The name inside the section.
    pub(super) name: &'static str,
    /// The lines of its comment.
    pub(super) doc: &'static [&'static str],
    /// The value.
    pub(super) setting: &'a mut dyn Setting,
}

impl Entry<'_> {
    /// The key in the file with its section, `tls.cert`.
    pub(super) fn key(&self) -> String {
        match self.section {
            "" => self.name.to_owned(),
            section => format!("{section}.{}", self.name),
        }
    }

    /// The variable in the environment, `COUNTERSIGN_TLS_CERT`.
    pub(super) fn variable(&self) -> String {
        format!("COUNTERSIGN_{}", self.key().replace('.', "_")).to_uppercase()
    }
}

/// A group of settings.
pub(super) trait Section {
    /// The lines of its comment.
    const DOC: &'static [&'static str];

    /// Its settings, in the order of their declaration, as those of the section with this name.
    fn entries<'a>(&'a mut self, section: &'static str) -> Vec<Entry<'a>>;
}

/// Declares a section: a struct with public fields, its defaults, and the list of its settings.
macro_rules! settings {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident {
            $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty = $default:expr,)+
        }
        $(sections { $($section:ident: $section_type:ty,)+ })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                pub $field: $type,
            )+
            $($(
                #[doc = concat!("The section `[", stringify!($section), "]`.")]
                pub $section: $section_type,
            )+)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)+
                    $($($section: <$section_type>::default(),)+)?
                }
            }
        }

        impl $crate::config::setting::Section for $name {
            const DOC: &'static [&'static str] = &[$($doc),+];

            fn entries<'a>(
                &'a mut self,
                section: &'static str,
            ) -> Vec<$crate::config::setting::Entry<'a>> {
                let own = [$($crate::config::setting::Entry {
                    section,
                    name: stringify!($field),
                    doc: &[$($field_doc),+],
                    setting: &mut self.$field,
                }),+];
                own.into_iter()
                    $($(.chain(self.$section.entries(stringify!($section))))+)?
                    .collect()
            }
        }

        $(
            impl $name {
                /// The comment of a section.
                fn section_doc(section: &str) -> &'static [&'static str] {
                    use $crate::config::setting::Section;
                    match section {
                        $(stringify!($section) => <$section_type>::DOC,)+
                        _ => Self::DOC,
                    }
                }
            }
        )?
    };
}
pub(super) use settings;

/// A value that settings can have. Errors say what the value must be, and never the value.
pub(super) trait Setting {
    /// Takes the value from text, as in the environment.
    ///
    /// # Errors
    /// The text is not such a value.
    fn read_text(&mut self, text: &str) -> Result<(), String>;

    /// Takes the value from the file.
    ///
    /// # Errors
    /// It is of another type, or not such a value.
    fn read_value(&mut self, value: &Value) -> Result<(), String>;

    /// The value as it would stand in the file; `***` for a secret that is set.
    fn show(&self) -> Value;

    /// Whether the value may never be shown.
    fn is_secret(&self) -> bool {
        false
    }
}

/// A single value that is written as text.
pub(super) trait Scalar: Sized {
    /// What stands in the file, to follow "it must be".
    const KIND: &'static str = "a text in quotes";

    /// The value that the text means.
    ///
    /// # Errors
    /// What it must be.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text that means the value.
    fn print(&self) -> String;

    /// The value as it stands in the file.
    fn to_value(&self) -> Value {
        Value::String(self.print())
    }

    /// The text of a value in the file, when it has the right type.
    fn text_of(value: &Value) -> Option<String> {
        value.as_str().map(ToOwned::to_owned)
    }
}

fn scalar<T: Scalar>(value: &Value) -> Result<T, String> {
    let text = T::text_of(value).ok_or_else(|| format!("it must be {}", T::KIND))?;
    T::parse(&text)
}

impl<T: Scalar> Setting for T {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        *self = T::parse(text)?;
        Ok(())
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        *self = scalar(value)?;
        Ok(())
    }

    fn show(&self) -> Value {
        self.to_value()
    }
}

/// Empty text is the absence of a value.
impl<T: Scalar> Setting for Option<T> {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        *self = match text {
            "" => None,
            text => Some(T::parse(text)?),
        };
        Ok(())
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        *self = match value.as_str() {
            Some("") => None,
            _ => Some(scalar(value)?),
        };
        Ok(())
    }

    fn show(&self) -> Value {
        self.as_ref()
            .map_or_else(|| Value::String(String::new()), Scalar::to_value)
    }
}

impl<T: Scalar> Setting for Vec<T> {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        *self = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(T::parse)
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        let items = value
            .as_array()
            .ok_or("it must be a list of texts in brackets")?;
        *self = items.iter().map(scalar).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> Value {
        Value::Array(self.iter().map(Scalar::to_value).collect())
    }
}

impl Setting for SecretString {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        *self = Self::from(text);
        Ok(())
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        *self = Self::from(value.as_str().ok_or("it must be a text in quotes")?);
        Ok(())
    }

    fn show(&self) -> Value {
        let shown = if self.expose_secret().is_empty() {
            ""
        } else {
            "***"
        };
        Value::String(shown.to_owned())
    }

    fn is_secret(&self) -> bool {
        true
    }
}

impl Scalar for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl Scalar for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn print(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Scalar for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "it must be an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
        })
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Scalar for bool {
    const KIND: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("it must be {}", Self::KIND))
    }

    fn print(&self) -> String {
        self.to_string()
    }

    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }

    fn text_of(value: &Value) -> Option<String> {
        value.as_bool().map(|value| value.to_string())
    }
}

impl Scalar for u32 {
    const KIND: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("it must be a whole number from 0 to {}", Self::MAX))
    }

    fn print(&self) -> String {
        self.to_string()
    }

    fn to_value(&self) -> Value {
        Value::Integer(i64::from(*self))
    }

    fn text_of(value: &Value) -> Option<String> {
        value.as_integer().map(|value| value.to_string())
    }
}

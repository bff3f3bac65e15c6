//! A field at fault, and which rule it breaks.

use std::borrow::Cow;

macro_rules! field_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Which rule a field breaks: `reason` in `google.rpc.BadRequest`. A reason of the whole call that
        /// names a field stands there by its own name.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum FieldReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FieldReason {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

field_reasons! {
    /// It must be there, and not empty.
    Required = "REQUIRED";
    /// It has fewer characters than it must have.
    TooShort = "TOO_SHORT";
    /// It has more characters or bytes than it may have.
    TooLong = "TOO_LONG";
    /// It has more items than it may have.
    TooManyItems = "TOO_MANY_ITEMS";
    /// The number, time or duration is too small or too large.
    OutOfRange = "OUT_OF_RANGE";
    /// The text is not of the form that it must have.
    InvalidFormat = "INVALID_FORMAT";
    /// The value is not among those that are accepted.
    InvalidValue = "INVALID_VALUE";
    /// The value is not of the type of the field.
    WrongType = "WRONG_TYPE";
    /// Nothing has this name here.
    UnknownField = "UNKNOWN_FIELD";
    /// It comes more than once.
    GivenTwice = "GIVEN_TWICE";
    /// It may not come here, or not together with what else came.
    NotAllowed = "NOT_ALLOWED";
}

/// A field that breaks a rule, as in `google.rpc.BadRequest`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldViolation {
    /// The dotted path of proto field names.
    pub field: Cow<'static, str>,
    /// The name of a [`FieldReason`], or of the [`Reason`] of the call.
    pub reason: Cow<'static, str>,
    /// What the field must be, to follow after its name. Never the value that was sent.
    pub description: Cow<'static, str>,
}

impl FieldViolation {
    /// A violation of one rule by one field.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        reason: FieldReason,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            reason: reason.name().into(),
            description: description.into(),
        }
    }
}

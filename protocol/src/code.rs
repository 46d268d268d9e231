//! Reasons that are enums: each has a code that stays, for programs, and a sentence for people.

/// Defines such an enum with its codes, its sentences and the list of all.
macro_rules! codes {
    (
        $(#[doc = $about:literal])+ $enum:ident:
        $($(#[doc = $doc:literal])+ $name:ident = $code:literal, $message:literal;)+
    ) => {
        $(#[doc = $about])+
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize,
            serde::Deserialize, thiserror::Error,
        )]
        pub enum $enum {
            $($(#[doc = $doc])+ #[serde(rename = $code)] #[error($message)] $name,)+
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code that evidence, logs and tests name.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

pub(crate) use codes;

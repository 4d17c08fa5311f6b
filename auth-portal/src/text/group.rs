//! The one macro of the texts: a group's names and their words in each language in one place.

/// Defines a struct of texts and its values: `key: "English" => "中文",`. Where the second is missing, the
/// English stands in its place.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $english:expr $(=> $chinese:expr)?,)* }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $(pub(crate) $key: &'static str,)*
        }

        impl $name {
            pub(super) const EN: Self = Self { $($key: $english,)* };
            pub(super) const ZH: Self = Self { $($key: chosen!($english $(, $chinese)?),)* };
        }
    };
}

macro_rules! chosen {
    ($english:expr) => {
        $english
    };
    ($english:expr, $chinese:expr) => {
        $chinese
    };
}

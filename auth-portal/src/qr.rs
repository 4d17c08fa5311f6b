//! QR codes as pictures in a page: black squares as one SVG path, no script and no style. Pure.

use std::fmt::Write as _;

use fast_qr::QRBuilder;

/// Light modules around a code that readers need (ISO/IEC 18004, section 6.3.8).
const QUIET: usize = 4;

/// A QR code to draw.
pub(crate) struct QrCode {
    /// Width and height of the picture, in modules.
    pub(crate) size: usize,
    /// The dark modules: `d` of an SVG path.
    pub(crate) path: String,
}

impl QrCode {
    /// Of a text; nothing where it is too long for one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).build().ok()?;
        let mut path = String::new();
        for y in 0..code.size {
            let mut x = 0;
            while x < code.size {
                let run = (x..code.size).take_while(|x| code[y][*x].value()).count();
                if run > 0 {
                    // A row of dark modules is one rectangle.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
                }
                x += run.max(1);
            }
        }
        Some(Self { size: code.size + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_squares_within_a_quiet_zone() {
        let code = QrCode::of("otpauth://totp/Beaver:alice?secret=MZXW6YTB").expect("a code");
        // Version v has 17 + 4v modules.
        assert_eq!((code.size - 2 * QUIET - 17) % 4, 0);
        // The finder pattern in the corner: seven dark modules in a row.
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "{}", code.path);
        assert!(code.path.bytes().all(|byte| b"Mhvz -0123456789".contains(&byte)));
        assert!(QrCode::of(&"x".repeat(10_000)).is_none());
    }
}

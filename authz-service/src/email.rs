//! E-mail addresses as far as they can be judged without sending mail. They travel in a request header to
//! instances, so visible ASCII alone is let through.

/// RFC 5321, section 4.5.3.1.3 (a path of 256 with its brackets).
pub(crate) const MAX_LEN: usize = 254;
const MAX_LOCAL: usize = 64;

/// Stands in for accounts that the operator makes without an address.
pub(crate) const STAND_IN_DOMAIN: &str = "localhost.invalid";

/// The address without surrounding space, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("must be filled in");
    }
    if text.len() > MAX_LEN {
        return Err("is too long");
    }
    let parts = text.rsplit_once('@').filter(|(local, domain)| is_local(local) && is_domain(domain));
    if parts.is_none() {
        return Err("must be an e-mail address such as alice@example.com");
    }
    Ok(text.to_owned())
}

fn is_local(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
}

fn is_domain(domain: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    domain.contains('.') && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_table() {
        for good in ["alice@example.com", "a.b+c@mail.example.co.uk", " bob@example.com "] {
            assert_eq!(parse(good), Ok(good.trim().to_owned()));
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "a@b",
            "a b@example.com",
            "a@b@example.com",
            "alice@example..com",
            ".a@example.com",
            "a\r\nx: y@example.com",
            "ä@example.com",
            "\"<script>\"@example.com",
            "a@-x.com",
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

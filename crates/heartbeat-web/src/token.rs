//! Tokens that bind a form to a cookie: an HMAC under the cookie's secret, so nothing is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The token of a session's forms.
pub(crate) fn of(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(secret).finalize().into_bytes())
}

/// Whether a form came from a page that was made for this secret; takes the same time either way.
pub(crate) fn fits(secret: &str, token: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
        return false;
    };
    mac(secret).verify_slice(&bytes).is_ok()
}

fn mac(secret: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"heartbeat form");
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_own_secret_alone() {
        let token = of("secret");
        assert!(fits("secret", &token));
        assert!(!fits("another", &token));
        assert!(!fits("secret", ""));
        assert!(!fits("secret", &token[..20]));
        assert!(!token.contains("secret"));
    }
}

//! Bearer tokens (RFC 6750) that say whose they are and when they end, and that every process with the key
//! can check by itself.
//!
//! `v1.CUSTOMER.EXPIRES.SIGNATURE`: the customer's number, the Unix second from which the token is worth
//! nothing, and the HMAC-SHA256 of both in hexadecimal. It refuses to revoke one: whoever must, changes the
//! key.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Failure;

/// The key when nobody names another: the demonstration's, and no secret.
pub const DEMO_KEY: &str = "fig-and-oak-tokens";

/// What tokens are signed with. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A token of `customer` that is worth something until the Unix second `expires`.
    ///
    /// # Errors
    /// 500 when the key cannot be used.
    pub fn sign(&self, customer: i64, expires: u64) -> Result<String, Failure> {
        let claims = format!("v1.{customer}.{expires}");
        let signature = self.code(&claims)?.finalize().into_bytes();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{claims}.{hex}"))
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// 401 for a token that nobody signed with this key, or that has ended at the Unix second `now`.
    pub fn customer(&self, token: &str, now: u64) -> Result<i64, Failure> {
        let invalid = || refused("token_invalid", "this token is not one of ours");
        let (claims, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
        let signature = bytes(signature).ok_or_else(invalid)?;
        // Compared in constant time.
        self.code(claims)?.verify_slice(&signature).map_err(|_| invalid())?;
        let mut parts = claims.split('.').skip(1);
        let customer = parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
        let expires: u64 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
        if now >= expires {
            return Err(refused("token_expired", "this token has expired: get another"));
        }
        Ok(customer)
    }

    fn code(&self, claims: &str) -> Result<Hmac<Sha256>, Failure> {
        let unusable =
            |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "token_key", "the key cannot be used");
        let code = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).map_err(unusable)?;
        Ok(code.chain_update(claims))
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new(DEMO_KEY)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The token of a request; 401 when there is none.
#[derive(Debug, Clone)]
pub struct Token(String);

impl Token {
    /// Whose it is, now.
    ///
    /// # Errors
    /// As [`Key::customer`].
    pub fn customer(&self, key: &Key) -> Result<i64, Failure> {
        key.customer(&self.0, unix_now())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
            // The scheme is case-insensitive (RFC 9110, 11.1).
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        token.map(Self).ok_or_else(|| refused("token_missing", "send Authorization: Bearer TOKEN"))
    }
}

/// The second that it is, since 1970.
#[must_use]
pub fn unix_now() -> u64 {
    // A clock before 1970 makes every token valid, which a demonstration survives.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn refused(code: &'static str, sentence: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, code, sentence)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_customers_until_it_ends() {
        let key = Key::default();
        let token = key.sign(7, 100).unwrap();
        assert_eq!(key.customer(&token, 99), Ok(7));
        assert_eq!(key.customer(&token, 100).unwrap_err().code(), "token_expired");
    }

    #[test]
    fn what_nobody_signed_is_refused() {
        let key = Key::default();
        let token = key.sign(7, 100).unwrap();
        let other_customer = token.replacen(".7.", ".8.", 1);
        let longer = token.replacen(".100.", ".999.", 1);
        let other_key = Key::new("another").sign(7, 100).unwrap();
        let shorter = token.get(..token.len() - 2).unwrap().to_owned();
        for bad in
            [other_customer, longer, other_key, shorter, String::new(), "v1.7.100.zz".into(), "é.é".into()]
        {
            assert_eq!(key.customer(&bad, 0).unwrap_err().code(), "token_invalid", "{bad}");
        }
        assert!(!format!("{key:?}").contains(DEMO_KEY));
    }
}

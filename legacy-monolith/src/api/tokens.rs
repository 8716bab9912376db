//! `/tokens`: an e-mail address and its password for a token that ends.
//!
//! Programs send it as `Authorization: Bearer TOKEN`; `/users/me` and `/orders/mine` want one.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chassis::Failure;
use chassis::bearer::unix_now;
use chassis::request::JsonBody;
use serde::Deserialize;
use serde_json::json;

use crate::Shop;
use crate::store::users;

/// Seconds that a token is worth something when nobody says otherwise.
const LIFETIME: u64 = 15 * 60;
/// The most seconds that can be asked for.
const LONGEST: u64 = 24 * 60 * 60;

#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    email: String,
    password: String,
    expires_in: Option<u64>,
}

pub(super) async fn create(
    State(shop): State<Shop>,
    JsonBody(wanted): JsonBody<Credentials>,
) -> Result<Response, Failure> {
    let seconds = wanted.expires_in.unwrap_or(LIFETIME);
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Failure::invalid(format!("expires_in is 1 to {LONGEST} seconds")));
    }
    let (email, password) = (wanted.email.trim().to_owned(), wanted.password);
    let user = shop.database.call(move |c| users::authenticate(c, &email, &password)).await?;
    let Some(user) = user else {
        let sentence = "e-mail address and password do not fit together";
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "wrong_credentials", sentence));
    };
    let token = shop.tokens.sign(user.id, unix_now().saturating_add(seconds))?;
    let body = json!({ "token": token, "token_type": "Bearer", "expires_in": seconds, "user_id": user.id });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

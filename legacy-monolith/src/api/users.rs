//! `/users`

use axum::extract::State;
use axum::response::Response;
use chassis::Failure;
use chassis::bearer::Token;
use chassis::idempotency::Created;
use chassis::request::{Id, JsonBody, Page, QueryOf};
use serde::Deserialize;
use serde_json::json;

use crate::Shop;
use crate::api::listed;
use crate::store::users::{self, User};

pub(super) async fn list(
    State(shop): State<Shop>,
    QueryOf(page): QueryOf<Page>,
) -> Result<Response, Failure> {
    let (users, total) = shop.database.call(move |c| users::list(c, page.limit(), page.offset())).await?;
    Ok(listed(total, json!({ "items": users, "total": total })))
}

pub(super) async fn show(State(shop): State<Shop>, Id(id): Id) -> Result<axum::Json<User>, Failure> {
    shop.database.call(move |c| users::get(c, id)).await.map(axum::Json)
}

/// The customer whose token it is.
pub(super) async fn me(State(shop): State<Shop>, token: Token) -> Result<axum::Json<User>, Failure> {
    let id = token.customer(&shop.tokens)?;
    shop.database.call(move |c| users::get(c, id)).await.map(axum::Json)
}

#[derive(Debug, Deserialize)]
pub(super) struct NewUser {
    name: String,
    email: String,
    phone: Option<String>,
    password: Option<String>,
}

pub(super) async fn create(
    State(shop): State<Shop>,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<Response, Failure> {
    let (name, email) = (new.name.trim().to_owned(), new.email.trim().to_owned());
    if name.is_empty() || name.len() > 200 {
        return Err(Failure::invalid("name is 1 to 200 bytes"));
    }
    let valid = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    if !valid || email.len() > 200 || email.contains(char::is_whitespace) {
        return Err(Failure::invalid("email is no e-mail address"));
    }
    let user = shop
        .database
        .call(move |c| users::create(c, &name, &email, new.phone.as_deref(), new.password.as_deref()))
        .await?;
    let path = format!("/users/{}", user.id);
    Ok(Created { path, body: json!(user), replayed: false }.respond(""))
}

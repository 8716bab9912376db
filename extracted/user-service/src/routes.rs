//! `/users`

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chassis::Failure;
use chassis::bearer::Token;
use chassis::faults::Switches;
use chassis::idempotency::Created;
use chassis::rehearsal::Keeping;
use chassis::request::{Id, JsonBody, Page, QueryOf};
use chassis::service::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{self, User};
use crate::{ABSENT_FOR_NULL, MISSING_TIER};

pub(crate) fn routes(context: Context) -> Router {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/me", get(me))
        .route("/users/{id}", get(show))
        .with_state(context)
}

/// A customer as the API shows one; the outer `None` of a field leaves it out.
#[derive(Debug, Serialize)]
struct Shown {
    id: i64,
    name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loyalty_tier: Option<String>,
    created_at: String,
}

fn shown(user: User, switches: &Switches) -> Shown {
    let User { id, name, email, phone, loyalty_tier, created_at } = user;
    let leave_out = phone.is_none() && switches.is_on(ABSENT_FOR_NULL.name);
    Shown {
        id,
        name,
        email,
        phone: (!leave_out).then_some(phone),
        loyalty_tier: (!switches.is_on(MISSING_TIER.name)).then_some(loyalty_tier),
        created_at,
    }
}

async fn list(State(context): State<Context>, QueryOf(page): QueryOf<Page>) -> Result<Response, Failure> {
    let (users, total) = context.database.call(move |c| store::list(c, page.limit(), page.offset())).await?;
    let items: Vec<_> = users.into_iter().map(|user| shown(user, &context.switches)).collect();
    let body = Json(json!({ "items": items, "total": total }));
    Ok(([("x-total-count", HeaderValue::from(total))], body).into_response())
}

async fn show(State(context): State<Context>, Id(id): Id) -> Result<Json<Shown>, Failure> {
    let user = context.database.call(move |c| store::get(c, id)).await?;
    Ok(Json(shown(user, &context.switches)))
}

/// The customer whose token it is.
async fn me(State(context): State<Context>, token: Token) -> Result<Json<Shown>, Failure> {
    let id = token.customer(&context.tokens)?;
    let user = context.database.call(move |c| store::get(c, id)).await?;
    Ok(Json(shown(user, &context.switches)))
}

#[derive(Debug, Deserialize)]
struct NewUser {
    name: String,
    email: String,
    phone: Option<String>,
}

async fn create(
    State(context): State<Context>,
    keeping: Keeping,
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
    let user = context
        .database
        .transact(keeping, move |t| store::create(t, &name, &email, new.phone.as_deref()))
        .await?;
    let path = format!("/users/{}", user.id);
    let body = json!(shown(user, &context.switches));
    Ok(Created { path, body, replayed: false }.respond(""))
}
